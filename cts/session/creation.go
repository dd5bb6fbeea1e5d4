package session

import (
	"errors"

	"sojourn/actors/realm"
)

// Creation is what a journey that succeeded wants made.
type Creation struct {
	// Session is complete: its ID and Journey are set.
	Session Session
	// Replaces is the session whose place this one takes, nil for none. It ends
	// in the same instant, unless Keeps is set.
	Replaces *Session
	Keeps    bool
	// ClientSide says that the session is to be kept by its holder, inside its
	// token, and not by the token store.
	ClientSide bool
	Quota      realm.Quota
}

// Made is what the token store made of a Creation.
type Made struct {
	Session Session
	// Index is the log index that created it.
	Index uint64
	// Existed says that the journey had created it before.
	Existed bool
	// Ended are the sessions that the quota ended in the same instant.
	Ended []Session
}

// Created is a session with the token that opens it.
type Created struct {
	Session Session
	Token   TokenID
	// Existed says that the journey had created it before.
	Existed bool
}

// ErrQuota says that a user has as many sessions as the quota allows, and that
// the quota's action is DenyAccess (AM's error 115).
var ErrQuota = errors.New("You have reached your session limit.") //nolint:revive,staticcheck // AM's text, sent as it stands

// Reason is why a session ended.
type Reason byte

// The reasons, as AM's logout webhooks and events tell them apart (am-contract
// section 7.7).
const (
	Logout      Reason = iota + 1 // its holder, or somebody for it, logged out
	Upgraded                      // another session took its place
	Destroyed                     // an administrator or a quota ended it
	IdleTimeout                   // nobody used it for its idle time
	MaxTimeout                    // it had lived for its longest life
)

// String is the name that AM's logout webhooks have for the reason.
func (r Reason) String() string {
	switch r {
	case Logout:
		return "LOGOUT"
	case Upgraded:
		return "UPGRADE"
	case Destroyed:
		return "DESTROY"
	case IdleTimeout:
		return "IDLE_TIMEOUT"
	case MaxTimeout:
		return "MAX_TIMEOUT"
	}
	return ""
}
