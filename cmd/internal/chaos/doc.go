// Package chaos runs clusters of real processes under load, injects faults, and
// judges what the clients saw.
//
// A [Scenario] is a value: members, steps, limits. [Run] starts the members
// (package fleet), keeps a steady [Load] of logins, validations and logouts on
// them, each request at another member, takes the steps, mends what they broke,
// reads every acknowledged session at every member once more, and hands the
// whole history to package history. The [Report] has a row for each step and a
// verdict on all of it.
//
// A load may have journeys of several steps as well ([LoadConfig.Journeys]), each
// request of which goes to another member. A [Plan] makes the scenarios for them,
// with a fault every so often. [Attach] judges a cluster that somebody else runs
// and breaks. The report then has a [Card] for each kind of fault and a verdict
// on each [Promise].
//
// The load plays a balancer that does not know which members are well: it goes
// on asking a dead one, and it never lets more than a fair share of its workers
// wait for the same member, so that a frozen member does not stop the requests
// to the others. What it measures as a gap in service is then the cluster's.
package chaos
