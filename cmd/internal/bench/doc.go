// Package bench measures a member by closed-loop load: workers that each keep
// one connection and send the next request when the last answer is checked.
//
// It is split as such tools are best split: a pacer says when a round is over,
// workers drive a subject and record what each operation took, and a report is
// made of the records alone. A subject is one kind of operation together with
// the check of its answer; a wrong answer is an error, and errors fail the run.
//
// The figure that matters is the server's CPU for one operation, read from the
// operating system's account of the server's process. Its yardstick is echo, a
// net/http server that decodes a JSON body and encodes it again, in a process
// of its own, loaded by the same workers in the same run. Rounds of all
// subjects are interleaved, and ratios are taken within a round, so that a slow
// minute of the machine touches both sides of each ratio.
//
// A server is a member alone or a cluster: its CPU is that of all its processes,
// and a worker's requests go to its members in turn.
//
// The load goes to loopback addresses only.
package bench
