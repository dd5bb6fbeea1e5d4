// Package token is what the replicated store keeps beside sessions, under AM's
// name for it: typed tokens, each a few bytes that end by themselves. What the
// bytes mean is the business of whoever writes them.
//
// A token is replaced only by whoever has seen what it replaces, so that of two
// who go on from the same state one wins, whatever fails in between.
package token

import (
	"errors"
	"log/slog"
	"time"
)

// Kind is what a token is about. Numbers are never used again: they are in the
// store's keys.
type Kind byte

// Kinds of tokens.
const (
	Journey     Kind = 1 // a journey of a realm that keeps journeys in the store
	Suspended   Kind = 2 // a suspended journey, by a hash of its one-time id
	Transaction Kind = 3 // a transaction that waits for its authorisation
	Allowlist   Kind = 4 // which step of a journey is the current one, when its client carries it
	HolderRealm Kind = 5 // a realm whose sessions their holders may keep
)

// ID names a token among those of its kind.
type ID [16]byte

// Token is a token as it is stored.
type Token struct {
	Kind Kind
	ID   ID
	// Seq counts its writes: the first is 1.
	Seq uint64
	// Index is the log index of the last write. A member that is asked for the
	// token with it waits until it has that.
	Index   uint64
	Expires time.Time
	Body    Body
}

// Put replaces a token, or makes one. It is done at most once: asked for again,
// with the same body and end, it has the outcome that it had the first time, as
// long as nobody has replaced what it put.
type Put struct {
	Kind Kind
	ID   ID
	// Seq is that of the token it replaces; zero makes a new one.
	Seq uint64
	// Expires is when the token ends, at the latest; it may be moved with each
	// write. To end a token, replace it by an empty one that ends soon.
	Expires time.Time
	Body    Body
}

// Body is what a token holds: often secrets, so it prints as [redacted].
type Body []byte

const redacted = "[redacted]"

func (Body) String() string       { return redacted }
func (Body) GoString() string     { return redacted }
func (Body) LogValue() slog.Value { return slog.StringValue(redacted) }

// MaxBody bounds a token's body, in bytes.
const MaxBody = 128 << 10

// ErrNotFound says for certain that there is no such token: it never was, or
// has ended.
var ErrNotFound = errors.New("no such token")
