// Package history holds what the clients of a cluster were told, operation by
// operation, and judges it. It is pure: who makes a history brings the times,
// and the verdict is a function of the history alone.
//
// Four questions are asked, each in the plainest way it can be:
//
//   - Is an acknowledged session still there? ([Verdict.Lost])
//   - Is a session gone after an acknowledged logout? ([Verdict.Undead])
//   - Was a client with a good session, or good credentials, ever turned away as
//     if they were not? ([Verdict.Denied])
//   - How long did nobody get what they asked for? ([Summarize])
//
// Beside these stands a check that knows none of them: the history of each
// session must be linearizable, against a model with four states
// ([Verdict.Illegal]).
//
// Journeys of several steps are judged in the same two ways ([CheckJourneys]):
// what clients saw of a journey that was lost, rolled back, doubled or refused is
// counted, and beside that the requests of each journey must have an order that a
// model explains, of a journey that takes each step once
// ([JourneyVerdict.Illegal]). [Stalls] sums up how long clients waited.
package history
