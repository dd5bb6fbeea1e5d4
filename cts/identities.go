package cts

import (
	"context"
	"slices"
	"strings"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
)

// hotIdentities is how many decoded identities are kept in memory.
const hotIdentities = 10_000

// maxSearch bounds how many identities a search reads that has no index.
const maxSearch = 100_000

// Identity returns a stored identity, or identity.ErrNotFound.
func (s *Store) Identity(ctx context.Context, r realm.Name, name string) (identity.Identity, error) {
	if err := s.readable(ctx); err != nil {
		return identity.Identity{}, err
	}
	return s.identity(r, name)
}

// identity is Identity for whoever knows that this member is up to date.
func (s *Store) identity(r realm.Name, name string) (found identity.Identity, err error) {
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
	err = s.look(ctx, func(v fsm.View) error {
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
func (s *Store) Identities(ctx context.Context, r realm.Name, after string, limit int) (found []identity.Identity, err error) {
	prefix, last := command.IdentitiesPrefix(r), identity.Key(after)
	err = s.look(ctx, func(v fsm.View) error {
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
