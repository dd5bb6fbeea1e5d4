package actors

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Of the requests that wait for one step so many are kept, and the others told to
// come again.
func TestCrowdedJourney(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMember(t, time.Now)
		defer m.Close()
		m.users.gate = make(chan struct{})
		first := m.start(t, "Login")
		const many = 3 * maxUnanswered
		var tokens, crowded atomic.Int64
		var wg sync.WaitGroup
		for range many {
			wg.Go(func() {
				reply, err := m.answer(t, first.Ref, "demo", "secret")
				switch {
				case err == nil && reply.Token != "":
					tokens.Add(1)
				case errors.Is(err, errCrowded):
					crowded.Add(1)
				default:
					t.Errorf("%+v, %v", reply, err)
				}
			})
		}
		synctest.Wait()
		if crowded.Load() != many-maxUnanswered {
			t.Errorf("%d of %d are told to come again", crowded.Load(), many)
		}
		m.users.gate <- struct{}{}
		wg.Wait()
		if tokens.Load() != maxUnanswered {
			t.Errorf("%d of %d got their session", tokens.Load(), maxUnanswered)
		}
	})
}

// Journeys that come one after the other have the same few actors, and each its
// own answers.
func TestActorsAreReused(t *testing.T) {
	m := newMember(t, time.Now)
	for range 20 * gatewayShards {
		first := m.start(t, "Steps")
		second, err := m.answer(t, first.Ref, "demo")
		if err != nil || second.Ref.Journey != first.Ref.Journey {
			t.Fatalf("a name: %+v, %v", second, err)
		}
		if _, err := m.answer(t, first.Ref, "other"); err == nil {
			t.Fatal("two names for one journey")
		}
	}
	g := m.gateway
	for i := range g.shards {
		s := &g.shards[i]
		s.Lock()
		if len(s.active) > 0 || len(s.parked) > 1 {
			t.Errorf("shard %d has %d active journeys and %d parked actors", i, len(s.active), len(s.parked))
		}
		s.Unlock()
	}
}
