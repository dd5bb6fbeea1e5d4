package cts

import (
	"context"
	"errors"
	"fmt"

	"sojourn/cts/command"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// perform carries an operation out at the leader: it is decided, committed,
// applied here, and seen by every other member that answers reads.
func (s *Store) perform(ctx context.Context, o peer.Operation) (peer.Result, error) {
	switch o := o.(type) {
	case peer.Create:
		return s.create(ctx, o)
	case peer.Delete:
		return s.delete(ctx, o)
	case peer.SetProperties:
		return s.setProperties(ctx, o)
	case peer.Touch:
		written, err := s.do(ctx, command.Touch{Accesses: o.Accesses}, false, s.writes.term.Load(), nil)
		return peer.Result{Index: written.at.index}, err
	case peer.PutToken:
		return s.putToken(ctx, o)
	case peer.Deny:
		return peer.Result{}, s.deny(ctx, o)
	case peer.DenyUser:
		return peer.Result{}, s.denyUser(ctx, o)
	case peer.PutIdentity:
		return s.putIdentity(ctx, o)
	case peer.PutIdentities:
		return s.putIdentities(ctx, o)
	case peer.UpdateIdentity:
		return s.updateIdentity(ctx, o)
	case peer.DeleteIdentity:
		return s.deleteIdentity(ctx, o)
	case peer.PutDocument:
		return s.putDocument(ctx, o)
	case peer.DeleteDocument:
		return s.deleteDocument(ctx, o)
	case peer.Remove:
		return peer.Result{}, s.removeMember(ctx, o.Store)
	case peer.Promote:
		return peer.Result{}, s.promoteMember(ctx, o.Store)
	default:
		panic(fmt.Sprintf("cts: operation of type %T", o))
	}
}

func (s *Store) create(ctx context.Context, o peer.Create) (peer.Result, error) {
	err := errors.Join(
		checkName("a user's name", o.Session.Principal.Username),
		checkName("a realm's name", string(o.Session.Principal.Realm)))
	if err != nil {
		return peer.Result{}, err
	}
	if o.Quota.Limit > 0 {
		return s.createWithin(ctx, o)
	}
	put, err := s.do(ctx, command.PutSession{Session: o.Session, Replaces: o.Replaces}, true, s.writes.term.Load(), nil)
	if err != nil {
		return peer.Result{}, err
	}
	if o.Replaces != nil {
		// Also when the session existed: then an earlier try did not come this far.
		if err := s.ended(ctx, put.at, *o.Replaces); err != nil {
			return peer.Result{}, err
		}
	}
	return created(put), nil
}

// created is what a session's creation came to.
func created(put done) peer.Result {
	result := peer.Result{Index: put.Index, Existed: put.Existed}
	if !errors.Is(put.Err, command.ErrGone) {
		result.Session = &put.Session
	}
	return result
}

func (s *Store) delete(ctx context.Context, o peer.Delete) (peer.Result, error) {
	c := command.DeleteSessions{Reason: o.Reason, IDs: o.IDs, At: s.config.Now()}
	if !s.releases.all(denies) {
		c.Reason = session.Logout
	}
	gone, err := s.do(ctx, c, false, s.writes.term.Load(), nil)
	if err != nil {
		return peer.Result{}, err
	}
	return peer.Result{Found: gone.Found}, s.ended(ctx, gone.at, o.IDs...)
}

func (s *Store) setProperties(ctx context.Context, o peer.SetProperties) (peer.Result, error) {
	unlock, err := s.locks.lock(ctx, command.SessionKey(o.ID))
	if err != nil {
		return peer.Result{}, err
	}
	term := s.writes.term.Load()
	now, err := s.session(ctx, o.ID, 0)
	if err != nil {
		unlock()
		return peer.Result{}, err
	}
	c := command.SetProperties{ID: o.ID, Properties: now.WithProperties(o.Changes).Properties}
	put, err := s.do(ctx, c, true, term, unlock)
	if err != nil {
		return peer.Result{}, err
	}
	if errors.Is(put.Err, command.ErrNoSession) {
		return peer.Result{}, session.ErrNotFound
	}
	return peer.Result{Session: &put.Session}, s.shown(ctx, put.at)
}
