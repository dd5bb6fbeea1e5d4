// Package command holds the replicated commands of the token store: what each
// looks like in the log, and what each does to a transaction.
//
// The package is pure. Whatever a command needs of the outside world (times,
// revisions, the outcome of a quota or a precondition) is decided before the
// command enters the log and stands in it; Apply reads nothing but the
// transaction. A command applied again changes nothing, and the same log
// gives the same store on every member.
//
// A log entry is
//
//	version 1 (1) | term (8) | { length (uvarint) | op (1) | version (1) | payload }...
//
// The term is the one in which the commands were decided: see Entry.
package command
