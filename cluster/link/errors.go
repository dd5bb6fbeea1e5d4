package link

import (
	"errors"
	"fmt"
)

// Causes that callers may look for, by errors.Is, inside DownError or LostError.
var (
	// ErrClosed: this link was closed.
	ErrClosed = errors.New("link is closed")
	// ErrTooLarge: a request or an answer is longer than MaxBody.
	ErrTooLarge = errors.New("body is too large")
	// ErrBusy: the peer runs as many requests of this member as it allows.
	ErrBusy = errors.New("peer is busy")
	// ErrNoHandler: the peer does not offer the service (it may be starting).
	ErrNoHandler = errors.New("peer has no handler for the service")
	// ErrClosing: the peer is stopping.
	ErrClosing = errors.New("peer is stopping")
	// ErrSilent: the peer stopped answering pings.
	ErrSilent = errors.New("peer is silent")
)

// DownError says that the peer certainly did not get the request: it could not
// be reached, refused the connection or the request, or the connection closed
// before the request was written.
type DownError struct {
	Addr string
	Err  error
}

func (e *DownError) Error() string {
	return fmt.Sprintf("member at %s: not reached: %v", e.Addr, e.Err)
}
func (e *DownError) Unwrap() error { return e.Err }

// LostError says that the request was sent and no answer came. Whether the peer
// carried it out is not known.
type LostError struct {
	Addr string
	Err  error
}

func (e *LostError) Error() string { return fmt.Sprintf("member at %s: no answer: %v", e.Addr, e.Err) }
func (e *LostError) Unwrap() error { return e.Err }

// RemoteError is the error of a handler on the other side. A handler that wants
// its caller to tell errors apart returns a *RemoteError with a Code of its own
// choice; any other error travels as code 0 with its text.
type RemoteError struct {
	Service byte // set by Call
	Code    uint32
	Text    string // at most 1 KiB
}

func (e *RemoteError) Error() string { return e.Text }

// Refusal is why an acceptor turned a connection down.
type Refusal byte

// The numbers are part of the wire format.
const (
	RefusedProtocol Refusal = 1 // no protocol version in common
	RefusedKind     Refusal = 2 // nobody takes connections of this kind
	RefusedCluster  Refusal = 3 // the peer belongs to another cluster
	RefusedMember   Refusal = 4 // the certificate names another member
	RefusedClosing  Refusal = 5 // the acceptor is stopping
)

func (r Refusal) String() string {
	switch r {
	case RefusedProtocol:
		return "no common protocol version"
	case RefusedKind:
		return "no taker for this kind of connection"
	case RefusedCluster:
		return "other cluster"
	case RefusedMember:
		return "certificate names another member"
	case RefusedClosing:
		return "stopping"
	}
	return fmt.Sprintf("refusal %d", byte(r))
}

// RefusedError is a refusal that came as the answer to a preamble. Call and Dial
// wrap it in a DownError.
type RefusedError struct {
	Reason Refusal
	Detail string
}

func (e *RefusedError) Error() string {
	if e.Detail == "" {
		return "refused: " + e.Reason.String()
	}
	return "refused: " + e.Reason.String() + ": " + e.Detail
}
