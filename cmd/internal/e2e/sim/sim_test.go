package sim

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
	"sojourn/cmd/internal/chaos"
	"sojourn/cmd/internal/chaos/history"
)

var (
	seeds = flag.Int("seeds", 8, "how many seeds to run")
	first = flag.Uint64("seed", 1, "the first seed; a failing one is run again with -seeds 1")
	store = flag.String("store", "", "where journeys wait: In-Memory, CTS or JWT; by default the seed says")
)

// storeOf is where the journeys of a seed's run wait.
func storeOf(seed uint64) string {
	if *store != "" {
		return *store
	}
	return []string{"In-Memory", "JWT", "CTS"}[seed%3]
}

// TestSimulatedFaults runs a cluster under load for each seed, with faults that
// the seed draws, and judges what the clients were told of sessions and of the
// steps of journeys. It has three members, or a fourth from the start or from
// some time on; they leave and come back, crash, and are cut off.
func TestSimulatedFaults(t *testing.T) {
	count := *seeds
	if testing.Short() {
		count = min(count, 2)
	}
	for i := range count {
		seed := *first + uint64(i) //nolint:gosec // a count
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir := memory(t)
			var seen told
			synctest.Test(t, func(t *testing.T) { seen = simulate(t, seed, dir) })
			seen.judge(t, seed) // outside: the search for an order is bounded by a clock that must run
		})
	}
}

const (
	formTime = 30 * time.Second // to found a cluster, at most
	healTime = 2 * time.Minute  // for all members to be well again and to be read
	endTime  = time.Minute      // for journeys to end
	loadTime = 4 * time.Second
	// noticeTime is more than two members take to leave two others out of their
	// view, whom they cannot ask.
	noticeTime = 9 * time.Second
	restTime   = 2 * time.Second        // of an idle journey between two steps, on average
	faultGap   = 500 * time.Millisecond // between faults, on average
	faultTime  = 1200 * time.Millisecond
	probeTime  = 10 * time.Second // the last probe of gossip may outlive its member
)

// told is what the clients of a run were told, and what had happened.
type told struct {
	sessions []history.Op
	journeys []history.Step
	members  int
	story    []string
	samples  []string
}

func (x told) judge(t *testing.T, seed uint64) {
	t.Helper()
	sessions, journeys := history.Check(x.sessions, x.members), history.CheckJourneys(x.journeys)
	t.Logf("seed %d, %s: %d requests for %d sessions, %d logouts; %d for %d journeys, %d steps, %d of them at another member; faults: %q",
		seed, storeOf(seed), len(x.sessions), sessions.Acknowledged, sessions.LoggedOut, len(x.journeys), journeys.Begun, journeys.Steps, journeys.Moved, x.story)
	if err := errors.Join(sessions.Err(), journeys.Err()); err != nil {
		t.Errorf("seed %d: %v\n%q", seed, err, x.samples)
		suspects := journeys.Suspects()
		for _, n := range suspects[:min(len(suspects), toldOf)] {
			t.Logf("journey %d:\n%s", n, strings.Join(history.Tell(x.journeys, n), "\n"))
		}
	}
}

// toldOf is how many journeys are told request by request when they are wrong.
const toldOf = 3

// simulate is one run.
func simulate(t *testing.T, seed uint64, dir string) told {
	draw := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // faults, not secrets
	network := simnet.New(seed, simnet.Options{Latency: 200 * time.Microsecond, Jitter: 300 * time.Microsecond})
	c := newCluster(t, network, least+draw.IntN(4)/3*(most-least), dir)
	defer func() {
		if err := c.all((*member).close); err != nil {
			t.Error(err)
		}
		time.Sleep(probeTime)
	}()
	must(t, c.all((*member).start))
	ctx, cancel := context.WithTimeout(t.Context(), formTime)
	defer cancel()
	must(t, c.all(func(m *member) error { return m.ready(ctx) }))

	load, err := chaos.NewLoad(chaos.LoadConfig{
		Bases: c.bases(), Operator: c.operator(), Dial: c.dial,
		Seed: seed, Writers: 3, Readers: 2, Pause: 50 * time.Millisecond, Users: 5, Watchers: 1, WatchPause: 40 * time.Millisecond,
		Journeys: 3, Idle: 4, IdleRest: restTime, Hedged: 0.2,
	})
	must(t, err)
	must(t, load.Prepare(t.Context()))
	c.load = load
	must(t, c.journeysWait(storeOf(seed)))

	running, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- load.Run(running) }()
	within, over := context.WithTimeout(running, loadTime)
	defer over()
	story := c.trouble(within, draw)
	end()
	must(t, <-ended)

	network.Heal()
	well, give := context.WithTimeout(t.Context(), healTime)
	defer give()
	must(t, c.all(func(m *member) error {
		if m.running == nil {
			if err := m.start(); err != nil {
				return err
			}
		}
		return m.ready(well)
	}))
	ending, giveUp := context.WithTimeout(t.Context(), endTime)
	defer giveUp()
	must(t, load.FinishJourneys(ending))
	must(t, load.ReadAll(well))
	return told{load.History(), load.Journeys(), len(c.members), story, load.Samples()}
}

// trouble makes faults until ctx ends, and tells them.
func (c *cluster) trouble(ctx context.Context, draw *rand.Rand) (story []string) {
	for wait(ctx, time.Duration(draw.Int64N(int64(2*faultGap)))) {
		kind := draw.IntN(faultKinds)
		if kind >= leaves && !c.whole(ctx) {
			break
		}
		f := c.fault(draw, kind)
		story = append(story, f.what)
		time.Sleep(f.least)
		held := wait(ctx, time.Duration(draw.Int64N(int64(2*faultTime))))
		if err := f.mend(); err != nil {
			c.t.Error(err)
		}
		if !held {
			break
		}
	}
	return story
}

// fault is one that has begun.
type fault struct {
	what  string
	least time.Duration // how long it stays at least
	mend  func() error
}

// The kinds of faults. From leaves on a member is lost with all that it had in
// memory, which a cluster bears one at a time: the others must have had time to
// give its journeys to another.
const (
	cut = iota
	cutOneWay
	alone
	mute
	slow
	loss
	leaves
	crashes
	parts
	joins
	faultKinds
)

// fault begins one fault.
func (c *cluster) fault(draw *rand.Rand, kind int) fault {
	order := draw.Perm(len(c.members))
	a, b := c.members[order[0]], c.members[order[1]]
	heal := func() error {
		c.network.Heal()
		return nil
	}
	crash := func() fault {
		a.crash()
		return fault{what: a.name + " crashes", mend: a.restart}
	}
	switch kind {
	case cut:
		c.network.Cut(a.name, b.name)
		return fault{what: fmt.Sprintf("%s | %s", a.name, b.name), mend: heal}
	case cutOneWay:
		c.network.CutOneWay(a.name, b.name)
		return fault{what: fmt.Sprintf("%s -| %s", a.name, b.name), mend: heal}
	case alone: // from all others, but not from the clients
		c.part(order[:1], order[1:])
		return fault{what: a.name + " alone", mend: heal}
	case mute:
		for _, m := range c.members {
			if m != a {
				c.network.CutOneWay(a.name, m.name)
			}
		}
		return fault{what: a.name + " mute", mend: heal}
	case slow:
		d := time.Duration(draw.Int64N(int64(400 * time.Millisecond)))
		c.network.Delay(a.name, b.name, d)
		return fault{what: fmt.Sprintf("%s %v %s", a.name, d.Round(time.Millisecond), b.name), mend: heal}
	case loss:
		c.network.Loss(a.name, b.name, 0.5)
		c.network.Break(a.name, b.name)
		return fault{what: fmt.Sprintf("%s / %s", a.name, b.name), mend: heal}
	case leaves:
		if err := a.close(); err != nil {
			c.t.Error(err)
		}
		return fault{what: a.name + " leaves", mend: a.restart}
	case crashes:
		return crash()
	case parts:
		if len(c.members) < most {
			return crash()
		}
		c.part(order[:2], order[2:])
		return fault{what: fmt.Sprintf("%s %s | others", a.name, b.name), least: noticeTime, mend: heal}
	case joins:
		if len(c.members) == most {
			return crash()
		}
		m, err := c.grow()
		if err != nil {
			c.t.Error(err)
		}
		return fault{what: m.name + " joins", mend: func() error { return nil }}
	}
	panic("no such fault")
}

// part cuts some members off from the others.
func (c *cluster) part(these, those []int) {
	for _, i := range these {
		for _, k := range those {
			c.network.Cut(c.members[i].name, c.members[k].name)
		}
	}
}

// wait reports whether ctx lasted so long.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
