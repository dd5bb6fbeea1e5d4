package cts

import (
	"context"
	"errors"
	"time"

	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

const (
	// leaderWait bounds how long a write waits for a leader that takes it.
	leaderWait = 2500 * time.Millisecond
	// leaderPoll is how often it looks for one, unless it hears of one earlier.
	leaderPoll = 25 * time.Millisecond
)

// Of a write that failed, three things can be known:
//
//   - it was refused for good: any error but the two below;
//   - it was not done, and another leader may do it: elsewhereError, inside this
//     package and between members; callers see a *session.UnavailableError;
//   - it may have been done: a *session.UnavailableError with Unknown set.

// elsewhereError says that a write was not done, since this member does not lead.
type elsewhereError struct{ error }

func (e elsewhereError) Unwrap() error { return e.error }

func elsewhere(reason string) error { return elsewhereError{unavailable("%s", reason)} }

func isElsewhere(err error) bool {
	_, ok := errors.AsType[elsewhereError](err)
	return ok
}

func isUnknown(err error) bool {
	down, ok := errors.AsType[*session.UnavailableError](err)
	return ok && down.Unknown
}

// write carries an operation out where the leader is. It waits for a leader, but
// not for long, and asks again what may be asked twice.
func (s *Store) write(ctx context.Context, o peer.Operation) (peer.Result, error) {
	result, err := s.attempt(ctx, o)
	if !again(o, err) {
		return result, err
	}
	giveUp := time.NewTimer(s.slow(leaderWait))
	defer giveUp.Stop()
	maybe := isUnknown(err) // an attempt may have been carried out
	for {
		changed := s.leaders.next()
		look := time.NewTimer(leaderPoll)
		select {
		case <-changed:
		case <-look.C:
		case <-giveUp.C:
			return peer.Result{}, noLeader(maybe)
		case <-ctx.Done():
			return peer.Result{}, noLeader(maybe)
		case <-s.ctx.Done():
			return peer.Result{}, noLeader(maybe)
		}
		look.Stop()
		s.counts.retried.Add(1)
		if result, err = s.attempt(ctx, o); !again(o, err) {
			return result, err
		}
		maybe = maybe || isUnknown(err)
	}
}

func noLeader(maybe bool) error {
	return &session.UnavailableError{Reason: "no leader", RetryAfter: retryAfter, Unknown: maybe}
}

// again reports whether an attempt that ended with err may be repeated.
func again(o peer.Operation, err error) bool {
	return err != nil && (isElsewhere(err) || isUnknown(err) && peer.Idempotent(o))
}

// attempt carries an operation out here, or asks the leader to, once.
func (s *Store) attempt(ctx context.Context, o peer.Operation) (peer.Result, error) {
	if s.writes.term.Load() != 0 {
		return s.perform(ctx, o)
	}
	if err := s.gate.err(); err != nil {
		return peer.Result{}, err
	}
	id, addr := s.leader()
	if addr == "" {
		return peer.Result{}, elsewhere("no leader")
	}
	if !plain(o) && !s.releases.speaks(s.config.Network.Peers(), id, denies) {
		var err error
		if o, err = older(o); err != nil {
			return peer.Result{}, err
		}
	}
	body, err := peer.AppendRequest(nil, peer.Write{Operation: o})
	if err != nil {
		return peer.Result{}, err
	}
	s.counts.forwarded.Add(1)
	ctx, cancel := s.while(ctx, id)
	defer cancel()
	answer, err := s.config.Network.Call(ctx, addr, body)
	switch {
	case err != nil && s.config.Network.NotDone(err):
		return peer.Result{}, elsewhere("the leader cannot be reached")
	case err != nil:
		return peer.Result{}, unknown("the leader did not answer")
	}
	return resultOf(answer)
}

// resultOf reads the answer to a Write.
func resultOf(body []byte) (peer.Result, error) {
	answer, err := peer.DecodeAnswer(body)
	if err != nil {
		return peer.Result{}, unknown("the leader's answer was not understood")
	}
	switch a := answer.(type) {
	case peer.Result:
		return a, nil
	case *peer.Failure:
		return peer.Result{}, errorOf(a)
	default:
		return peer.Result{}, unknown("the leader's answer was not understood")
	}
}

// leader is the store that leads, as far as this member knows, and its address;
// both are empty when there is none but this one.
func (s *Store) leader() (id, addr string) {
	hint, leader := s.raft.LeaderWithID()
	if leader == "" || string(leader) == s.ID() {
		return "", ""
	}
	if now, err := (addresses{s.config.Network}).ServerAddr(leader); err == nil {
		hint = now
	}
	return string(leader), string(hint)
}

// while returns a context that ends when another store than id leads, and when
// this one is closed: what is under way there is then not worth waiting for.
func (s *Store) while(ctx context.Context, id string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := s.leaders.watch(func() {
		if _, now := s.raft.LeaderWithID(); string(now) != id {
			cancel()
		}
	})
	unlink := context.AfterFunc(s.ctx, cancel)
	return ctx, func() {
		stop()
		unlink()
		cancel()
	}
}
