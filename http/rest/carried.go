package rest

import (
	"errors"
	"fmt"
	"log/slog"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/clientside"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// Sealer seals what clients carry of their journeys, and opens it again; its
// errors are those of clientside.Codec.
type Sealer interface {
	Seal(p clientside.Purpose, how realm.ClientSide, c clientside.Content) (string, error)
	Open(p clientside.Purpose, text string) (clientside.Content, error)
}

var (
	errNoSealer = &session.UnavailableError{Reason: "journeys cannot be sealed here", RetryAfter: retryAfter}
	// errTooMuch is the answer of a journey that has come to hold more than a
	// client can carry. AM has no such limit and so no text; a client can do no
	// more about it than about any other failure.
	errTooMuch = fault{status: 401, message: "The journey has become too large for client-side storage"}
)

// sign makes the authId of a reference. What a client carries of its journey is
// sealed as the realm's client-side sessions are.
func (c *call) sign(ref journey.Ref) (wire.SignedAuthID, error) {
	a := authIDOf(ref)
	if len(ref.State) > 0 {
		if c.h.cfg.Sealer == nil {
			return "", errNoSealer
		}
		text, err := c.h.cfg.Sealer.Seal(clientside.Journey, c.settings.ClientSide, clientside.Content{
			ID: ref.Journey, Realm: string(ref.Realm), Issued: ref.Started, Expires: ref.Expires, Body: ref.State,
		})
		if missing, ok := errors.AsType[*clientside.MissingKeyError](err); ok {
			return "", &session.UnavailableError{Reason: missing.Error(), RetryAfter: retryAfter}
		}
		if err != nil {
			return "", c.tooMuch(ref, fmt.Errorf("seal a journey: %w", err))
		}
		a.Sealed = wire.Sealed(text)
	}
	signed, err := c.signer().Sign(a)
	if err != nil && a.Sealed != "" {
		return "", c.tooMuch(ref, err)
	}
	return signed, err
}

// tooMuch tells the operator of a journey that a client cannot carry.
func (c *call) tooMuch(ref journey.Ref, err error) error {
	if !errors.Is(err, clientside.ErrSize) && !errors.Is(err, wire.ErrAuthIDSize) {
		return err
	}
	level := slog.LevelDebug
	if second := c.now.Unix(); c.h.warned.Swap(second) != second {
		level = slog.LevelWarn
	}
	c.h.cfg.Log.LogAttrs(c.context(), level, "a journey is too large for its client: use compression, or the CTS store",
		slog.String("realm", string(ref.Realm)), slog.String("tree", ref.IndexValue), slog.String("journey", ref.Journey.String()),
		slog.Int("bytes", len(ref.State)))
	return errTooMuch
}

// reference reads what an authId means.
func (c *call) reference(a wire.AuthID) (journey.Ref, error) {
	ref := refOf(a)
	if a.Sealed == "" {
		return ref, nil
	}
	if c.h.cfg.Sealer == nil {
		return ref, errNoSealer
	}
	content, err := c.open(string(a.Sealed))
	switch newer, ok := errors.AsType[*clientside.NewerKeyError](err); {
	case ok: // what is around it was signed by a key of this cluster
		return ref, &session.UnavailableError{Reason: newer.Error(), RetryAfter: retryAfter}
	case errors.Is(err, clientside.ErrToken): // as above, so its key has gone since
		return ref, journey.ErrGone
	case err != nil:
		return ref, err
	case content.ID != a.Journey || content.Realm != a.Realm:
		return ref, wire.ErrSignature
	}
	ref.State = content.Body
	return ref, nil
}

// open reads a sealed journey, if need be with keys that this member has yet to
// learn of.
func (c *call) open(text string) (clientside.Content, error) {
	content, err := c.h.cfg.Sealer.Open(clientside.Journey, text)
	if _, newer := errors.AsType[*clientside.NewerKeyError](err); !newer {
		return content, err
	}
	if err := c.h.cfg.Current(c.context()); err != nil {
		return content, err
	}
	return c.h.cfg.Sealer.Open(clientside.Journey, text)
}
