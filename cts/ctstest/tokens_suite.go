package ctstest

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/cts/token"
)

// aPut is a first put of a token that lives for ten minutes.
func (s *suite) aPut(n byte, body string) token.Put {
	return token.Put{
		Kind: token.Journey, ID: token.ID{n}, Expires: s.clock.Now().Add(10 * time.Minute), Body: []byte(body),
	}
}

func (s *suite) put(t *testing.T, p token.Put) token.Token {
	t.Helper()
	now, won, err := s.PutToken(t.Context(), p)
	if err != nil || !won || now.Seq != p.Seq+1 || now.Index == 0 || !bytes.Equal(now.Body, p.Body) || now.ID != p.ID || now.Kind != p.Kind {
		t.Fatalf("PutToken(seq %d) = %+v, %v, %v", p.Seq, now, won, err)
	}
	return now
}

func (s *suite) tokens(t *testing.T) {
	p := s.aPut(1, "one")
	first := s.put(t, p)
	got, err := s.Token(t.Context(), p.Kind, p.ID, first.Index)
	if err != nil || got.Seq != 1 || got.Index != first.Index || string(got.Body) != "one" || !got.Expires.Equal(p.Expires) {
		t.Errorf("token = %+v, %v", got, err)
	}
	if again, won, err := s.PutToken(t.Context(), p); err != nil || !won || again.Seq != 1 || again.Index != first.Index {
		t.Errorf("asked for again = %+v, %v, %v", again, won, err)
	}
	if _, err := s.Token(t.Context(), token.Suspended, p.ID, 0); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("the id among tokens of another kind = %v", err)
	}

	p.Seq, p.Body, p.Expires = 1, []byte("two"), s.clock.Now().Add(20*time.Minute)
	s.put(t, p)
	late := s.aPut(1, "late")
	for _, seq := range []uint64{0, 1, 3} {
		late.Seq = seq
		if now, won, err := s.PutToken(t.Context(), late); err != nil || won || now.Seq != 2 || string(now.Body) != "two" {
			t.Errorf("put over seq %d = %+v, %v, %v; want what is there", seq, now, won, err)
		}
	}

	s.clock.Advance(20*time.Minute - 1)
	if got, err := s.Token(t.Context(), p.Kind, p.ID, 0); err != nil || got.Seq != 2 {
		t.Errorf("until its end = %+v, %v", got, err)
	}
	s.clock.Advance(1)
	if got, err := s.Token(t.Context(), p.Kind, p.ID, 0); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("at its end = %+v, %v", got, err)
	}
	p.Seq = 2
	if now, won, err := s.PutToken(t.Context(), p); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("put over what has ended = %+v, %v, %v", now, won, err)
	}
	if now, won, err := s.PutToken(t.Context(), token.Put{Kind: token.Journey, ID: token.ID{9}, Seq: 1, Expires: p.Expires}); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("put over nothing = %+v, %v, %v", now, won, err)
	}
	long := s.aPut(2, "")
	long.Body = make([]byte, token.MaxBody+1)
	if _, _, err := s.PutToken(t.Context(), long); err == nil {
		t.Error("a body beyond the limit was taken")
	}
	long.Body = long.Body[1:]
	s.put(t, long)
}

// Of many who go on from the same token one wins, step after step.
func (s *suite) winners(t *testing.T) {
	now := s.put(t, s.aPut(1, "start"))
	for step := range 10 {
		var wins atomic.Int32
		var writers sync.WaitGroup
		for w := range 8 {
			writers.Go(func() {
				p := s.aPut(1, strconv.Itoa(step)+"."+strconv.Itoa(w))
				p.Seq = now.Seq
				after, won, err := s.PutToken(t.Context(), p)
				if err != nil || after.Seq != now.Seq+1 || won != bytes.Equal(after.Body, p.Body) {
					t.Errorf("writer %d = %+v, %v, %v", w, after, won, err)
				}
				if won {
					wins.Add(1)
				}
			})
		}
		writers.Wait()
		if wins.Load() != 1 {
			t.Fatalf("step %d has %d winners", step, wins.Load())
		}
		now.Seq++
	}
}
