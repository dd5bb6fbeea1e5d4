package session

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotFound says for certain that there is no such session: it never was,
// has ended, or was ended.
var ErrNotFound = errors.New("no such session")

// ErrClientSide says that something cannot be done to a session that its holder
// keeps: nobody else could know of the change.
var ErrClientSide = errors.New("a client-side session cannot be changed")

// UnavailableError says that an answer is not known now: no quorum, no lease,
// a full disk, a queue at its limit. It never means "not logged in". A write
// that returns it may or may not have been done when Unknown is set.
type UnavailableError struct {
	Reason     string
	RetryAfter time.Duration
	Unknown    bool
}

func (e *UnavailableError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("unavailable: %s (the write may have been done)", e.Reason)
	}
	return "unavailable: " + e.Reason
}
