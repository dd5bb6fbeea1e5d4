// Package fsm is the token store's state machine: a raft.FSM on Badger.
//
// Badger runs in managed mode and the version of each key is the index of the
// log entry that wrote it. Versions above the last durable checkpoint are kept.
// So the store can be read as it was at the checkpoint even when a power cut
// lost some of what was written after it, and log entries that are applied
// again read exactly what they read the first time: what survived of later
// entries has a higher version and is not seen.
//
// Every transaction writes the index and term it stands for, the configuration,
// and the count and sum of all keys. Open reads everything and compares.
package fsm
