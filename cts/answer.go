package cts

import (
	"context"
	"errors"
	"time"

	"sojourn/cts/internal/peer"
)

var errAnswer = errors.New("the answer was not understood")

// ask sends a request to a member and returns its answer. A Failure is an error.
func (s *Store) ask(ctx context.Context, addr string, r peer.Request, timeout time.Duration) (peer.Answer, error) {
	body, err := peer.AppendRequest(nil, r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err = s.config.Network.Call(ctx, addr, body)
	if err != nil {
		return nil, err
	}
	answer, err := peer.DecodeAnswer(body)
	if err != nil {
		return nil, errAnswer
	}
	if f, ok := answer.(*peer.Failure); ok {
		return nil, errorOf(f)
	}
	return answer, nil
}

// handle answers requests of other members.
func (s *Store) handle(ctx context.Context, _ string, body []byte) ([]byte, error) {
	if !s.calls.enter() {
		return peer.AppendAnswer(nil, failureOf(elsewhere("closing")))
	}
	defer s.calls.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // ctx is the caller's; Close ends it as well
	request, err := peer.DecodeRequest(body)
	if err != nil {
		return peer.AppendAnswer(nil, &peer.Failure{Code: peer.CodeProtocol, Text: err.Error()})
	}
	answer, err := s.respond(ctx, request)
	if err != nil {
		answer = failureOf(err)
	}
	return peer.AppendAnswer(nil, answer)
}

func (s *Store) respond(ctx context.Context, request peer.Request) (peer.Answer, error) {
	switch r := request.(type) {
	case peer.Write:
		if s.writes.term.Load() == 0 {
			return nil, elsewhere("this member does not lead")
		}
		result, err := s.perform(ctx, r.Operation)
		return result, err
	case peer.Term:
		if r.Life != s.leases.timing.Lease {
			return nil, s.otherTimings(r.Life)
		}
		a, ok := s.answerTerm()
		if !ok {
			return nil, elsewhere("a later term was answered for")
		}
		return peer.TermIs(a), nil
	case peer.Renew:
		if r.Life != s.leases.timing.Lease {
			return nil, s.otherTimings(r.Life)
		}
		g, err := s.grant(r.From, r.Applied)
		if err != nil {
			return nil, unavailable("%v", err)
		}
		return peer.Lease{Term: g.Term, Need: g.Need}, nil
	case peer.Barrier:
		return s.obey(ctx, r)
	case peer.Promise:
		return s.promise(r)
	case peer.Status:
		return s.condition(), nil
	default:
		return nil, errors.New("a request without an answer")
	}
}

// otherTimings says that two members were given different timings. Neither may
// rely on the other's leases.
func (s *Store) otherTimings(theirs time.Duration) error {
	return unavailable("members have different timings: leases of %v and %v; give all the same multiplier", s.leases.timing.Lease, theirs)
}

// obey acknowledges a barrier when no read from here on contradicts it.
func (s *Store) obey(ctx context.Context, b peer.Barrier) (peer.Answer, error) {
	if !s.tombstones.add(b.Tombstones, s.fsm.Applied()) {
		return nil, unavailable("too many sessions have ended that are not applied here")
	}
	if b.Applied > s.fsm.Applied() {
		if err := s.fsm.Wait(ctx, b.Applied); err != nil {
			return nil, unavailable("this member has not caught up")
		}
	}
	return peer.Done{}, nil
}
