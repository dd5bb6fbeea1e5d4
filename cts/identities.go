package cts

import (
	"context"
	"errors"
	"slices"
	"strings"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
)

// ErrExists says that there is an identity of this name already.
var ErrExists = errors.New("identity exists")

// hotIdentities is how many decoded identities are kept in memory.
const hotIdentities = 10_000

// maxSearch bounds how many identities a search reads that has no index.
const maxSearch = 100_000

// Identity returns a stored identity, or identity.ErrNotFound.
func (s *Store) Identity(_ context.Context, r realm.Name, name string) (found identity.Identity, err error) {
	if err := s.gate.err(); err != nil {
		return found, err
	}
	key := command.IdentityKey(r, name)
	if known, ok := s.users.Get(key); ok {
		return known, nil
	}
	generation := s.users.Generation()
	err = s.view(func(v fsm.View) error {
		found, err = readIdentity(v, key)
		return err
	})
	if err == nil {
		s.users.Fill(key, found, generation)
	}
	return found, err
}

func readIdentity(v fsm.View, key []byte) (identity.Identity, error) {
	value, ok, err := v.Get(key)
	if err != nil {
		return identity.Identity{}, err
	}
	if !ok {
		return identity.Identity{}, identity.ErrNotFound
	}
	return command.DecodeIdentity(value)
}

// SearchIdentity returns the one identity that has a value of an attribute:
// identity.ErrNotFound for none, identity.ErrAmbiguous for several. Values
// compare without case. An identity's name counts as its uid, userName and
// _id. These and mail have an index; for other attributes the realm is read
// through, at most 100,000 identities of it, and identity.ErrUnavailable
// returned if there are more.
func (s *Store) SearchIdentity(ctx context.Context, r realm.Name, attribute, value string) (found identity.Identity, err error) {
	if len(value) > maxNameBytes || len(attribute) > maxNameBytes {
		return found, identity.ErrNotFound
	}
	err = s.view(func(v fsm.View) error {
		if command.Indexed(attribute) {
			found, err = searchIndex(v, r, attribute, value)
		} else {
			found, err = searchAll(ctx, v, r, attribute, value)
		}
		return err
	})
	return found, err
}

func searchIndex(v fsm.View, r realm.Name, attribute, value string) (identity.Identity, error) {
	names := map[string]bool{}
	if !strings.EqualFold(attribute, "mail") {
		key := command.IdentityKey(r, value)
		if _, ok, err := v.Get(key); err != nil {
			return identity.Identity{}, err
		} else if ok {
			names[identity.Key(value)] = true
		}
	}
	prefix := command.AttributePrefix(r, attribute, value)
	err := v.Keys(prefix, nil, func(key []byte) (bool, error) {
		names[string(key[len(prefix):])] = true
		return len(names) < 2, nil
	})
	if err != nil {
		return identity.Identity{}, err
	}
	if len(names) > 1 {
		return identity.Identity{}, identity.ErrAmbiguous
	}
	for name := range names {
		return readIdentity(v, command.IdentityKey(r, name))
	}
	return identity.Identity{}, identity.ErrNotFound
}

func searchAll(ctx context.Context, v fsm.View, r realm.Name, attribute, value string) (found identity.Identity, err error) {
	seen, matches := 0, 0
	want := identity.Key(value)
	err = v.Scan(command.IdentitiesPrefix(r), nil, func(_, record []byte) (bool, error) {
		if seen++; seen > maxSearch || ctx.Err() != nil {
			return false, identity.ErrUnavailable
		}
		one, err := command.DecodeIdentity(record)
		if err != nil {
			return false, err
		}
		for name, values := range one.Attributes {
			if strings.EqualFold(name, attribute) &&
				slices.ContainsFunc(values, func(v string) bool { return identity.Key(v) == want }) {
				found = one
				matches++
				break
			}
		}
		return matches < 2, nil
	})
	switch {
	case err != nil:
		return identity.Identity{}, err
	case matches == 0:
		return identity.Identity{}, identity.ErrNotFound
	case matches > 1:
		return identity.Identity{}, identity.ErrAmbiguous
	default:
		return found, nil
	}
}

// Identities lists a realm's identities in the order of identity.Key, beginning
// after a name; the empty name begins at the start.
func (s *Store) Identities(_ context.Context, r realm.Name, after string, limit int) (found []identity.Identity, err error) {
	prefix, last := command.IdentitiesPrefix(r), identity.Key(after)
	err = s.view(func(v fsm.View) error {
		return v.Scan(prefix, []byte(last), func(key, value []byte) (bool, error) {
			if len(found) >= limit {
				return false, nil
			}
			if string(key[len(prefix):]) == last {
				return true, nil
			}
			one, err := command.DecodeIdentity(value)
			if err == nil {
				found = append(found, one)
			}
			return true, err
		})
	})
	return found, err
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

// PutIdentity stores an identity as a whole. With createOnly it returns
// ErrExists if there is one of this name.
func (s *Store) PutIdentity(ctx context.Context, i identity.Identity, createOnly bool) error {
	if err := checkIdentity(i); err != nil {
		return err
	}
	unlock, err := s.locks.lock(ctx, command.IdentityKey(i.Realm, i.Name))
	if err != nil {
		return err
	}
	term := s.writes.term.Load()
	if createOnly {
		if _, err := s.Identity(ctx, i.Realm, i.Name); !errors.Is(err, identity.ErrNotFound) {
			unlock()
			if err == nil {
				err = ErrExists
			}
			return err
		}
	}
	_, err = s.do(ctx, command.PutIdentity{Identity: i}, true, term, unlock)
	return err
}

// PutIdentities stores identities as a whole, as PutIdentity one by one would,
// but many share one flush. It ends at the first error; some are stored then.
func (s *Store) PutIdentities(ctx context.Context, all []identity.Identity) error {
	const together = 1024 // fewer than may wait
	for some := range slices.Chunk(all, together) {
		proposals, fault := s.putSome(ctx, some)
		for _, p := range proposals {
			if _, err := s.writes.wait(ctx, p); err != nil && fault == nil {
				fault = err
			}
		}
		if fault != nil {
			return fault
		}
	}
	return nil
}

func (s *Store) putSome(ctx context.Context, some []identity.Identity) (proposals []*proposal, err error) {
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

// UpdateIdentity applies a change to what is stored and returns what is stored
// then. Changes of one identity happen one after the other: none is lost.
func (s *Store) UpdateIdentity(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	unlock, err := s.locks.lock(ctx, command.IdentityKey(r, name))
	if err != nil {
		return identity.Identity{}, err
	}
	term := s.writes.term.Load()
	now, err := s.Identity(ctx, r, name)
	if err == nil {
		now = identity.Apply(now, c)
		err = checkIdentity(now)
	}
	if err != nil {
		unlock()
		return identity.Identity{}, err
	}
	// Counting failures must go on when the disk is nearly full.
	if _, err := s.do(ctx, command.PutIdentity{Identity: now}, false, term, unlock); err != nil {
		return identity.Identity{}, err
	}
	return now, nil
}

// DeleteIdentity removes an identity, or returns identity.ErrNotFound.
func (s *Store) DeleteIdentity(ctx context.Context, r realm.Name, name string) error {
	unlock, err := s.locks.lock(ctx, command.IdentityKey(r, name))
	if err != nil {
		return err
	}
	result, err := s.do(ctx, command.DeleteIdentity{Realm: r, Name: name}, false, s.writes.term.Load(), unlock)
	if err != nil {
		return err
	}
	if !result.Existed {
		return identity.ErrNotFound
	}
	return nil
}
