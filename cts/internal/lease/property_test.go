package lease

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestNoSessionAfterItsEnd runs clusters whose clocks drift apart as far as is
// allowed, with lost and late messages, elections at any time, pauses,
// restarts that forget, partitions, and members that are added, promoted, demoted and
// removed. No member that may read lacks an acknowledged end of a session; at rest all may read.
func TestNoSessionAfterItsEnd(t *testing.T) {
	var elections, acked, reads int
	rapid.Check(t, func(rt *rapid.T) {
		of := func(name string, d ...time.Duration) time.Duration { return rapid.SampledFrom(d).Draw(rt, name) }
		p := profile{
			members:  rapid.IntRange(3, 6).Draw(rt, "members"),
			length:   of("length", 2*time.Second, 5*time.Second, 10*time.Second),
			delay:    of("delay", 100*time.Microsecond, 2*ms, 20*ms),
			slow:     rapid.SampledFrom([]float64{0, 0.02, 0.2}).Draw(rt, "slow"),
			loss:     rapid.SampledFrom([]float64{0, 0.02, 0.2}).Draw(rt, "loss"),
			campaign: of("campaign", 50*ms, 300*ms, time.Second, 3*time.Second),
			fault:    of("fault", 0, 100*ms, 500*ms, 2*time.Second),
			change:   of("change", 0, 10*ms, 200*ms),
			logout:   of("logout", 5*ms, 30*ms),
			apply:    of("apply", 5*ms, 20*ms, 400*ms),
			notice:   of("notice", ms, 50*ms, time.Second),
		}
		s := simulate(p, broken{}, rapid.Uint64().Draw(rt, "seed"))
		elections, acked, reads = elections+s.elections, acked+len(s.acked), reads+s.reads
		if s.err != nil {
			rt.Fatal(s.err)
		}
	})
	t.Logf("%d elections, %d ends acknowledged, %d looks of members that might read", elections, acked, reads)
	if elections == 0 || acked == 0 || reads == 0 {
		t.Error("nothing happened")
	}
}

// TestBrokenVariants leaves out one rule at a time: the simulation must find
// each out.
func TestBrokenVariants(t *testing.T) {
	rough := profile{
		members: 4, length: 5 * time.Second, delay: 2 * ms, slow: 0.02, loss: 0.02,
		campaign: 300 * ms, fault: 300 * ms, change: 200 * ms, logout: 10 * ms,
		apply: 20 * ms, notice: 50 * ms,
	}
	lagging, unaware, changing := rough, rough, rough
	lagging.apply = 500 * ms
	unaware.notice = time.Second
	changing.members, changing.length, changing.delay = 6, 3*time.Second, 300*time.Microsecond
	changing.campaign, changing.fault, changing.change = 100*ms, 400*ms, 10*ms
	for name, c := range map[string]struct {
		broken
		profile
		from uint64 // a seed not far before one that finds it out
	}{
		"reads without a lease":                    {broken{leaseless: true}, rough, 0},
		"logouts that wait for nobody":             {broken{waitless: true}, rough, 0},
		"a new leader that does not wait":          {broken{hasty: true}, rough, 0},
		"grants before an entry of the own term":   {broken{early: true}, lagging, 0},
		"leadership that nobody confirms":          {broken{unproven: true}, rough, 170},
		"a restarted voter that never answered":    {broken{forgetful: true}, rough, 0},
		"a leader that forgets its own answer":     {broken{selfless: true}, rough, 0},
		"voters that do not tell a configuration":  {broken{anyConfig: true}, changing, 400},
		"an office that names holders of the past": {broken{anyTerm: true}, unaware, 460},
		"leases that need nothing":                 {broken{needless: true}, rough, 115},
		"leases that need the commit index":        {broken{needsCommit: true}, rough, 0},
		"removal without waiting for the lease":    {broken{evictless: true}, rough, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := c.from; seed < c.from+2000; seed++ {
				if s := simulate(c.profile, c.broken, seed); s.err != nil {
					t.Logf("seed %d: %v", seed, s.err)
					return
				}
			}
			t.Error("not found out")
		})
	}
}
