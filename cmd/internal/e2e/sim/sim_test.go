package sim

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
	"sojourn/cmd/internal/chaos"
	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/client"
)

var (
	seeds = flag.Int("seeds", 8, "how many seeds to run")
	first = flag.Uint64("seed", 1, "the first seed; a failing one is run again with -seeds 1")
)

// TestSimulatedFaults runs a cluster of three under load for each seed, with
// faults that the seed draws, and judges what the clients were told.
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
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, dir) })
		})
	}
}

const (
	formTime  = 30 * time.Second // to found a cluster, at most
	healTime  = time.Minute      // for all members to be well again
	loadTime  = 5 * time.Second
	faultGap  = 500 * time.Millisecond // between faults, on average
	faultTime = 1200 * time.Millisecond
	probeTime = 10 * time.Second // the last probe of gossip may outlive its member
)

// simulate is one run.
func simulate(t *testing.T, seed uint64, dir string) {
	draw := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // faults, not secrets
	network := simnet.New(seed, simnet.Options{Latency: 200 * time.Microsecond, Jitter: 300 * time.Microsecond})
	c := newCluster(t, network, 3, dir)
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

	outside := network.Host("clients")
	load, err := chaos.NewLoad(chaos.LoadConfig{
		Bases: c.bases(), Operator: client.OperatorToken(c.secret.OperatorToken().Reveal()),
		Seed: seed, Writers: 3, Readers: 2, Watchers: 1, Pause: 50 * time.Millisecond, Users: 5,
		Dial: func(ctx context.Context, _, addr string) (net.Conn, error) { return outside.Dial(ctx, addr) },
	})
	must(t, err)
	must(t, load.Prepare(t.Context()))

	running, end := context.WithTimeout(t.Context(), loadTime)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- load.Run(running) }()
	story := c.trouble(running, draw)
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
	must(t, load.ReadAll(well))
	verdict := history.Check(load.History(), len(c.members))
	t.Logf("seed %d: %d operations, %d sessions, %d logouts, faults: %v", seed, len(load.History()), verdict.Acknowledged, verdict.LoggedOut, story)
	if err := verdict.Err(); err != nil {
		t.Errorf("seed %d: %v\n%v", seed, err, load.Samples())
	}
}

// trouble makes faults until ctx ends, and tells them.
func (c *cluster) trouble(ctx context.Context, draw *rand.Rand) (story []string) {
	for wait(ctx, time.Duration(draw.Int64N(int64(2*faultGap)))) {
		what, mend := c.fault(draw)
		story = append(story, what)
		held := wait(ctx, time.Duration(draw.Int64N(int64(2*faultTime))))
		if err := mend(); err != nil {
			c.t.Error(err)
		}
		if !held {
			break
		}
	}
	return story
}

// fault begins one fault, and says which and how it ends.
func (c *cluster) fault(draw *rand.Rand) (what string, mend func() error) {
	order := draw.Perm(len(c.members))
	a, b := c.members[order[0]], c.members[order[1]]
	heal := func() error {
		c.network.Heal()
		return nil
	}
	switch draw.IntN(8) {
	case 0:
		c.network.Cut(a.name, b.name)
		return fmt.Sprintf("%s | %s", a.name, b.name), heal
	case 1:
		c.network.CutOneWay(a.name, b.name)
		return fmt.Sprintf("%s -| %s", a.name, b.name), heal
	case 2: // from all others, but not from the clients
		for _, m := range c.members {
			if m != a {
				c.network.Cut(a.name, m.name)
			}
		}
		return a.name + " alone", heal
	case 3:
		for _, m := range c.members {
			if m != a {
				c.network.CutOneWay(a.name, m.name)
			}
		}
		return a.name + " mute", heal
	case 4:
		d := time.Duration(draw.Int64N(int64(400 * time.Millisecond)))
		c.network.Delay(a.name, b.name, d)
		return fmt.Sprintf("%s %v %s", a.name, d.Round(time.Millisecond), b.name), heal
	case 5:
		c.network.Loss(a.name, b.name, 0.5)
		c.network.Break(a.name, b.name)
		return fmt.Sprintf("%s / %s", a.name, b.name), heal
	case 6:
		if err := a.close(); err != nil {
			c.t.Error(err)
		}
		return a.name + " restarts", a.start
	default:
		a.crash()
		return a.name + " crashes", a.start
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
