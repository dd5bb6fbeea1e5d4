package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// TestOverload: ten times as many logins as a member can check passwords for, and
// as many starts again, while journeys that were begun before go on. All of
// these are finished at the first try and within a bound, whoever comes too much
// is told so, and memory stays within a bound that does not depend on it.
func TestOverload(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the machine for seconds")
	}
	const (
		checks  = 20       // that 99 of 100 journeys wait for at most, where newcomers wait for 60
		arena   = 19 * mib // that a hash works in
		growth  = 48 * mib // of the resident pages, beside arenas
		clients = 400      // more than the pool takes and the member has places
		pace    = 40       // journeys that go on, in a second
	)
	flood := time.Duration(pick(60, 10, 0)) * time.Second
	p := newPlace(t)
	m := p.start(t, "--set", "limits.requests=160", "--set", "limits.reserved=40", "--set", "limits.hashQueue=256")
	c := m.client(t)
	m.importJourneys(t, "steps.json")
	importUsers(t, c, "user", 1)
	steps := m.middles(t, "Steps", "user0", int(flood.Seconds())*pace)
	before := m.settled(t)
	// A worker's arena may stay behind at each processor that it was on, and the
	// collector waits until as much again as is in use is garbage.
	bound := m.memory(t, "VmRSS") + 2*arena*2*int64(runtime.NumCPU()) + growth

	ctx, stop := context.WithCancel(t.Context())
	var logins, starts tally
	var crowd sync.WaitGroup
	for i := range clients {
		guess, count := client.Journey{Tree: "Login"}, &starts
		if i%4 > 0 {
			guess.Username, guess.Password, count = p.seed.User, "a wrong password", &logins
		}
		own := m.client(t)
		crowd.Go(func() {
			next := time.NewTicker(time.Second / 2)
			defer next.Stop()
			for ctx.Err() == nil {
				count.note(own.Start(ctx, guess))
				select {
				case <-next.C:
				case <-ctx.Done():
				}
			}
		})
	}
	m.resetPeak(t)
	took := make([]time.Duration, len(steps))
	var group errgroup.Group
	next := time.NewTicker(time.Second / pace)
	defer next.Stop()
	var half int64
	for i := range steps {
		if i == len(steps)/2 {
			half = m.memory(t, "VmHWM")
			m.resetPeak(t)
		}
		<-next.C
		group.Go(func() error {
			step := steps[i]
			step.Callbacks[0].Input[0].Value = cheapPassword
			begun := time.Now()
			reply, err := c.Next(t.Context(), "/", step)
			took[i] = time.Since(begun)
			if err == nil && reply.Success == nil {
				err = errors.New("it asks again")
			}
			if err != nil {
				return fmt.Errorf("journey %d of %d, begun before: %w", i, len(steps), err)
			}
			return nil
		})
	}
	err := group.Wait()
	peak := m.memory(t, "VmHWM")
	stop()
	crowd.Wait()
	must(t, err)
	after := m.settled(t)

	slices.Sort(took)
	at := func(share float64) time.Duration {
		return took[int(share*float64(len(took)-1))].Round(time.Microsecond)
	}
	t.Logf("%v of flood: logins %s; starts %s", flood, &logins, &starts)
	t.Logf("%d journeys that went on: p50 %v, p99 %v, worst %v", len(took), at(0.5), at(0.99), at(1))
	t.Logf("resident pages: %s in the first half, %s in the second, bound %s; RssAnon %s before, %s after",
		inMiB(half), inMiB(peak), inMiB(bound), inMiB(before), inMiB(after))
	one := flood * time.Duration(runtime.NumCPU()) / time.Duration(max(1, logins.done.Load())) // what a check takes here and now
	if limit := max(time.Second/2, checks*one); at(0.99) > limit {
		t.Errorf("the 99th percentile of journeys that go on is %v, want at most %v", at(0.99), limit)
	}
	if logins.done.Load() == 0 || logins.refused.Load() < 2*logins.done.Load() {
		t.Errorf("this was no flood: logins %s", &logins)
	}
	if other := logins.other.Load() + starts.other.Load(); other > 0 {
		t.Errorf("%d answers were neither a verdict nor 503 with Retry-After: logins %s; starts %s", other, &logins, &starts)
	}
	if max(half, peak) > bound {
		t.Errorf("the flood takes more memory than %s", inMiB(bound))
	}
	if flood >= time.Minute && peak > half+growth { // in less, arenas are still coming
		t.Errorf("memory grows with the flood: %s more in its second half", inMiB(peak-half))
	}
}

// tally counts what a crowd is told.
type tally struct{ done, refused, other atomic.Int64 }

func (n *tally) note(reply wire.Reply, err error) {
	var said *client.Error
	switch {
	case errors.Is(err, context.Canceled):
	case err == nil && reply.Step != nil, errors.As(err, &said) && said.Status == http.StatusUnauthorized:
		n.done.Add(1)
	case said != nil && said.Status == http.StatusServiceUnavailable && said.RetryAfter > 0:
		n.refused.Add(1)
	default:
		n.other.Add(1)
	}
}

func (n *tally) String() string {
	return fmt.Sprintf("%d done, %d refused, %d else", n.done.Load(), n.refused.Load(), n.other.Load())
}
