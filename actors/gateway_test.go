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
