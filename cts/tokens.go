package cts

import (
	"context"
	"errors"
	"time"

	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/peer"
	"sojourn/cts/token"
)

// Token returns a token that has not ended. A member that has not applied index
// waits for it, until ctx ends. With index 0 the token may be an earlier one than
// the latest acknowledged, which a PutToken that goes on from it will tell; but
// that there is none is certain also then: for that a member waits until it has
// all that was acknowledged before the call, some tenths of a second. Errors are
// token.ErrNotFound and *session.UnavailableError.
func (s *Store) Token(ctx context.Context, k token.Kind, id token.ID, index uint64) (token.Token, error) {
	asked := s.config.Boottime()
	if err := s.readable(ctx); err != nil {
		return token.Token{}, err
	}
	if index > s.fsm.Applied() {
		if _, err := s.waitFor(ctx, index, asked); err != nil {
			return token.Token{}, err
		}
	}
	found, ok, err := s.readToken(k, id)
	if err == nil && !ok && index == 0 {
		if err = s.upToDate(ctx, asked); err == nil {
			found, ok, err = s.readToken(k, id)
		}
	}
	return s.unended(found, ok, err)
}

// LatestToken is Token for whoever needs the latest that was acknowledged before
// the call, wherever that was. It takes some tenths of a second at a member that
// does not lead.
func (s *Store) LatestToken(ctx context.Context, k token.Kind, id token.ID) (token.Token, error) {
	asked := s.config.Boottime()
	if err := s.readable(ctx); err != nil {
		return token.Token{}, err
	}
	if err := s.upToDate(ctx, asked); err != nil {
		return token.Token{}, err
	}
	return s.unended(s.readToken(k, id))
}

// unended is what was read, if it has not ended.
func (s *Store) unended(found token.Token, ok bool, err error) (token.Token, error) {
	switch {
	case err != nil:
		return token.Token{}, err
	case !ok || !s.config.Now().Before(found.Expires):
		return token.Token{}, token.ErrNotFound
	}
	return found, nil
}

func (s *Store) readToken(k token.Kind, id token.ID) (found token.Token, ok bool, err error) {
	err = s.view(func(v fsm.View) error {
		value, there, err := v.Get(command.TokenKey(k, id))
		if err != nil || !there {
			return err
		}
		ok = true
		found, err = command.DecodeToken(k, id, value)
		return err
	})
	return found, ok, err
}

// PutToken replaces the token whose Seq the writer has seen, or makes a new one
// when that is 0. now is what is stored then, and won says that this is what p
// put. Asked again with the same p, it has the same outcome until somebody else
// replaces the token. token.ErrNotFound: what was to be replaced is not there any
// more. An id must not be used again after its token has ended.
func (s *Store) PutToken(ctx context.Context, p token.Put) (now token.Token, won bool, err error) {
	result, err := s.write(ctx, peer.PutToken{Put: p})
	if err != nil {
		return token.Token{}, false, err
	}
	if result.Token == nil {
		return token.Token{}, false, unknown("the leader's answer was not understood")
	}
	s.counts.tokens.Add(1)
	now = *result.Token
	if result.Won {
		now.Body = p.Body
	}
	return now, result.Won, nil
}

// putToken is PutToken where the leader is. It needs no lock: whether what it
// replaces is still there is found when it is applied.
func (s *Store) putToken(ctx context.Context, o peer.PutToken) (peer.Result, error) {
	if !s.releases.all(denies) {
		return peer.Result{}, errOlder()
	}
	put, err := s.do(ctx, command.PutToken{Put: o.Put, At: s.config.Now()}, true, s.writes.term.Load(), nil)
	switch {
	case err != nil:
		return peer.Result{}, err
	case errors.Is(put.Err, command.ErrNoToken):
		return peer.Result{}, token.ErrNotFound
	}
	if put.Won {
		put.Token.Body = nil // the caller has it
	}
	return peer.Result{Token: put.Token, Won: put.Won}, nil
}

// upToDate waits until this member has applied all that was acknowledged before
// an instant.
func (s *Store) upToDate(ctx context.Context, asked time.Duration) error {
	l := s.leases
	later := asked + l.timing.Wait() - l.timing.Bound() // see waitFor
	for {
		granted := l.changed.next()
		l.mu.Lock()
		known, need := l.newest > later, l.need
		alone := l.sole && s.writes.term.Load() != 0
		l.mu.Unlock()
		switch {
		case alone: // nothing is acknowledged that is not applied here
			return nil
		case known:
			if err := s.fsm.Wait(ctx, need); err != nil {
				return unavailable("this member has not caught up")
			}
			return nil
		}
		select {
		case <-granted:
		case <-ctx.Done():
			return unavailable("this member has not caught up")
		case <-s.ctx.Done():
			return unavailable("closing")
		}
	}
}
