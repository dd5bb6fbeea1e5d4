package chaos

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/cmd/internal/chaos/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// loadFor puts a load on a fake cluster for a while and reads everything after.
func loadFor(t *testing.T, c *fakeCluster, d time.Duration) *Load {
	t.Helper()
	l, err := NewLoad(LoadConfig{Bases: c.bases(), Operator: "operator", Seed: 1, Pause: 2 * time.Millisecond, Timeout: time.Second, Hedged: 0.3})
	must(t, err)
	must(t, l.Prepare(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	must(t, l.Run(ctx))
	c.mend()
	must(t, l.ReadAll(t.Context()))
	return l
}

// TestLoadAndVerdict: a load on a cluster that keeps its promises finds nothing,
// and each broken promise is found by what it is.
func TestLoadAndVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		faults fakeFaults
		want   []string // parts of the error; none when all is well
	}{
		"well":                       {},
		"sessions lost":              {fakeFaults{lose: true}, []string{"are lost", "not linearizable"}},
		"logouts not done":           {fakeFaults{undying: true}, []string{"valid after their acknowledged logout", "not linearizable"}},
		"a member with stale reads":  {fakeFaults{stale: true}, []string{"valid after their acknowledged logout", "valid at some members", "not linearizable"}},
		"a good session is invalid":  {fakeFaults{deny: true}, []string{"turned away", "not linearizable"}},
		"a good login is refused":    {fakeFaults{deny401: true}, []string{"turned away"}},
		"two sessions of one step":   {fakeFaults{double: true}, []string{"gave two tokens"}},
		"503 without a time":         {fakeFaults{rude: true}, []string{"none that a member should give"}},
		"503 is no broken promise":   {faults: fakeFaults{refuse: true}},
		"neither is a connection":    {faults: fakeFaults{cut: true}},
		"everything that may happen": {faults: fakeFaults{cut: true, refuse: true}},
	} {
		t.Run(name, func(t *testing.T) {
			l := loadFor(t, newFake(t, 3, tc.faults), 400*time.Millisecond)
			v := history.Check(l.History(), 3)
			if v.Acknowledged < 20 || v.LoggedOut < 10 {
				t.Errorf("only %d sessions and %d logouts", v.Acknowledged, v.LoggedOut)
			}
			err := v.Err()
			if len(tc.want) == 0 && err != nil {
				t.Fatalf("%v\n%q", err, l.Samples())
			}
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("not found: %s; found: %v", want, err)
				}
			}
			if tc.faults.rude && !strings.Contains(strings.Join(l.Samples(), "\n"), "503") {
				t.Errorf("the samples do not show the answer: %q", l.Samples())
			}
			watched := map[int]int{}
			for _, op := range l.History() {
				if op.Watch {
					watched[op.Member]++
				}
			}
			if watched[0] < 10 || watched[1] < 10 || watched[2] < 10 {
				t.Errorf("watchers read so often at the members: %v", watched)
			}
			for _, kind := range history.Kinds() {
				if f := history.Summarize(l.History(), kind, 0, l.Now()); f.Attempts == 0 || f.P50 <= 0 {
					t.Errorf("%v: %+v", kind, f)
				}
			}
		})
	}
}

// TestLoadMeasuresOutage: a cluster that refuses everything for a while has a gap
// of that length, in every kind.
func TestLoadMeasuresOutage(t *testing.T) {
	const from, outage = 300 * time.Millisecond, 400 * time.Millisecond
	l := loadFor(t, newFake(t, 3, fakeFaults{outage: outageBetween(from, from+outage)}), time.Second)
	for _, kind := range history.Kinds() {
		f := history.Summarize(l.History(), kind, 0, l.Now())
		if f.Gap < outage/2 || f.Gap > 2*outage {
			t.Errorf("%v: a gap of %v, want about %v", kind, f.Gap, outage)
		}
	}
	must(t, history.Check(l.History(), 3).Err())
}

// TestLoadGoesAround: a member that accepts and never answers holds up its share
// of the workers and no more.
func TestLoadGoesAround(t *testing.T) {
	c := newFake(t, 3, fakeFaults{})
	frozen := newFrozen(t)
	l, err := NewLoad(LoadConfig{Bases: append(c.bases(), frozen), Pause: 2 * time.Millisecond, Timeout: 600 * time.Millisecond})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	must(t, l.Run(ctx))
	for _, kind := range history.Kinds() {
		if f := history.Summarize(l.History(), kind, 0, 500*time.Millisecond); f.Gap > 200*time.Millisecond {
			t.Errorf("%v: a gap of %v with three of four members well", kind, f.Gap)
		}
	}
	stuck := 0
	for _, op := range l.History() {
		if op.Member == 3 && !op.Watch {
			stuck++
			if op.Outcome != history.Timeout {
				t.Errorf("a member that does not answer: %v", op.Outcome)
			}
		}
	}
	if stuck == 0 || stuck > 8 {
		t.Errorf("%d workers of 16 waited for one member of four", stuck)
	}
}

func TestLoadEndsWhenFull(t *testing.T) {
	c := newFake(t, 1, fakeFaults{})
	l, err := NewLoad(LoadConfig{Bases: c.bases(), Pause: time.Millisecond, MaxOps: 50})
	must(t, err)
	if err := l.Run(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	if n := len(l.History()); n != 50 {
		t.Errorf("%d operations", n)
	}
	if _, err := NewLoad(LoadConfig{}); err == nil {
		t.Error("a load without members")
	}
}

// TestUnanswered: a member that is gone in the end is not passed over.
func TestUnanswered(t *testing.T) {
	c := newFake(t, 2, fakeFaults{})
	l, err := NewLoad(LoadConfig{Bases: c.bases(), Pause: time.Millisecond, Timeout: time.Second, Users: 1})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	must(t, l.Run(ctx))
	l.board.all = l.board.all[:1]
	c.members[1].Close()
	must(t, l.ReadAll(t.Context()))
	if v := history.Check(l.History(), 2); v.Unread == 0 {
		t.Errorf("nothing is missing: %+v", v)
	}
}
