// Package roster decides who belongs to the store's raft group: how the first
// member of a cluster is found, who is added, promoted, removed.
//
// Pure: it is told what is so and says what to do next. A server is named by
// its store id, the random name of a data folder; an empty disk is a new
// server.
//
// # The first member
//
// A cluster begins with one member that bootstraps itself alone; everybody else
// is added through its log. Members that are started with the same Expect
// find that one by themselves. The smallest id among at least Expect members without a
// cluster ([Bootstrap]) asks all of them for a promise ([Promise.Give]), and bootstraps
// with the promises of Expect members, its own among them ([Promise.Won]).
//
// Promises are on disk before they are told, so they outlive restarts. A
// member promises to one candidate. It changes to a smaller one only if the
// earlier has itself promised to that one and so cannot win any more: without this, members that
// meet in an unlucky order would split their promises and wait forever.
//
// Two candidates cannot both win. A candidate wins only while its own promise
// is to itself, so nobody who promised to a winner has changed or can change,
// and both would need Expect members of their own. Expect must therefore be
// more than half of all members that are started with it.
//
// # The members after that
//
// The leader compares raft's configuration with who is alive and makes one
// change at a time ([Policy.Reconcile]). All that live are in it, up to
// Policy.Voters of them as voters. An odd number of voters is preferred, since
// an even one needs one more for its majority and bears no more losses: four members are
// three voters and a non-voter. Two are two voters: each holds everything, and
// without either of them nothing can be written.
//
// A voter that does not come back is removed only while the voters that remain
// have a living majority and hold two living copies.
package roster
