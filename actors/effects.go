package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Meter takes the measurements of Meter and Timer nodes. Key is an operator's
// choice, so an implementation bounds how many it keeps.
type Meter interface {
	Count(key string)
	Observe(key string, d time.Duration)
}

// effects runs what journeys want done outside themselves. It is used by many
// journeys at once, always off their mailboxes.
type effects struct {
	users  identity.Repository
	suffix string // of universal ids
	meter  Meter
	logger *slog.Logger

	cookies Cookies // nil: none
	mailer  Mailer  // nil: none
	// documents hold the realms' mail templates.
	documents Documents
	// transactions are what journeys authorise; nil: nothing.
	transactions *Transactions
}

// run returns the effect's result. An error means that the result is not
// known, and never that the answer is no. What counts in the store counts once
// for each once; a measurement is taken each time, for nothing remembers it.
func (e *effects) run(ctx context.Context, once Once, r realm.Name, effect node.Effect) (node.Result, error) {
	switch effect := effect.(type) {
	case node.Authenticate:
		return e.authenticate(ctx, once, r, effect)
	case node.Lookup:
		return e.lookup(ctx, r, effect)
	case node.Update:
		return e.change(ctx, once, r, effect)
	case node.ChangePassword:
		return e.changePassword(ctx, once, r, effect)
	case node.Settle:
		return e.transactions.settle(ctx, once, effect)
	case node.SendMail:
		return e.sendMail(ctx, once, r, effect)
	case node.OpenCookie:
		return e.openCookie(effect)
	case node.SealCookie:
		return e.sealCookie(effect)
	case node.Measure:
		switch effect.Kind {
		case node.Meter:
			e.meter.Count(effect.Key)
		case node.Timer:
			e.meter.Observe(effect.Key, effect.Value)
		}
		return node.Measured{}, nil
	}
	panic(fmt.Sprintf("effect %T is not known", effect))
}

func (e *effects) authenticate(ctx context.Context, once Once, r realm.Name, a node.Authenticate) (node.Result, error) {
	verdict, who, err := e.users.Authenticate(ctx, r, a.User, a.Password, once.guess(r, a.User, a.Lockout))
	if err != nil {
		return nil, err
	}
	result := node.Authenticated{Verdict: verdict}
	if verdict != identity.Unknown {
		result.Identity, result.UniversalID = who, r.UniversalID(who.Name, e.suffix)
	}
	return result, nil
}

func (e *effects) lookup(ctx context.Context, r realm.Name, l node.Lookup) (node.Result, error) {
	if l.Attribute != "" {
		who, err := e.users.Search(ctx, r, l.Attribute, l.Value)
		return e.found(r, who, err)
	}
	who, err := e.users.Lookup(ctx, r, l.User)
	return e.found(r, who, err)
}

// found makes a result of what a repository said of one identity. A store that
// takes no such change leaves the journey to go on without it.
func (e *effects) found(r realm.Name, who identity.Identity, err error) (node.Result, error) {
	switch {
	case err == nil:
		return node.Found{OK: true, Identity: who, UniversalID: r.UniversalID(who.Name, e.suffix)}, nil
	case errors.Is(err, identity.ErrNotFound), errors.Is(err, identity.ErrAmbiguous), errors.Is(err, identity.ErrReadOnly):
		return node.Found{}, nil
	}
	return nil, err
}

// unavailable reports err as something that passes: the client may try again.
// A full queue and a store that is away stay what they are; http/rest answers
// both with 503.
func unavailable(err error) error {
	var away *session.UnavailableError
	switch {
	case errors.As(err, &away), errors.Is(err, identity.ErrOverloaded), errors.Is(err, identity.ErrUnavailable),
		errors.Is(err, journey.ErrGone), errors.Is(err, journey.ErrOtherUser):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &session.UnavailableError{Reason: "the request took too long", RetryAfter: time.Second}
	}
	return err
}

// change runs an Update. One that the journey can do without is only logged
// when the store cannot do it.
func (e *effects) change(ctx context.Context, once Once, r realm.Name, u node.Update) (node.Result, error) {
	who, err := e.users.Update(ctx, r, u.User, once.change(r, u.User, u.Change))
	result, err := e.found(r, who, err)
	if err != nil && u.Optional {
		e.logger.Warn("a change of an identity was not made", "realm", r, "change", fmt.Sprintf("%T", u.Change), "err", err)
		return node.Found{}, nil
	}
	return result, err
}

// changePassword replaces a password for its owner.
func (e *effects) changePassword(ctx context.Context, once Once, r realm.Name, p node.ChangePassword) (node.Result, error) {
	verdict, who, err := e.users.ChangePassword(ctx, r, p.User, p.Old, p.New, once.guess(r, p.User, p.Lockout))
	switch {
	case errors.Is(err, identity.ErrReadOnly), errors.Is(err, identity.ErrPassword):
		return node.PasswordChanged{Verdict: identity.Expired, Refused: true}, nil
	case err != nil:
		return nil, err
	case verdict != identity.Match:
		return node.PasswordChanged{Verdict: verdict}, nil
	}
	return node.PasswordChanged{Verdict: verdict, Identity: who, UniversalID: r.UniversalID(who.Name, e.suffix)}, nil
}
