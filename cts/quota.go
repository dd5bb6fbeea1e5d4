package cts

import (
	"context"

	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// createWithin is Create with a quota, where the leader is. Sessions of one user
// are created one after the other: each finds all that were created before it.
func (s *Store) createWithin(ctx context.Context, o peer.Create) (peer.Result, error) {
	if !s.releases.all(denies) {
		return peer.Result{}, errOlder()
	}
	who := o.Session.Principal
	unlock, err := s.locks.lock(ctx, command.UserPrefix(who.Realm, who.Username))
	if err != nil {
		return peer.Result{}, err
	}
	// In this term all that was created before is applied here; in another one
	// what is found now decides nothing.
	term := s.writes.term.Load()
	ends, err := s.evictions(o)
	for err == nil && len(ends) > command.MaxDelete {
		ends, err = s.endSome(ctx, ends, term)
	}
	if err != nil {
		unlock()
		return peer.Result{}, err
	}
	c := command.CreateSession{Put: command.PutSession{Session: o.Session, Replaces: o.Replaces}}
	for _, e := range ends {
		c.Ends = append(c.Ends, command.End{ID: e.Session.ID, Reason: e.Reason})
	}
	put, err := s.do(ctx, c, true, term, unlock)
	if err != nil {
		return peer.Result{}, err
	}
	result := created(put)
	if put.Existed {
		// An earlier attempt may have ended others, and not have come this far.
		return result, s.shown(ctx, put.at)
	}
	var gone []session.ID
	if o.Replaces != nil {
		gone = append(gone, *o.Replaces)
	}
	for i, found := range put.Found {
		if found {
			gone = append(gone, ends[i].Session.ID)
			result.Ended = append(result.Ended, ends[i].Session)
		}
	}
	if len(gone) == 0 {
		return result, nil
	}
	return result, s.ended(ctx, put.at, gone...)
}

// evictions are the sessions that end so that one may begin within its quota. The
// caller holds the user's lock.
func (s *Store) evictions(o peer.Create) (ends []session.Eviction, err error) {
	err = s.view(func(v fsm.View) error {
		if existed, err := exists(v, o.Session); existed || err != nil {
			return err
		}
		who := o.Session.Principal
		var ids []session.ID
		err := v.Keys(command.UserPrefix(who.Realm, who.Username), nil, func(key []byte) (bool, error) {
			id, ok := command.SessionIDs(key)
			if ok && (o.Replaces == nil || id != *o.Replaces) {
				ids = append(ids, id)
			}
			return true, nil
		})
		if err != nil || len(ids) < o.Quota.Limit {
			return err
		}
		others := make([]session.Session, 0, len(ids))
		for _, id := range ids {
			one, ok, err := s.one(v, id)
			if err != nil {
				return err
			}
			if ok {
				others = append(others, one)
			}
		}
		ends, err = session.Evict(o.Quota, s.config.Now(), others)
		return err
	})
	return ends, err
}

// exists reports whether a session was created before, by its journey or under
// its id.
func exists(v fsm.View, x session.Session) (bool, error) {
	keys := [][]byte{command.SessionKey(x.ID)}
	if x.Journey != [16]byte{} {
		keys = append(keys, command.JourneyKey(x.Journey))
	}
	for _, key := range keys {
		if _, ok, err := v.Get(key); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// endSome ends some sessions and returns those that are left: if the limit was
// much higher before, one command does not take all. They would end in any case.
func (s *Store) endSome(ctx context.Context, ends []session.Eviction, term uint64) ([]session.Eviction, error) {
	c := command.DeleteSessions{Reason: ends[0].Reason, At: s.config.Now()}
	for _, e := range ends[:command.MaxDelete] {
		if e.Reason != c.Reason {
			break
		}
		c.IDs = append(c.IDs, e.Session.ID)
	}
	gone, err := s.do(ctx, c, false, term, nil)
	if err != nil {
		return nil, err
	}
	return ends[len(c.IDs):], s.ended(ctx, gone.at, c.IDs...)
}
