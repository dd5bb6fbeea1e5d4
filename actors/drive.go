package actors

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// drive runs effects and the steps that follow until the journey asks or has
// ended, and creates the session of one that succeeded.
func (j *Journeys) drive(ctx context.Context, s *stepping) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			j.logger.Error("a journey step panicked", "realm", s.plan.Realm, "tree", s.plan.Name, "journey", s.id,
				"fault", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
			err = fmt.Errorf("a step of tree %s panicked", s.plan.Name)
		}
	}()
	s.plan = s.plan.Of(s.state)
	once := Once{Journey: s.id, Step: s.step, Digest: s.digest, Until: s.ref.Expires}
	for {
		switch now := s.next.(type) {
		case journey.Ask:
			s.ask = &now
			return nil
		case journey.Suspended:
			j.suspends(s, now)
			return nil
		case journey.Done:
			if errors.Is(now.Err, errOlderMembers) {
				return errOlderMembers // it passes
			}
			s.done = &now
			return j.welcome(ctx, s)
		case journey.Do:
			if !s.mayApprove(now.Effect) {
				return journey.ErrOtherUser
			}
			result, err := j.effects.run(ctx, once, s.plan.Realm, now.Effect)
			if err != nil {
				return err
			}
			once.N++
			s.env.Now = j.config.Now()
			if s.state, s.next, err = journey.Advance(s.plan, s.state, journey.Input{Result: result}, s.env); err != nil {
				return err
			}
		}
	}
}

// welcome creates the session of a journey that succeeded. A journey that
// carries a valid session upgrades it: same user, and the new session takes
// the old one's place (am-contract section 5.4).
func (j *Journeys) welcome(ctx context.Context, s *stepping) error {
	done, caller := s.done, s.caller
	if !done.Success || done.NoSession {
		return nil
	}
	x := done.Session
	x.ID, x.Journey = j.config.Keys.SessionID(s.id), s.id
	if x.Principal.UniversalID == "" {
		x.Principal.UniversalID = x.Principal.Realm.UniversalID(x.Principal.Username, j.config.Suffix)
	}
	c := session.Creation{ClientSide: j.holds(s.settings, x), Quota: s.settings.Quota}
	if c.ClientSide {
		x.ID = j.config.Keys.SessionID(holding(s.id, x.Principal))
	}
	if c.Quota.Limit > 0 && done.Quota > 0 {
		c.Quota.Limit = done.Quota
	}
	if caller != nil && caller.ID != x.ID {
		if !strings.EqualFold(caller.Principal.UniversalID, x.Principal.UniversalID) {
			return journey.ErrOtherUser
		}
		x = x.Upgrading(*caller)
		c.Replaces, c.Keeps = caller, s.settings.KeepsUpgraded
	}
	if s.settings.UpgradeReference && x.Properties[session.PropertyReference] == "" {
		x = x.WithProperties(map[string]string{session.PropertyReference: x.Property(session.PropertyContextID)})
	}
	// A client-side session is in no store, all tokens of a journey's are one
	// session, and what it takes the place of ends after the journey. Whether there
	// is room is no matter of the journey's answers: it changes from one member's
	// try to the next one's.
	denies := c.Quota.Limit > 0 && c.Quota.Action == realm.DenyAccess
	s.undecided = c.ClientSide || denies
	if !c.ClientSide {
		if err := s.keep.choose(ctx, s); err != nil {
			return err
		}
	}
	c.Session = x
	made, err := j.config.Sessions.Create(ctx, c)
	var size *session.SizeError
	switch {
	case errors.Is(err, session.ErrNotFound):
		return journey.ErrGone // its session was created before, and has ended
	case errors.Is(err, session.ErrQuota):
		s.done = &journey.Done{Message: session.ErrQuota.Error(), URL: journey.FailureURL(s.plan, s.state, s.env)}
		s.denied = x.Handle()
		return nil
	case errors.As(err, &size):
		s.done = &journey.Done{Message: tooLarge, Err: err, URL: journey.FailureURL(s.plan, s.state, s.env)}
		return nil
	case err != nil:
		return err
	}
	if !samePrincipal(made.Session.Principal, x.Principal) {
		return journey.ErrGone // its session was created before, by other answers
	}
	done.Session, s.token = made.Session, made.Token
	if c.ClientSide && !c.Keeps && c.Replaces != nil && (!c.Replaces.ClientSide || s.settings.ClientSide.Denylists) {
		s.replaced = c.Replaces
	}
	return nil
}

// holds reports whether a session is to be kept by its holder: nobody's who may
// administer, and none while there are members that would not know what such a
// session is.
func (j *Journeys) holds(settings *realm.Settings, x session.Session) bool {
	return settings.ClientSideSessions && !x.Admin && j.config.View().Speaks(placement.StoresProtocol)
}

// holding is what the id of a client-side session is made of: its journey and
// its user. No store knows that the journey has made a session, so that one whose
// record was lost could end again, for somebody else: that is another session, and
// the end of one must not be that of the other.
func holding(id journey.ID, of session.Principal) [16]byte {
	sum := sha256.Sum256(append(id[:], strings.ToLower(of.UniversalID)...))
	return [16]byte(sum[:16])
}

// choose has a majority know which answers the session is made of, before it is
// made: the session's command names the journey and not the step, so that it
// would not tell the answers of a member that is no longer the leader from
// those that the leader has answered. A journey that nobody has a record of is
// decided by its session alone, or by its end where its holder keeps the session.
func (j *Journeys) choose(ctx context.Context, s *stepping) error {
	if s.solo || s.lead.record == nil && !s.lead.founded || s.body.taken && s.lead.mine && s.lead.certain {
		return nil
	}
	b := s.body
	b.taken, b.chosen = true, s.digest
	return j.put(ctx, s, j.compose(s, &b), follows)
}

// samePrincipal reports whether two sessions are of one user. The first answers
// that reach the end of a journey decide whose it is: who comes to another end,
// at another member or in a repeated step, must not get that session.
func samePrincipal(a, b session.Principal) bool {
	return a.Realm == b.Realm && strings.EqualFold(a.UniversalID, b.UniversalID)
}

// audit writes the one line that each finished journey gives.
func (j *Journeys) audit(s *stepping) {
	if s.done.Success {
		j.counts.succeeded.Add(1)
	} else {
		j.counts.failed.Add(1)
	}
	level := slog.LevelDebug
	if s.done.Err != nil {
		level = slog.LevelWarn
	}
	if !j.logger.Enabled(context.Background(), level) {
		return
	}
	attrs := []any{
		"realm", s.plan.Realm, "tree", s.plan.Name, "journey", s.id, "success", s.done.Success,
		"duration", s.env.Now.Sub(s.state.Started).Round(time.Millisecond),
	}
	if s.ref.Store != realm.InMemory {
		attrs = append(attrs, "store", s.ref.Store)
	}
	if s.state.Resumed {
		attrs = append(attrs, "resumed", true)
	}
	if s.done.Success {
		attrs = append(attrs, "user", s.done.Session.Principal.UniversalID)
	}
	if s.done.Err != nil {
		attrs = append(attrs, "err", s.done.Err)
	}
	j.logger.Log(context.Background(), level, "journey ended", attrs...)
}
