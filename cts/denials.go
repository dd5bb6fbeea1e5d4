package cts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/model"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

const (
	// maxDenials bounds the denied sessions, and so the memory for them: 11 to 22
	// bytes each.
	maxDenials = 4 << 20
	// maxDeniedUsers bounds the users, about 50 bytes each.
	maxDeniedUsers = 1 << 18
)

var errEndless = errors.New("a denial without an end")

// Deny says of sessions that their holders keep, at most command.MaxDeny at once,
// that they are not valid any more. When it returns without an error, no member
// calls any of them valid. What would have ended by itself already is left out.
func (s *Store) Deny(ctx context.Context, reason session.Reason, all ...session.Denial) error {
	now := s.config.Now()
	var left []session.Denial
	for _, d := range all {
		if d.Until.IsZero() {
			return errEndless
		}
		if now.Before(d.Until.Add(denialSlack)) {
			left = append(left, d)
		}
	}
	if len(left) == 0 {
		return nil
	}
	_, err := s.write(ctx, peer.Deny{Reason: reason, Denials: left})
	if err == nil {
		s.counts.denials.Add(uint64(len(left)))
	}
	return err
}

// denialSlack is how far a member's clock may be behind this one's.
const denialSlack = time.Minute

// DenyUser says that no session is valid any more that a user keeps, and that was
// created before an instant. None of them may live longer than until. When it
// returns without an error, no member calls any of them valid. Names compare as
// identity.Key does.
func (s *Store) DenyUser(ctx context.Context, r realm.Name, username string, before, until time.Time) error {
	if until.IsZero() {
		return errEndless
	}
	_, err := s.write(ctx, peer.DenyUser{Realm: r, Username: username, Before: before, Until: until})
	return err
}

// Denied reports whether a session that its holder keeps was denied; its ID,
// Principal and Created are looked at. It is answered from memory. The error is a
// *session.UnavailableError.
func (s *Store) Denied(ctx context.Context, x session.Session) (bool, error) {
	if err := s.readable(ctx); err != nil {
		return false, err
	}
	// In this order: a tombstone goes when the denial is here.
	if s.tombstones.has(x.ID) {
		return true, nil
	}
	all := s.denials.Load()
	if all.Has(x.ID) || all.HasOf(x) {
		return true, nil
	}
	return false, s.unreplaced(all)
}

// DeniedBefore is the instant that DenyUser was given last for a user: no session
// that was created before it and is kept by its holder is valid. It is zero when
// there is none. Errors are as of Denied.
func (s *Store) DeniedBefore(ctx context.Context, r realm.Name, username string) (time.Time, error) {
	if err := s.readable(ctx); err != nil {
		return time.Time{}, err
	}
	all := s.denials.Load()
	return all.Before(r, username), s.unreplaced(all)
}

// unreplaced is nil if all is what a reader was to look at to its end. A snapshot
// of another member takes away the tombstones of what it contains, and only then
// brings its denials.
func (s *Store) unreplaced(all *model.Denials) error {
	if err := s.gate.err(); err != nil {
		return err
	}
	if s.denials.Load() != all {
		return unavailable("this member was catching up")
	}
	return nil
}

// deny is Deny where the leader is.
func (s *Store) deny(ctx context.Context, o peer.Deny) error {
	if !s.releases.all(denies) {
		return errOlder()
	}
	if n := s.denials.Load().Len(); n+len(o.Denials) > maxDenials {
		return unavailable("%d sessions are denied, which is as many as are kept: let client-side sessions be shorter", n)
	}
	c := command.Deny{Reason: o.Reason, At: s.config.Now(), Denials: o.Denials}
	denied, err := s.do(ctx, c, false, s.writes.term.Load(), nil)
	if err != nil {
		return err
	}
	ids := make([]session.ID, len(o.Denials))
	for i, d := range o.Denials {
		ids[i] = d.ID
	}
	return s.ended(ctx, denied.at, ids...)
}

// denyUser is DenyUser where the leader is.
func (s *Store) denyUser(ctx context.Context, o peer.DenyUser) error {
	if !s.releases.all(denies) {
		return errOlder()
	}
	err := errors.Join(checkName("a user's name", o.Username), checkName("a realm's name", string(o.Realm)))
	if err != nil {
		return err
	}
	if n := s.denials.Load().Users(); n >= maxDeniedUsers {
		return unavailable("the sessions of %d users are denied, which is as many as are kept", n)
	}
	denied, err := s.do(ctx, command.DenyUser(o), false, s.writes.term.Load(), nil)
	if err != nil {
		return err
	}
	return s.shown(ctx, denied.at)
}

// loadDenials reads what is denied into memory, in the place of what was there.
// Nothing is applied meanwhile.
func (s *Store) loadDenials() error {
	all := model.NewDenials()
	err := s.fsm.View(func(v fsm.View) error {
		err := v.Keys(command.DenialsPrefix(), nil, func(key []byte) (bool, error) {
			if id, ok := command.SessionIDs(key); ok {
				all.Add(id)
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		return v.Scan(command.UserDenialsPrefix(), nil, func(key, value []byte) (bool, error) {
			before, err := command.DecodeUserDenial(value)
			if user, ok := command.SessionIDs(key); ok && err == nil {
				all.AddUser(command.UserDigest(user), before)
			}
			return true, err
		})
	})
	if err != nil {
		return fmt.Errorf("load the denied sessions: %w", err)
	}
	s.denials.Store(all)
	return nil
}

// reloadDenials is loadDenials when everything in the store is new.
func (s *Store) reloadDenials() {
	if err := s.loadDenials(); err != nil {
		s.gate.fail(err)
	}
}
