package e2e

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestSlowMember: a member that stands still for a moment, again and again, is not
// taken for dead, and journeys of clients that ask the others end as they should,
// none of them lost, with most steps in well under a second.
func TestSlowMember(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three members")
	}
	const (
		still   = 400 * time.Millisecond // of standing still, and of running
		limit   = time.Second            // of the 99th percentile of journeys of three steps
		usual   = still / 4              // of the median: whoever waits for the slow one takes longer
		workers = 4
	)
	hold := time.Duration(pick(30, 5, 0)) * time.Second
	members := votersOf(t, "", 3)
	importUsers(t, members[0].client(t), "user", 1)
	members[0].importJourneys(t, "steps.json")
	slow, others := members[2], members[:2]
	lb := balance(t, others)

	ctx, stop := context.WithTimeout(t.Context(), hold)
	defer stop()
	var load sync.WaitGroup
	var phase atomic.Int32
	books, took := make([]*mixedBook, workers), make([][]time.Duration, workers)
	for i := range books {
		books[i] = &mixedBook{lb: lb, user: "user0", phase: &phase, random: rand.New(rand.NewPCG(uint64(i), 2))}
		load.Go(func() {
			for ctx.Err() == nil {
				begun := time.Now()
				if token, err := books[i].journey(t.Context(), cheapPassword); err != nil || token == "" {
					t.Errorf("journey %d: %v", len(took[i]), err)
					return
				}
				took[i] = append(took[i], time.Since(begun))
			}
		})
	}
	moment := time.NewTicker(still)
	defer moment.Stop()
	for stopped := false; ctx.Err() == nil; stopped = !stopped {
		if stopped {
			slow.signal(t, syscall.SIGCONT)
		} else {
			slow.signal(t, syscall.SIGSTOP)
		}
		<-moment.C
	}
	slow.signal(t, syscall.SIGCONT)
	load.Wait()

	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	if len(all) == 0 {
		t.Fatal("no journey came to its end")
	}
	p50, p99 := all[len(all)/2], all[len(all)*99/100]
	t.Logf("%d journeys in %v beside a member that stands still half of the time: p50 %v, p99 %v, worst %v; %d requests sent again",
		len(all), hold, p50.Round(time.Microsecond), p99.Round(time.Microsecond), all[len(all)-1].Round(time.Microsecond), lb.refused.Load())
	if p50 > usual || p99 > limit {
		t.Errorf("the median of a journey is %v and the 99th percentile %v, want at most %v and %v", p50, p99, usual, limit)
	}
	for _, m := range others {
		if strings.Contains(m.log.String(), "member dead") {
			t.Errorf("member %s took the slow one for dead", m.Name)
		}
	}
}
