// Package cts is the token store: sessions, identities and configuration,
// replicated by raft and kept in Badger.
//
// A write goes through raft's log and returns when it is durable and can be
// read. Sessions are read from memory when they are hot. A store that cannot
// be sure of its answer gives none: it returns a *session.UnavailableError,
// never "no such session". DESIGN.md tells how, and what lies on the disk.
package cts
