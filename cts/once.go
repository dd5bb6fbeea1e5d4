package cts

import (
	"context"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/peer"
)

// decision is what the leader makes of an UpdateIdentity.
type decision struct {
	after identity.Identity // what the caller is told
	write command.Command   // nil when nothing changes
	// shows says that every member must have what is stored before the caller
	// is answered.
	shows bool
}

// decide works an update out against what is stored; the caller holds the
// identity's lock.
func (s *Store) decide(o peer.UpdateIdentity) (decision, error) {
	now, err := s.identity(o.Realm, o.Name)
	if err != nil {
		return decision{}, err
	}
	once, keyed := o.Change.(identity.Once)
	change := o.Change
	if keyed {
		change = once.Change
	}
	d := decision{after: now, shows: !atLeader(change)}
	if keyed {
		kept, made, err := s.made(once)
		if err != nil {
			return d, err
		}
		if made {
			var ok bool
			if d.after, ok = once.Recall(now, kept); ok {
				return d, nil
			}
		}
	}
	d.after = identity.Apply(now, change)
	if reserve, is := change.(identity.Reserve); is && reserve.Permission(d.after) != identity.Granted {
		return d, nil
	}
	if !s.releases.all(remembers) {
		return s.asBefore(d, change), nil
	}
	d.write = command.PutIdentity{Identity: d.after}
	if kept, ok := once.Kept(d.after); keyed && ok {
		d.write = command.ChangeIdentity{
			Key: once.Key, Minute: command.Minute(once.Until) + 1, Kept: kept, Identity: d.after,
		}
	}
	return d, nil
}

// atLeader reports whether only the leader ever reads what a change leaves.
func atLeader(c identity.Change) bool {
	switch c.(type) {
	case identity.Reserve, identity.Settle:
		return true
	default:
		return false
	}
}

// made looks for a change's key.
func (s *Store) made(once identity.Once) (kept []byte, made bool, err error) {
	err = s.view(func(v fsm.View) error {
		value, ok, err := v.Get(command.ChangeKey(command.Minute(once.Until)+1, once.Key))
		if err != nil || !ok {
			return err
		}
		made = true
		kept, err = command.DecodeKept(value)
		return err
	})
	return kept, made, err
}

// While a member of the release before has to apply the log, nothing is written
// that it does not know: no keys, and no permits, which it would drop from the
// identity. Changes are then made as that release makes them.

// asBefore is a decision as the release before would carry it out.
func (s *Store) asBefore(d decision, c identity.Change) decision {
	if atLeader(c) {
		return d
	}
	stored := d.after
	stored.Permits = nil
	d.write = command.PutIdentity{Identity: stored}
	return d
}

// askOld is UpdateIdentity while a member of the release before leads.
func (s *Store) askOld(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	if once, is := c.(identity.Once); is {
		c = once.Change
	}
	now, err := s.Identity(ctx, r, name)
	if err != nil || atLeader(c) {
		return identity.Apply(now, c), err
	}
	result, err := s.write(ctx, peer.UpdateIdentity{Realm: r, Name: name, Change: identity.Plain(c, now)})
	if err != nil {
		return identity.Identity{}, err
	}
	return *result.Identity, nil
}
