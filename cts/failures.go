package cts

import (
	"errors"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// sentinels are the errors that cross from member to member and become the same
// again, and ErrLimit with its text.
func sentinels() map[peer.Code]error {
	return map[peer.Code]error{
		peer.CodeNoSession:  session.ErrNotFound,
		peer.CodeNoIdentity: identity.ErrNotFound,
		peer.CodeExists:     ErrExists,
		peer.CodeNoDocument: realm.ErrNoDocument,
		peer.CodeConflict:   realm.ErrConflict,
		peer.CodeLimit:      ErrLimit,
		peer.CodeNoMember:   ErrNoMember,
		peer.CodeRefused:    ErrRefused,
		peer.CodeNoToken:    token.ErrNotFound,
		peer.CodeQuota:      session.ErrQuota,
	}
}

// failureOf makes an error one that can be sent.
func failureOf(err error) *peer.Failure {
	if down, ok := errors.AsType[*session.UnavailableError](err); ok {
		f := &peer.Failure{Code: peer.CodeUnavailable, Text: down.Reason, RetryAfter: down.RetryAfter, Unknown: down.Unknown}
		if isElsewhere(err) {
			f.Code = peer.CodeElsewhere
		}
		return f
	}
	for code, sentinel := range sentinels() {
		if errors.Is(err, sentinel) {
			return &peer.Failure{Code: code, Text: err.Error()}
		}
	}
	return &peer.Failure{Code: peer.CodeInternal, Text: err.Error()}
}

// errorOf is the error that another member sent.
func errorOf(f *peer.Failure) error {
	down := &session.UnavailableError{Reason: f.Text, RetryAfter: f.RetryAfter, Unknown: f.Unknown}
	sentinel := sentinels()[f.Code]
	switch {
	case f.Code == peer.CodeUnavailable:
		return down
	case f.Code == peer.CodeElsewhere:
		return elsewhereError{down}
	case f.Code == peer.CodeProtocol:
		// It is of another release, as its peers will know in a moment.
		return elsewhere("the leader does not understand: " + f.Text)
	case sentinel == nil:
		return errors.New("the leader says: " + f.Text)
	case f.Text == sentinel.Error():
		return sentinel
	default:
		return sentError{f.Text, sentinel}
	}
}

// sentError is a sentinel under the text that it had at the sender.
type sentError struct {
	text     string
	sentinel error
}

func (e sentError) Error() string { return e.text }
func (e sentError) Unwrap() error { return e.sentinel }
