package sessions

import (
	"context"
	"errors"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// MaxEnd is how many sessions one call may end.
const MaxEnd = 500

// End ends sessions, at most MaxEnd, and tells which of them were there. It
// returns when no member calls any of them valid any more. Where a realm has no
// denylist, the holder of a session keeps it until its end, as in AM.
func (s *Service) End(ctx context.Context, why session.Cause, all ...session.Session) ([]bool, error) {
	were := make([]bool, len(all))
	var ids []session.ID
	var denials []session.Denial
	for i := range all {
		if !all[i].ClientSide {
			ids = append(ids, all[i].ID)
			continue
		}
		were[i] = true
		settings, err := s.config.Realms.Realm(ctx, all[i].Principal.Realm)
		if err != nil {
			return nil, err
		}
		if settings.ClientSide.Denylists {
			denials = append(denials, all[i].Denial())
		}
	}
	if len(ids) > 0 {
		stored, err := s.config.Store.Delete(ctx, why.Reason, ids...)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if !all[i].ClientSide {
				were[i], stored = stored[0], stored[1:]
			}
		}
	}
	if len(denials) > 0 {
		if err := s.config.Store.Deny(ctx, why.Reason, denials...); err != nil {
			return nil, err
		}
	}
	for i := range all {
		if were[i] {
			s.ended(ctx, why, all[i])
		}
	}
	return were, nil
}

// EndByHandle ends the sessions that handles name, at most MaxEnd, and tells of
// each handle whether it names no valid session any more. That is so of a text
// that is no handle as well. After an error some may have ended.
//
// A session that its holder keeps is denied whatever its realm says: its handle
// does not name it.
func (s *Service) EndByHandle(ctx context.Context, why session.Cause, handles ...session.Handle) ([]bool, error) {
	gone := make([]bool, len(handles))
	var stored []session.Session
	var denials []session.Denial
	now := s.config.Now()
	for i, handle := range handles {
		id, err := handle.ID()
		denial, held := handle.Denial()
		switch {
		case err != nil, held && !now.Before(denial.Until.Add(endSlack)):
			gone[i] = true
		case held:
			denial.Until = earlier(denial.Until, now.Add(session.MaxHolderLife))
			denials = append(denials, denial)
		default:
			// It is looked at for the audit, which says whose it was.
			x, err := s.config.Store.Session(ctx, id, 0)
			if err != nil && !errors.Is(err, session.ErrNotFound) {
				return gone, err
			}
			x.ID = id
			stored = append(stored, x)
		}
	}
	if len(stored) > 0 {
		if _, err := s.End(ctx, why, stored...); err != nil {
			return gone, err
		}
		for i, handle := range handles {
			_, held := handle.Denial()
			gone[i] = gone[i] || !held
		}
	}
	if len(denials) > 0 {
		if err := s.config.Store.Deny(ctx, why.Reason, denials...); err != nil {
			return gone, err
		}
		for _, d := range denials {
			s.ended(ctx, why, session.Session{ID: d.ID, ClientSide: true, Created: d.Until.Add(-time.Second), Policy: session.Policy{MaxSession: time.Second}})
		}
	}
	for i := range gone {
		gone[i] = true
	}
	return gone, nil
}

// endSlack is how far the clock of a member may be behind that of another, so that
// it calls a session valid which is over for that one.
const endSlack = time.Minute

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// EndAllOf ends the sessions of a user, of those that holders keep only where
// the realm wants that of a logout (statelessLogoutByUser). Names compare as
// identity.Key does.
func (s *Service) EndAllOf(ctx context.Context, why session.Cause, r realm.Name, username string) error {
	settings, err := s.config.Realms.Realm(ctx, r)
	if err != nil {
		return err
	}
	if err := s.deleteAllOf(ctx, why, r, username); err != nil || !settings.ClientSide.LogoutByUser {
		return err
	}
	return s.denyAllOf(ctx, why, r, username, s.config.Now().Add(skew))
}

// Expel ends the sessions of a user who may not log in any more. Those that
// holders keep end where the realm has a denylist or wants it of a logout.
func (s *Service) Expel(ctx context.Context, why session.Cause, r realm.Name, username string) error {
	settings, err := s.config.Realms.Realm(ctx, r)
	if err != nil {
		return err
	}
	if err := s.deleteAllOf(ctx, why, r, username); err != nil {
		return err
	}
	if !settings.ClientSide.Denylists && !settings.ClientSide.LogoutByUser {
		return nil
	}
	// Twice: what was made within a skew of the note may be made once more, and a
	// login that was under way must not come through by that.
	return s.denyAllOf(ctx, why, r, username, s.config.Now().Add(2*skew))
}

// skew is how far the clocks of members may be apart, so that a session does not
// seem to be made after all of its user had ended.
const skew = 2 * time.Second

func (s *Service) denyAllOf(ctx context.Context, why session.Cause, r realm.Name, username string, at time.Time) error {
	if some, err := s.mayBeKept(ctx, r); err != nil || !some {
		return err
	}
	if err := s.config.Store.DenyUser(ctx, r, username, at, at.Add(session.MaxHolderLife)); err != nil {
		return err
	}
	s.loggedOut(ctx, why, r, username)
	return nil
}

// EndByToken ends the session of a token that Session does not find, if the token
// store may have it: another member may know of a later access than this one, and
// call it valid. It returns when none does.
func (s *Service) EndByToken(ctx context.Context, why session.Cause, token session.TokenID) error {
	if _, ok := token.Carries(); ok {
		return nil
	}
	id, _, err := s.config.Keys().Parse(token)
	if err != nil { // nor does Session find what it opens at another member
		return nil
	}
	_, err = s.End(ctx, why, session.Session{ID: id})
	return err
}

// deleteAllOf ends what the token store has of a user, a batch at a time: all
// sessions that were made before, at whatever member.
func (s *Service) deleteAllOf(ctx context.Context, why session.Cause, r realm.Name, username string) error {
	if err := s.config.Store.CatchUp(ctx); err != nil {
		return err
	}
	for after := (session.ID{}); ; {
		found, err := s.config.Store.AllOf(ctx, r, username, after, MaxEnd)
		if err != nil || len(found) == 0 {
			return err
		}
		if _, err := s.End(ctx, why, found...); err != nil {
			return err
		}
		if len(found) < MaxEnd {
			return nil
		}
		after = found[len(found)-1].ID
	}
}
