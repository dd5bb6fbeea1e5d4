package cts

import (
	"context"
	"errors"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/peer"
)

// ErrExists says that there is an identity of this name already.
var ErrExists = errors.New("identity exists")

// maxIdentities and maxIdentitiesBytes are how many identities one request
// carries: fewer writes than may wait, and about so many bytes.
const (
	maxIdentities      = 256
	maxIdentitiesBytes = 512 << 10
)

// PutIdentity stores an identity as a whole. With createOnly it returns
// ErrExists if there is one of this name. When it returns without an error,
// every member reads it; so it is with all writes of identities.
func (s *Store) PutIdentity(ctx context.Context, i identity.Identity, createOnly bool) error {
	_, err := s.write(ctx, peer.PutIdentity{Identity: i, CreateOnly: createOnly})
	return err
}

// PutIdentities stores identities as a whole, as PutIdentity one by one would,
// but many share one flush. It ends at the first error; some are stored then.
func (s *Store) PutIdentities(ctx context.Context, all []identity.Identity) error {
	for len(all) > 0 {
		n := together(all)
		if _, err := s.write(ctx, peer.PutIdentities{Identities: all[:n]}); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// together is how many identities go into the next request, at least one.
func together(all []identity.Identity) int {
	size := 0
	for n, i := range all[:min(len(all), maxIdentities)] {
		for name, values := range i.Attributes {
			size += len(name)
			for _, value := range values {
				size += len(value)
			}
		}
		if size > maxIdentitiesBytes {
			return max(n, 1)
		}
	}
	return min(len(all), maxIdentities)
}

// UpdateIdentity applies a change to what is stored and returns what is stored
// then. Changes of one identity happen one after the other: none is lost. An
// identity.Once may be asked for again, here or elsewhere, until it has an
// answer: it is made once. What its key is remembered with is gone a minute or
// two after its Until.
func (s *Store) UpdateIdentity(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	if id, addr := s.leader(); addr != "" && !s.releases.speaks(s.config.Network.Peers(), id, remembers) {
		return s.askOld(ctx, r, name, c)
	}
	result, err := s.write(ctx, peer.UpdateIdentity{Realm: r, Name: name, Change: c})
	if err != nil {
		return identity.Identity{}, err
	}
	return *result.Identity, nil
}

// DeleteIdentity removes an identity, or returns identity.ErrNotFound.
func (s *Store) DeleteIdentity(ctx context.Context, r realm.Name, name string) error {
	_, err := s.write(ctx, peer.DeleteIdentity{Realm: r, Name: name})
	return err
}

// checkIdentity refuses what would not fit into keys.
func checkIdentity(i identity.Identity) error {
	if i.Name == "" {
		return errors.New("an identity without a name")
	}
	err := errors.Join(
		checkName("a user's name", i.Name),
		checkName("a realm's name", string(i.Realm)))
	if err != nil {
		return err
	}
	for name, values := range i.Attributes {
		if !command.Indexed(name) {
			continue
		}
		for _, value := range values {
			if err := checkName("the attribute "+name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// putIdentity is PutIdentity where the leader is.
func (s *Store) putIdentity(ctx context.Context, o peer.PutIdentity) (peer.Result, error) {
	i := o.Identity
	if err := checkIdentity(i); err != nil {
		return peer.Result{}, err
	}
	unlock, err := s.locks.lock(ctx, command.IdentityKey(i.Realm, i.Name))
	if err != nil {
		return peer.Result{}, err
	}
	term := s.writes.term.Load()
	if o.CreateOnly {
		if _, err := s.identity(i.Realm, i.Name); !errors.Is(err, identity.ErrNotFound) {
			unlock()
			if err == nil {
				err = ErrExists
			}
			return peer.Result{}, err
		}
	}
	put, err := s.do(ctx, command.PutIdentity{Identity: i}, true, term, unlock)
	if err != nil {
		return peer.Result{}, err
	}
	return peer.Result{}, s.shown(ctx, put.at)
}

// putIdentities is PutIdentities where the leader is.
func (s *Store) putIdentities(ctx context.Context, o peer.PutIdentities) (peer.Result, error) {
	proposals, fault := s.beginIdentities(ctx, o.Identities)
	var last place
	for _, p := range proposals {
		put, err := s.writes.wait(ctx, p)
		if err != nil && fault == nil {
			fault = err
		}
		if put.at.index > last.index {
			last = put.at
		}
	}
	if last.index > 0 && isElsewhere(fault) {
		fault = unknown("some identities were stored before the leader changed")
	}
	if fault != nil {
		return peer.Result{}, fault
	}
	return peer.Result{}, s.shown(ctx, last)
}

func (s *Store) beginIdentities(ctx context.Context, some []identity.Identity) (proposals []*proposal, err error) {
	for _, i := range some {
		if err := checkIdentity(i); err != nil {
			return proposals, err
		}
		unlock, err := s.locks.lock(ctx, command.IdentityKey(i.Realm, i.Name))
		if err != nil {
			return proposals, err
		}
		p, err := s.begin(command.PutIdentity{Identity: i}, true, s.writes.term.Load(), unlock)
		if err != nil {
			return proposals, err
		}
		proposals = append(proposals, p)
	}
	return proposals, nil
}

// updateIdentity is UpdateIdentity where the leader is.
func (s *Store) updateIdentity(ctx context.Context, o peer.UpdateIdentity) (peer.Result, error) {
	unlock, err := s.locks.lock(ctx, command.IdentityKey(o.Realm, o.Name))
	if err != nil {
		return peer.Result{}, err
	}
	term := s.writes.term.Load()
	d, err := s.decide(o)
	if err == nil {
		err = checkIdentity(d.after)
	}
	if err != nil || d.write == nil {
		unlock()
		if err == nil && d.shows {
			err = s.shown(ctx, place{term: term, index: s.fsm.Applied()})
		}
		return peer.Result{Identity: &d.after}, err
	}
	// Counting failures must go on when the disk is nearly full.
	put, err := s.do(ctx, d.write, false, term, unlock)
	if err == nil && d.shows {
		err = s.shown(ctx, put.at)
	}
	return peer.Result{Identity: &d.after}, err
}

// deleteIdentity is DeleteIdentity where the leader is.
func (s *Store) deleteIdentity(ctx context.Context, o peer.DeleteIdentity) (peer.Result, error) {
	unlock, err := s.locks.lock(ctx, command.IdentityKey(o.Realm, o.Name))
	if err != nil {
		return peer.Result{}, err
	}
	gone, err := s.do(ctx, command.DeleteIdentity(o), false, s.writes.term.Load(), unlock)
	if err != nil {
		return peer.Result{}, err
	}
	if !gone.Existed {
		return peer.Result{}, identity.ErrNotFound
	}
	return peer.Result{}, s.shown(ctx, gone.at)
}
