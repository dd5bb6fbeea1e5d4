// Package sim has no code but tests: whole clusters in one process, under
// virtual time, on a network whose faults a seed draws.
//
// A member is all that "sojourn serve" runs, from the HTTP server down to raft,
// Badger and gossip; only the network and the clock are simulated. What is not:
// the death of a process (a member that crashes loses its connections at once
// and is then closed in order), its pause, and the disk, which keeps what it was
// given. Real processes are tested for these beside, in package e2e.
package sim
