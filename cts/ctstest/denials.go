package ctstest

import (
	"context"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/session"
)

// Deny is as in cts.Store.
func (m *Memory) Deny(_ context.Context, reason session.Reason, all ...session.Denial) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.do(command.Deny{Reason: reason, At: m.o.Now(), Denials: all})
	return err
}

// DenyUser is as in cts.Store.
func (m *Memory) DenyUser(_ context.Context, r realm.Name, username string, before, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.do(command.DenyUser{Realm: r, Username: username, Before: before, Until: until})
	return err
}

// Denied is as in cts.Store.
func (m *Memory) Denied(_ context.Context, x session.Session) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.down(); err != nil {
		return false, err
	}
	if _, denied := m.rows.Get(command.DenialKey(x.ID)); denied {
		return true, nil
	}
	before, err := m.deniedBefore(x.Principal.Realm, x.Principal.Username)
	return x.Created.Before(before), err
}

// DeniedBefore is as in cts.Store.
func (m *Memory) DeniedBefore(_ context.Context, r realm.Name, username string) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.down(); err != nil {
		return time.Time{}, err
	}
	return m.deniedBefore(r, username)
}

func (m *Memory) deniedBefore(r realm.Name, username string) (time.Time, error) {
	user := command.DigestUser(r, username)
	value, ok := m.rows.Get(append(command.UserDenialsPrefix(), user[:]...))
	if !ok {
		return time.Time{}, nil
	}
	return command.DecodeUserDenial(value)
}
