package envelope

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cts/session"
)

// ErrNotHere says that the member which was asked has no record of the journey
// and cannot activate it: it was told not to, the journey is no longer at its
// start, or the member does not have the version of the tree.
var ErrNotHere = errors.New("the journey is not at this member")

// ErrCutOff says that the member which was asked reached too few of the
// journey's replicas: it could not agree with them on what it has to say. What
// it was asked to do may yet come to be done, once.
var ErrCutOff = errors.New("too few replicas of the journey can be reached")

// FencedError says that the member which was asked does not lead the journey
// and could not take it over: another member has, or is about to.
type FencedError struct {
	// Epoch is the promise in the way. Its Member is worth asking.
	Epoch register.Epoch
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("another member leads the journey, in epoch %d of %s", e.Epoch.Counter, e.Epoch.Member)
}

// RefusedError says that the member which was asked has done nothing: it is
// stopping, or does not understand the message.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused: " + e.Reason }

// The codes of errors. A number is never given another meaning.
const (
	codeOther       = 0
	codeNotHere     = 1
	codeRefused     = 2
	codeGone        = 3
	codeNoTree      = 4
	codeNoRealm     = 5
	codeOtherUser   = 6
	codeCount       = 7
	codeType        = 8
	codeInput       = 9
	codeValue       = 10
	codeUnavailable = 11
	codeIdentities  = 12
	codeOverloaded  = 13
	codeFenced      = 14
	codeCutOff      = 15
)

type coded struct {
	code byte
	is   error
}

// sentinels are the errors that are the same value at every member.
func sentinels() [11]coded {
	return [...]coded{
		{codeNotHere, ErrNotHere},
		{codeGone, journey.ErrGone},
		{codeNoTree, journey.ErrNoTree},
		{codeNoRealm, journey.ErrNoRealm},
		{codeOtherUser, journey.ErrOtherUser},
		{codeCount, callback.ErrCount},
		{codeType, callback.ErrType},
		{codeInput, callback.ErrInput},
		{codeIdentities, identity.ErrUnavailable},
		{codeOverloaded, identity.ErrOverloaded},
		{codeCutOff, ErrCutOff},
	}
}

// maxText bounds the text of an error, in bytes.
const maxText = 1 << 10

func cut(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}

// error writes code, text and, for the types with data, the data.
func (w *writer) error(err error) {
	var (
		refused     *RefusedError
		value       *callback.ValueError
		unavailable *session.UnavailableError
		fenced      *FencedError
	)
	text := cut(err.Error())
	for _, s := range sentinels() {
		if errors.Is(err, s.is) {
			w.byte(s.code)
			w.text(text)
			return
		}
	}
	switch {
	case errors.As(err, &refused):
		w.byte(codeRefused)
		w.text(text)
		w.text(cut(refused.Reason))
	case errors.As(err, &value):
		w.byte(codeValue)
		w.text(text)
		w.text(cut(string(value.Type)))
		w.text(cut(value.Detail))
	case errors.As(err, &unavailable):
		w.byte(codeUnavailable)
		w.text(text)
		w.text(cut(unavailable.Reason))
		w.varint(int64(unavailable.RetryAfter))
		w.bool(unavailable.Unknown)
	case errors.As(err, &fenced):
		w.byte(codeFenced)
		w.text(text)
		w.b = register.AppendEpoch(w.b, fenced.Epoch)
	default:
		w.byte(codeOther)
		w.text(text)
	}
}

// error reads an error: one that errors.Is and errors.As find to be what it
// was, with the same text.
func (r *reader) error() error {
	code, text := r.byte(), r.text()
	for _, s := range sentinels() {
		if s.code == code {
			return as(s.is, text)
		}
	}
	switch code {
	case codeRefused:
		return as(&RefusedError{Reason: r.text()}, text)
	case codeValue:
		return as(&callback.ValueError{Type: callback.Type(r.text()), Detail: r.text()}, text)
	case codeUnavailable:
		return as(&session.UnavailableError{
			Reason:     r.text(),
			RetryAfter: time.Duration(r.varint()),
			Unknown:    r.bool(),
		}, text)
	case codeFenced:
		return as(&FencedError{Epoch: r.epoch()}, text)
	case codeOther:
		return errors.New(text)
	}
	r.fail()
	return ErrMalformed
}

// crossed is an error that said more than what it is.
type crossed struct {
	text string
	is   error
}

func (e *crossed) Error() string { return e.text }
func (e *crossed) Unwrap() error { return e.is }

func as(is error, text string) error {
	if is.Error() == text {
		return is
	}
	return &crossed{text, is}
}
