// Package sessions is authenticated sessions as clients know them: made at the
// end of a journey, found by the token that a client presents, ended for good.
// Where a session is kept, in the token store or in its own token, is decided
// here and seen nowhere else.
package sessions

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/clientside"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// Store is the replicated token store. Everywhere session.ErrNotFound is certain
// absence, and *session.UnavailableError means that nothing is known.
type Store interface {
	// Create stores a session, ends what it replaces and what its quota ends,
	// all in one instant. Asked again with the same Journey it returns what is
	// stored, or session.ErrNotFound if that session has ended meanwhile.
	Create(ctx context.Context, c session.Creation) (session.Made, error)
	// Session returns a valid session. index is the log index that created it,
	// as its token says: a member that is behind waits for it.
	Session(ctx context.Context, id session.ID, index uint64) (session.Session, error)
	// Touch notes that a session was used at now. It does not block.
	Touch(id session.ID, now time.Time)
	// Delete ends sessions and tells which of them were there. It returns
	// when no member calls any of them valid any more.
	Delete(ctx context.Context, reason session.Reason, ids ...session.ID) ([]bool, error)
	// SetProperties changes the named properties, an empty value removes one,
	// and returns the session as it is then.
	SetProperties(ctx context.Context, id session.ID, changes map[string]string) (session.Session, error)
	// CatchUp waits until this member knows all that any member has acknowledged
	// before the call.
	CatchUp(ctx context.Context) error
	// SessionsOf lists at most limit sessions of a user, Sessions of a realm, in
	// the order of their ids and from the first one after after.
	SessionsOf(ctx context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error)
	Sessions(ctx context.Context, r realm.Name, after session.ID, limit int) ([]session.Session, error)
	// AllOf lists those of a user as SessionsOf does, and those that this member
	// takes for ended and another may not.
	AllOf(ctx context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error)

	// Token and PutToken keep a note on each realm whose sessions holders keep, as
	// cts.Store has them.
	Token(ctx context.Context, k token.Kind, id token.ID, index uint64) (token.Token, error)
	PutToken(ctx context.Context, p token.Put) (now token.Token, won bool, err error)
	// Deny ends sessions that their holders keep. It returns when no member calls
	// any of them valid any more; so does DenyUser, which ends all of a user that
	// were created before at, and need not be remembered after until.
	Deny(ctx context.Context, reason session.Reason, all ...session.Denial) error
	DenyUser(ctx context.Context, r realm.Name, username string, at, until time.Time) error
	// Denied reports whether a session that its holder keeps was ended. It asks
	// nobody else.
	Denied(ctx context.Context, x session.Session) (bool, error)
	// DeniedBefore is the latest instant that DenyUser was given for a user, zero
	// if there is none to remember.
	DeniedBefore(ctx context.Context, r realm.Name, username string) (time.Time, error)
}

// Realms knows the settings of realms, which must not be changed. A realm that
// is gone has the defaults: what was made in it may outlive it.
type Realms interface {
	Realm(ctx context.Context, name realm.Name) (*realm.Settings, error)
}

// Foreign reads the tokens of another system. Any error says that a text is
// none; the session may have expired.
type Foreign interface {
	Open(token string, now time.Time) (session.Session, error)
}

// Config is what a Service needs. Everything but Current, Foreign and HolderEnded
// is required.
type Config struct {
	Store  Store
	Realms Realms
	// Keys make and read the tokens of sessions that the store keeps. It is asked
	// for each token: marks rotate.
	Keys func() session.Keys
	// HolderKeys are those that seal and open the tokens of sessions that their
	// holders keep. It is asked for each token too.
	HolderKeys func() *clientside.Keys
	// Current is nil when this member has all keys that others use, and may say of
	// a token that none of them has made it. nil says that it always has.
	Current func(context.Context) error
	// Foreign reads tokens of sessions that another system has made, which its
	// holders keep; nil takes none.
	Foreign Foreign
	// ServerID is shown in tokens as AM shows its server id ("01").
	ServerID string
	// HolderEnded is told of each session that its holder kept and that was ended
	// here, after nobody calls it valid any more. It must not block. Of all other
	// sessions the token store tells; nil is told nothing.
	HolderEnded func(session.Session, session.Reason)
	// Audit takes one line for each session that is made, ended or changed.
	Audit *slog.Logger
	// TransactionID names the request that a context is of, empty for none.
	TransactionID func(context.Context) string
	Now           func() time.Time
	Rand          io.Reader
}

// Service makes, finds and ends authenticated sessions. It is safe for
// concurrent use.
type Service struct {
	config Config
	codec  *clientside.Codec
	opened *opened
	kept   kept
}

// New checks the configuration.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Realms == nil || c.Keys == nil || c.HolderKeys == nil ||
		c.Audit == nil || c.TransactionID == nil || c.Now == nil || c.Rand == nil {
		return nil, errors.New("sessions: something that is required is missing")
	}
	if c.Current == nil {
		c.Current = func(context.Context) error { return nil }
	}
	if c.HolderEnded == nil {
		c.HolderEnded = func(session.Session, session.Reason) {}
	}
	return &Service{c, clientside.New(c.HolderKeys, c.Rand), newOpened(maxOpened), kept{until: map[realm.Name]time.Time{}}}, nil
}

// Create makes the session of a journey and the token that opens it. Called
// again for the same journey it returns what the first call made, or
// session.ErrNotFound if that session has ended. It is session.ErrQuota when
// the user may have no more sessions, and a *session.SizeError when the session
// does not fit into a token.
//
// A session that its holder keeps is nothing but its token: nothing is written of
// it, and what it replaces does not end.
func (s *Service) Create(ctx context.Context, c session.Creation) (session.Created, error) {
	if c.ClientSide {
		return s.hold(ctx, c.Session)
	}
	var held *session.Session // of those that the store cannot replace
	if c.Replaces != nil && c.Replaces.ClientSide {
		if !c.Keeps {
			held = c.Replaces
		}
		c.Replaces = nil
	}
	made, err := s.config.Store.Create(ctx, c)
	if err != nil {
		return session.Created{}, err
	}
	if !made.Existed {
		s.created(ctx, made.Session)
		for _, x := range made.Ended {
			if x.Valid(s.config.Now()) { // else it has timed out, which Heard is told
				s.ended(ctx, session.Cause{Reason: session.Destroyed}, x)
			}
		}
		if c.Replaces != nil && !c.Keeps {
			s.ended(ctx, upgraded(made.Session), *c.Replaces)
		}
	}
	if held != nil {
		if _, err := s.End(ctx, upgraded(made.Session), *held); err != nil {
			return session.Created{}, err
		}
	}
	return session.Created{
		Session: made.Session,
		Token:   s.config.Keys().Mint(made.Session.Journey, made.Index, s.config.ServerID),
		Existed: made.Existed,
	}, nil
}

func upgraded(by session.Session) session.Cause {
	return session.Cause{Reason: session.Upgraded, By: by.Principal.UniversalID}
}

// Session returns the valid session that a token opens. A token that is none of
// ours opens none: session.ErrNotFound.
func (s *Service) Session(ctx context.Context, token session.TokenID) (session.Session, error) {
	x, err := s.own(ctx, token)
	if s.config.Foreign == nil || !errors.Is(err, session.ErrNotFound) {
		return x, err
	}
	x, refused := s.config.Foreign.Open(string(token), s.config.Now())
	if refused != nil {
		return session.Session{}, err
	}
	return s.living(ctx, x)
}

// own is Session for tokens that were made here.
func (s *Service) own(ctx context.Context, token session.TokenID) (session.Session, error) {
	if text, ok := token.Carries(); ok {
		return s.held(ctx, text)
	}
	id, index, err := s.config.Keys().Parse(token)
	if err != nil {
		// A member that is cut off may not know of the key that marked it.
		if err := s.config.Current(ctx); err != nil {
			return session.Session{}, err
		}
		if id, index, err = s.config.Keys().Parse(token); err != nil {
			return session.Session{}, session.ErrNotFound
		}
	}
	return s.config.Store.Session(ctx, id, index)
}

// Touch notes that a session was used at now. It does not block. Of a session
// that its holder keeps nobody notes it.
func (s *Service) Touch(x session.Session, now time.Time) {
	if !x.ClientSide {
		s.config.Store.Touch(x.ID, now)
	}
}

// SetProperties changes the named properties of a session, an empty value
// removes one, and returns the session as it is then. by is the Cause's. One
// that its holder keeps cannot change: session.ErrClientSide.
func (s *Service) SetProperties(ctx context.Context, x session.Session, changes map[string]string, by string) (session.Session, error) {
	if x.ClientSide {
		return session.Session{}, session.ErrClientSide
	}
	now, err := s.config.Store.SetProperties(ctx, x.ID, changes)
	if err == nil {
		s.changed(ctx, by, now)
	}
	return now, err
}

// SessionsOf lists at most limit sessions of a user that the token store keeps, in
// the order of their ids and from the first one after after: nobody has a list of
// the others. Names compare as identity.Key does.
func (s *Service) SessionsOf(
	ctx context.Context, r realm.Name, username string, after session.ID, limit int,
) ([]session.Session, error) {
	return s.config.Store.SessionsOf(ctx, r, username, after, limit)
}

// Sessions lists those of a realm as SessionsOf does those of a user.
func (s *Service) Sessions(ctx context.Context, r realm.Name, after session.ID, limit int) ([]session.Session, error) {
	return s.config.Store.Sessions(ctx, r, after, limit)
}

// ByHandle is the valid session that a handle names, if the token store keeps it.
func (s *Service) ByHandle(ctx context.Context, handle session.Handle) (session.Session, error) {
	id, err := handle.ID()
	if _, held := handle.Denial(); held || err != nil {
		return session.Session{}, session.ErrNotFound
	}
	return s.config.Store.Session(ctx, id, 0)
}
