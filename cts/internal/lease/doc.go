// Package lease decides who may answer session reads, and for how long a
// change must wait until nobody can answer as if it had not happened.
//
// Pure: no goroutine, lock, clock or network. Time comes in as a duration since
// any fixed point of the member's own clock. That clock must be monotonic and
// run on while the machine sleeps (CLOCK_BOOTTIME); clocks of two members may
// show anything, but while one runs 100 ms the other runs at most 105. No value
// is safe for concurrent use: each needs a mutex of its caller's.
//
// # Parts
//
// A [Holder] is every member, voter or not, the leader too. Every
// [Timing.Renew] it notes the time, asks the leader, and is given a [Grant]: a
// lease of D from the time noted, usable once the member has applied the index
// Need. It reads its own copy while a lease is usable, and only then.
//
// A [Granter] is the leader's table. It grants while it knows that within the
// last V a majority of voters still was in its term. Every [Timing.Round] it
// notes the time and asks each voter, itself among them, for its term.
//
// A [Voter] is what a voter remembers to answer that question.
//
// # What a change waits for
//
// A logout is committed at index i and applied by the leader. Then
// [Granter.Holders] names all others that may hold a lease. Each of them
// acknowledges a tombstone of that session (or that it has applied i), or its
// time runs out. Then the logout is acknowledged. A member that is to leave
// gets no grants any more, and is removed when its time has run out
// ([Granter.Evict]).
//
// # Why a read that starts after the acknowledgement does not see the session
//
// Let leader L of term T have acknowledged, and let member N read under a lease
// that L' granted in term T'. N has neither tombstone nor index i.
//
// T' = T, granted after Holders was called: Need is at least i
// ([Granter.Holders] sees to it), so N cannot use the lease. Granted before: N
// was in the table, and L waited for the time there. N counts D from before it
// asked, L counts D and the drift from after it was asked, so N's lease ended first.
//
// T' > T: L' began by applying an entry of its own term, before which stands
// everything that was ever committed, i included. So Need is at least i.
//
// T' < T: say L' relied on a majority M' of its configuration C' that answered
// "term T'" after tv. It granted less than V after tv, so the lease ends at most
// V + D after tv, by the slowest clock ([Timing.Wait] by any). L treats all
// members as holders until Wait after an instant that is not before tv. It has two such instants:
//
// Its election. The first leader after T' was chosen by a majority of C' or of
// the configuration next to it, which shares a voter with M'. That voter
// answered T' before it voted for a higher term, so after tv. Any further
// configuration was written by that leader or a later one.
//
// The quiet of a majority M of its own configuration C, usually much earlier:
// after a crash of L' the waiting is mostly over when L is elected. Each voter of
// M answered "term T" and said for how long it had given no answer for an older
// term, nor met a new configuration, nor been restarted. C is committed and each
// of M has applied it. Let x be the latest instant among those that M named.
//   - C is C' or next to it: M and M' share a voter. Its answer to L' was
//     given after tv, and x is not before that answer: the voter remembers it, or has been
//     restarted since. Having answered T it never again answers T'.
//   - C is further from C': it was written after L' granted, by L' or by a
//     leader elected after tv. Each voter of M met C after that, and remembers it or has been restarted since.
//
// The second case is why a Voter is told the configuration's index. Without it, a cluster
// that replaced most of its voters within one lease could choose a leader by a
// majority that no older leader had ever asked, and that would truthfully claim a long quiet.
//
// What is not assumed: anything about election timeouts, heartbeats, votes after
// a restart, delay of messages, or wall clocks. What remains: a machine whose clock
// itself is stopped, as by a hypervisor, serves after it wakes for what its
// clock says is left of D. And the steps of raft.RecoverCluster
// are outside of the argument: every member must have been stopped for Wait.
package lease
