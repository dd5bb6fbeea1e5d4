package ctstest

import (
	"context"
	"errors"

	"sojourn/cts/command"
	"sojourn/cts/token"
)

// Token is as in cts.Store.
func (m *Memory) Token(_ context.Context, k token.Kind, id token.ID, _ uint64) (token.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.down(); err != nil {
		return token.Token{}, err
	}
	value, ok := m.rows.Get(command.TokenKey(k, id))
	if !ok {
		return token.Token{}, token.ErrNotFound
	}
	found, err := command.DecodeToken(k, id, value)
	if err == nil && !m.o.Now().Before(found.Expires) {
		return token.Token{}, token.ErrNotFound
	}
	return found, err
}

// LatestToken is as in cts.Store.
func (m *Memory) LatestToken(ctx context.Context, k token.Kind, id token.ID) (token.Token, error) {
	return m.Token(ctx, k, id, 0)
}

// PutToken is as in cts.Store.
func (m *Memory) PutToken(_ context.Context, p token.Put) (token.Token, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	result, err := m.do(command.PutToken{Put: p, At: m.o.Now()})
	switch {
	case err != nil:
		return token.Token{}, false, err
	case errors.Is(result.Err, command.ErrNoToken):
		return token.Token{}, false, token.ErrNotFound
	}
	return *result.Token, result.Won, nil
}
