// Package sessions is authenticated sessions as clients know them: made at the
// end of a journey, found by the token that a client presents, ended for good.
// Where a session is kept, in the token store or in its own token, is decided
// here and seen nowhere else.
package sessions

import (
	"context"
	"errors"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
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
	// SessionsOf lists at most limit sessions of a user.
	SessionsOf(ctx context.Context, r realm.Name, username string, limit int) ([]session.Session, error)
}

// Config is what a Service needs.
type Config struct {
	Store Store
	// Keys make and read the tokens of sessions that the store keeps. It is asked
	// for each token: marks rotate.
	Keys func() session.Keys
	// ServerID is shown in tokens as AM shows its server id ("01").
	ServerID string
}

// Service makes, finds and ends authenticated sessions. It is safe for
// concurrent use.
type Service struct{ config Config }

// New checks the configuration.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Keys == nil {
		return nil, errors.New("sessions: a store and keys are required")
	}
	return &Service{c}, nil
}

// Create makes the session of a journey and the token that opens it. Called
// again for the same journey it returns what the first call made, or
// session.ErrNotFound if that session has ended. It is session.ErrQuota when
// the user may have no more sessions.
func (s *Service) Create(ctx context.Context, c session.Creation) (session.Created, error) {
	made, err := s.config.Store.Create(ctx, c)
	if err != nil {
		return session.Created{}, err
	}
	return session.Created{
		Session: made.Session,
		Token:   s.config.Keys().Mint(made.Session.Journey, made.Index, s.config.ServerID),
		Existed: made.Existed,
	}, nil
}

// Session returns the valid session that a token opens. A token that is none of
// ours opens none: session.ErrNotFound.
func (s *Service) Session(ctx context.Context, token session.TokenID) (session.Session, error) {
	id, index, err := s.config.Keys().Parse(token)
	if err != nil {
		return session.Session{}, session.ErrNotFound
	}
	return s.config.Store.Session(ctx, id, index)
}

// Touch notes that a session was used at now. It does not block.
func (s *Service) Touch(x session.Session, now time.Time) { s.config.Store.Touch(x.ID, now) }

// SetProperties changes the named properties of a session, an empty value
// removes one, and returns the session as it is then.
func (s *Service) SetProperties(ctx context.Context, x session.Session, changes map[string]string) (session.Session, error) {
	return s.config.Store.SetProperties(ctx, x.ID, changes)
}

// SessionsOf lists at most limit sessions of a user. Names compare as
// identity.Key does.
func (s *Service) SessionsOf(ctx context.Context, r realm.Name, username string, limit int) ([]session.Session, error) {
	return s.config.Store.SessionsOf(ctx, r, username, limit)
}
