package chaos

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"sojourn/cmd/internal/chaos/history"
)

// travelFor puts journeys on a fake cluster for a while, until some hundred
// requests are made, and takes them to their ends.
func travelFor(t *testing.T, c *fakeCluster, d time.Duration) *Load {
	t.Helper()
	l, err := NewLoad(LoadConfig{
		Bases: c.bases(), Operator: "operator", Seed: 1, Writers: 2, Readers: 1, Watchers: 1, Journeys: 6, Idle: 3, IdleRest: 50 * time.Millisecond,
		Pause: 2 * time.Millisecond, StepTimeout: 200 * time.Millisecond, Hedged: 0.2,
	})
	must(t, err)
	must(t, l.Prepare(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var looking sync.WaitGroup
	looking.Go(func() {
		defer cancel()
		for look := time.NewTicker(10 * time.Millisecond); l.Now() < d || len(l.Journeys()) < 300; {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	})
	must(t, l.Run(ctx))
	looking.Wait()
	c.mend()
	final, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	must(t, l.FinishJourneys(final))
	return l
}

// TestTripsAndVerdict: journeys through a cluster that keeps its promises are
// without fault, and each broken promise is found by what it is.
func TestTripsAndVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		faults fakeFaults
		want   []string // parts of the error; none when all is well
	}{
		"well":                       {},
		"journeys lost":              {fakeFaults{trips: tripFaults{lose: true}}, []string{"were lost"}},
		"answers refused again":      {fakeFaults{trips: tripFaults{refuse: true, late: true}}, []string{"journeys were"}},
		"two answers taken":          {fakeFaults{trips: tripFaults{redo: true}}, []string{"were doubled"}},
		"a step counted twice":       {fakeFaults{trips: tripFaults{count: true}}, []string{"were rolled back"}},
		"old answers shown":          {fakeFaults{trips: tripFaults{stale: true}}, []string{"were rolled back"}},
		"two sessions":               {fakeFaults{trips: tripFaults{redo: true, token: true, late: true}}, []string{"were doubled"}},
		"503 without a time":         {fakeFaults{rude: true}, []string{"none that a member should give"}},
		"503 is no broken promise":   {faults: fakeFaults{refuse: true}},
		"neither is a connection":    {faults: fakeFaults{cut: true}},
		"neither is a lost answer":   {faults: fakeFaults{trips: tripFaults{late: true}}},
		"everything that may happen": {faults: fakeFaults{cut: true, refuse: true, trips: tripFaults{late: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := travelFor(t, newFake(t, 3, tc.faults), 400*time.Millisecond)
			v := history.CheckJourneys(l.Journeys())
			if v.Begun < 10 || v.Steps < 60 || v.Moved < v.Steps/2 {
				t.Errorf("only %d journeys, %d steps, %d of them at another member", v.Begun, v.Steps, v.Moved)
			}
			err := v.Err()
			if len(tc.want) == 0 && (err != nil || v.Ended != v.Begun) {
				t.Fatalf("%d of %d journeys ended: %v\n%q", v.Ended, v.Begun, err, l.Samples())
			}
			if odd := len(tc.want) > 0 && !tc.faults.rude; odd != (len(v.Illegal) > 0) {
				t.Errorf("the model finds %d journeys", len(v.Illegal))
			}
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("not found: %s; found: %v", want, err)
				}
			}
			if f := history.Stalls(history.Waits(l.Journeys()), 0, l.Now()); f.Journeys < v.Ended || f.P99 <= 0 {
				t.Errorf("stalls of %d journeys: %+v", v.Ended, f)
			}
		})
	}
}

// TestTripsMeasureOutage: what all members refuse for a while is a stall of that
// length, and no journey is lost by it.
func TestTripsMeasureOutage(t *testing.T) {
	const from, outage = 200 * time.Millisecond, 400 * time.Millisecond
	l := travelFor(t, newFake(t, 3, fakeFaults{outage: outageBetween(from, from+outage)}), 800*time.Millisecond)
	must(t, history.CheckJourneys(l.Journeys()).Err())
	if f := history.Stalls(history.Waits(l.Journeys()), 0, l.Now()); f.Max < outage/2 || f.Max > 2*outage {
		t.Errorf("the longest stall is %v, want about %v", f.Max, outage)
	}
}

// TestTripsGoAround: a member that accepts and never answers costs a step the
// time that a client waits for it, and no journey.
func TestTripsGoAround(t *testing.T) {
	c := newFake(t, 2, fakeFaults{})
	l, err := NewLoad(LoadConfig{
		Bases: append(c.bases(), newFrozen(t)), Writers: 1, Readers: 1, Watchers: 1, Journeys: 6,
		Pause: 2 * time.Millisecond, Timeout: 300 * time.Millisecond, StepTimeout: 100 * time.Millisecond,
	})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	must(t, l.Run(ctx))
	must(t, l.FinishJourneys(t.Context()))
	v := history.CheckJourneys(l.Journeys())
	if err := v.Err(); err != nil || v.Ended < 10 {
		t.Errorf("%d journeys ended: %v", v.Ended, err)
	}
	if f := history.Stalls(history.Waits(l.Journeys()), 0, l.Now()); f.Max < 100*time.Millisecond || f.Max > 600*time.Millisecond {
		t.Errorf("the longest stall is %v", f.Max)
	}
}

// TestUnfinished: a journey that nobody answers in the end is not passed over.
func TestUnfinished(t *testing.T) {
	c := newFake(t, 1, fakeFaults{})
	l, err := NewLoad(LoadConfig{Bases: c.bases(), Writers: 1, Readers: 1, Watchers: 1, Idle: 4, IdleRest: time.Minute, Pause: 5 * time.Millisecond})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	must(t, l.Run(ctx))
	c.members[0].Close()
	final, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	must(t, l.FinishJourneys(final))
	if v := history.CheckJourneys(l.Journeys()); len(v.Stuck) != 4 {
		t.Errorf("%+v", v)
	}
}
