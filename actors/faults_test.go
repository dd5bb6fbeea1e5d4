package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// TestFaults: whatever becomes of messages, no journey is lost and none has two
// sessions.
func TestFaults(t *testing.T) { overStores(t, testFaults) }

func testFaults(t *testing.T, in where) {
	t.Helper()
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	for name, kinds := range map[string][]faultKind{
		"answers are lost":     {loseRequest, loseAnswer, twice},
		"connections are lost": {refused, loseRequest, loseAnswer, twice, frozen},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range seeds {
				if in != inMemory() && seed > seeds/3 {
					break
				}
				synctest.Test(t, func(t *testing.T) {
					c := in.cluster(t, 3)
					defer c.close()
					c.net.random(seed, 0.4, 50*time.Millisecond, kinds...)
					c.tokens.random(seed, 0.4, 50*time.Millisecond)
					const journeys = 6
					runAll(t, c, journeys)
					synctest.Wait()
					if n := len(c.sessions.byJourney); n != journeys {
						t.Errorf("seed %d: %d sessions of %d journeys", seed, n, journeys)
					}
				})
			}
		})
	}
}

// TestComingAndLeaving: while a member joins and others begin to leave, and each
// member hears of it at a time of its own, no journey is lost or called unknown.
func TestComingAndLeaving(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			c.add()
			c.sees(3, c.ids()...) // sees the others before they see it
			c.net.random(seed, 0.2, 50*time.Millisecond, loseRequest, loseAnswer)
			random := rand.New(rand.NewPCG(seed, 2))
			var lags [8]time.Duration // two for each member
			for i := range lags {
				lags[i] = time.Duration(random.Int64N(int64(viewSpread) * 4 / 5))
			}
			var churn sync.WaitGroup
			for i := range c.members {
				churn.Go(func() {
					time.Sleep(lags[2*i])
					c.sees(i, c.ids()...)
					time.Sleep(lags[2*i+1])
					c.sees(i, "member-0", "member-1-", "member-2", "member-3")
				})
			}
			const journeys = 8
			runAll(t, c, journeys)
			churn.Wait()
			if n := len(c.sessions.byJourney); n != journeys {
				t.Errorf("seed %d: %d sessions of %d journeys", seed, n, journeys)
			}
		})
	}
}

// runAll runs journeys at the same time, each request at the next member, and
// sends a request again, elsewhere, when it was answered as unavailable.
func runAll(t *testing.T, c *testCluster, journeys int) {
	t.Helper()
	done := make(chan error, journeys)
	for i := range journeys {
		go func() { done <- runOne(t.Context(), c, i) }()
	}
	for range journeys {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func runOne(ctx context.Context, c *testCluster, i int) error {
	at := i
	reply, err := c.members[at%len(c.members)].Start(ctx, journey.StartRequest{Realm: realm.Root, Tree: "Steps"})
	for _, value := range []string{"demo", "secret", "yes"} {
		if err != nil {
			return err
		}
		request := resumeWith(reply.Ref, value)
		for try := 0; ; try++ {
			at++
			limited, cancel := context.WithTimeout(ctx, 5*time.Second)
			reply, err = c.members[at%len(c.members)].Resume(limited, request)
			cancel()
			if _, away := errors.AsType[*session.UnavailableError](err); !away {
				break
			}
			if try == 50 {
				return fmt.Errorf("journey %d: still %w", i, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("journey %d, answer %q: %w", i, value, err)
		}
	}
	if !reply.Done.Success {
		return fmt.Errorf("journey %d failed", i)
	}
	return nil
}
