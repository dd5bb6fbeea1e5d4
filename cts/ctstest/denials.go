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
	user := command.DigestUser(x.Principal.Realm, x.Principal.Username)
	value, ok := m.rows.Get(append(command.UserDenialsPrefix(), user[:]...))
	if !ok {
		return false, nil
	}
	before, err := command.DecodeUserDenial(value)
	return x.Created.Before(before), err
}
