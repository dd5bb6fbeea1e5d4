// Package cts is the token store: sessions, identities and configuration,
// replicated by raft and kept in Badger.
//
// A write may be asked of any member: it is carried out where the leader is,
// through raft's log, and returns when it is durable and can be read. Every
// member answers reads under a lease, sessions from memory when they are hot; a
// logout returns when no member calls its session valid. A store that cannot
// be sure of its answer gives none: it returns a *session.UnavailableError,
// never "no such session". DESIGN.md tells how, and what lies on the disk.
package cts
