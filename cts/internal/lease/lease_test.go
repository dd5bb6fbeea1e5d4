package lease

import (
	"errors"
	"testing"
	"time"
)

const ms = time.Millisecond

func timing() Timing { return Timing{Lease: 800 * ms} }

func TestTimingCoversTheDrift(t *testing.T) {
	tm := timing()
	for name, c := range map[string]struct{ got, other time.Duration }{
		"bound": {tm.Bound(), tm.Lease},
		"wait":  {tm.Wait(), tm.Lease + tm.Verify()},
	} {
		if c.got < c.other*105/100 || c.got > c.other*106/100 {
			t.Errorf("%s is %v for %v of another clock", name, c.got, c.other)
		}
	}
	for _, d := range []time.Duration{0, 1, 20, 21, 22, 999, time.Second, 1 << 62} {
		if q := quicker(d); q < 0 || float64(q)*1.05 > float64(d) {
			t.Errorf("quicker(%d) = %d", d, q)
		}
	}
}

func TestHolder(t *testing.T) {
	const d = 800 * ms
	for name, c := range map[string]struct {
		do   func(h *Holder)
		want time.Duration
	}{
		"nothing granted":    {func(h *Holder) { h.Applied(9) }, Never},
		"need not applied":   {func(h *Holder) { h.Granted(0, Grant{1, 5}); h.Applied(4) }, Never},
		"need applied":       {func(h *Holder) { h.Granted(0, Grant{1, 5}); h.Applied(5) }, d},
		"from before asking": {func(h *Holder) { h.Granted(70*ms, Grant{1, 0}) }, 70*ms + d},
		"older while newer is not applied": {func(h *Holder) {
			h.Granted(0, Grant{1, 5})
			h.Granted(200*ms, Grant{1, 9})
			h.Applied(8)
		}, d},
		"newer once it is": {func(h *Holder) {
			h.Granted(0, Grant{1, 5})
			h.Granted(200*ms, Grant{1, 9})
			h.Applied(9)
		}, 200*ms + d},
		"answers out of order": {func(h *Holder) {
			h.Granted(200*ms, Grant{1, 9})
			h.Granted(0, Grant{1, 5})
			h.Applied(8)
		}, d},
		"late answer that is worse": {func(h *Holder) {
			h.Granted(200*ms, Grant{1, 5})
			h.Granted(0, Grant{1, 7})
			h.Applied(8)
		}, 200*ms + d},
		"dropped":               {func(h *Holder) { h.Granted(0, Grant{1, 0}); h.Drop(10 * ms) }, Never},
		"asked before the drop": {func(h *Holder) { h.Drop(10 * ms); h.Granted(10*ms, Grant{1, 0}) }, Never},
		"asked after the drop":  {func(h *Holder) { h.Drop(10 * ms); h.Granted(11*ms, Grant{1, 0}) }, 11*ms + d},
		"many that wait": {func(h *Holder) {
			h.Granted(0, Grant{1, 1})
			for i := range time.Duration(100) {
				h.Granted(i*ms, Grant{1, uint64(2 + i)})
			}
			h.Applied(1)
		}, d},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHolder(timing())
			c.do(h)
			if got := h.Until(); got != c.want {
				t.Errorf("may read until %v, want %v", got, c.want)
			}
			if len(h.grants) > maxGrants {
				t.Errorf("%d grants kept", len(h.grants))
			}
		})
	}
}

func TestVoter(t *testing.T) {
	type step struct {
		now          time.Duration
		term, config uint64
		want         Answer
		refused      bool
	}
	for name, steps := range map[string][]step{
		"never asked: since its start": {{now: 50 * ms, term: 3, config: 1, want: Answer{3, 1, 40 * ms}}},
		"the same term does not count": {
			{now: 50 * ms, term: 3, config: 1, want: Answer{3, 1, 40 * ms}},
			{now: 60 * ms, term: 3, config: 1, want: Answer{3, 1, 50 * ms}},
		},
		"an older term counts from its last answer": {
			{now: 50 * ms, term: 3, config: 1, want: Answer{3, 1, 40 * ms}},
			{now: 60 * ms, term: 3, config: 1, want: Answer{3, 1, 50 * ms}},
			{now: 65 * ms, term: 4, config: 1, want: Answer{4, 1, 5 * ms}},
			{now: 80 * ms, term: 4, config: 1, want: Answer{4, 1, 20 * ms}},
		},
		"a new configuration counts from when it is met": {
			{now: 50 * ms, term: 3, config: 2, want: Answer{3, 2, 0}},
			{now: 60 * ms, term: 3, config: 2, want: Answer{3, 2, 10 * ms}},
		},
		"a term that is over": {
			{now: 50 * ms, term: 3, config: 1, want: Answer{3, 1, 40 * ms}},
			{now: 60 * ms, term: 2, config: 1, refused: true},
		},
		"a clock read before another's": {
			{now: 50 * ms, term: 3, config: 1, want: Answer{3, 1, 40 * ms}},
			{now: 40 * ms, term: 4, config: 1, want: Answer{4, 1, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := NewVoter(10*ms, 1)
			for i, s := range steps {
				got, ok := v.Answer(s.now, s.term, s.config)
				if ok == s.refused || got != s.want {
					t.Errorf("answer %d is %+v, %v, want %+v", i+1, got, ok, s.want)
				}
			}
		})
	}
}

// leader returns a Granter of member a in term 5, elected at 10 s, ready, with
// voters a, b, c and the non-voter d, configuration 7.
func leader() *Granter {
	g := NewGranter(timing(), "a")
	g.Configured(Configuration{Index: 7, Committed: true, Voters: []string{"a", "b", "c"}, Nonvoters: []string{"d"}})
	g.Elected(5, 10*time.Second)
	g.Ready(5)
	return g
}

// confirmed has a and b confirm the leader's term at 10 s.
func confirmed() *Granter {
	g := leader()
	for _, v := range []string{"a", "b"} {
		g.Answered(v, 10*time.Second, 10*time.Second+ms, Answer{Term: 5, Config: 7})
	}
	return g
}

func TestGrantOnlyWhen(t *testing.T) {
	const at = 10*time.Second + 5*ms
	for name, c := range map[string]struct {
		g      func() *Granter
		asker  string
		at     time.Duration
		refuse error
	}{
		"all is well":            {confirmed, "b", at, nil},
		"itself":                 {confirmed, "a", at, nil},
		"a non-voter":            {confirmed, "d", at, nil},
		"a stranger":             {confirmed, "x", at, ErrNotMember},
		"nobody has confirmed":   {leader, "b", at, ErrUnverified},
		"just fresh enough":      {confirmed, "b", 10*time.Second + timing().Verify() - 1, nil},
		"confirmed too long ago": {confirmed, "b", 10*time.Second + timing().Verify(), ErrUnverified},
		"a minority has confirmed": {func() *Granter {
			g := leader()
			g.Answered("a", 10*time.Second, at, Answer{Term: 5, Config: 7})
			g.Answered("b", 10*time.Second, at, Answer{Term: 6, Config: 7})
			g.Answered("c", 10*time.Second, at, Answer{Term: 4, Config: 7})
			g.Answered("d", 10*time.Second, at, Answer{Term: 5, Config: 7})
			return g
		}, "b", at, ErrUnverified},
		"a majority of the voters before, not of those now": {func() *Granter {
			g := confirmed()
			g.Configured(Configuration{Index: 8, Committed: true, Voters: []string{"a", "b", "c", "d"}})
			return g
		}, "b", at, ErrUnverified},
		"never in office": {func() *Granter { return NewGranter(timing(), "a") }, "b", at, ErrNotLeader},
		"office lost":     {func() *Granter { g := confirmed(); g.Lost(); return g }, "b", at, ErrNotLeader},
		"another office": {func() *Granter {
			g := confirmed()
			g.Elected(6, at)
			g.Ready(5)
			return g
		}, "b", at, ErrNotReady},
		"a change under way": {func() *Granter {
			g := confirmed()
			g.Configured(Configuration{Index: 7, Voters: []string{"a", "b", "c", "d"}})
			return g
		}, "b", at, ErrChanging},
		"being removed": {func() *Granter { g := confirmed(); g.Evict("d"); return g }, "d", at, ErrEvicted},
		"kept":          {func() *Granter { g := confirmed(); g.Evict("d"); g.Keep("d"); return g }, "d", at, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := c.g()
			got, err := g.Grant(c.asker, c.at, 40)
			if !errors.Is(err, c.refuse) {
				t.Fatalf("got %v, want %v", err, c.refuse)
			}
			if err == nil && got != (Grant{Term: 5, Need: 40}) {
				t.Errorf("granted %+v", got)
			}
		})
	}
}

func TestGrantNeedsWhatHoldersWaitFor(t *testing.T) {
	g := confirmed()
	if _, ok := g.Holders(10*time.Second, 5, 50); !ok {
		t.Fatal("no holders in office")
	}
	got, err := g.Grant("b", 10*time.Second, 40)
	if err != nil || got.Need != 50 {
		t.Fatalf("granted %+v, %v", got, err)
	}
}

func TestHoldersAfterAnElection(t *testing.T) {
	const at = 10*time.Second + 5*ms
	wait := timing().Wait()
	quiet := func(d time.Duration) Answer { return Answer{Term: 5, Config: 7, Quiet: d} }
	for name, c := range map[string]struct {
		do   func(g *Granter)
		want time.Duration
	}{
		"nobody has answered":  {func(*Granter) {}, 10*time.Second + wait},
		"a minority was quiet": {func(g *Granter) { g.Answered("b", at, at, quiet(time.Hour)) }, 10*time.Second + wait},
		"a majority was quiet": {func(g *Granter) {
			g.Answered("b", at, at, quiet(time.Second))
			g.Answered("c", at, at, quiet(time.Hour))
		}, at - quicker(time.Second) + wait},
		"the quickest of two answers": {func(g *Granter) {
			g.Answered("c", at, at, quiet(time.Hour))
			g.Answered("b", at, at, quiet(time.Second))
			g.Answered("b", at, at+70*ms, quiet(time.Second))
		}, at - quicker(time.Second) + wait},
		"not of this configuration": {func(g *Granter) {
			g.Answered("b", at, at, quiet(time.Hour))
			g.Answered("c", at, at, Answer{Term: 5, Config: 6, Quiet: time.Hour})
		}, 10*time.Second + wait},
		"answers of two configurations": {func(g *Granter) {
			g.Answered("b", at, at, quiet(time.Hour))
			g.Configured(Configuration{Index: 9, Committed: true, Voters: []string{"a", "b", "c"}, Nonvoters: []string{"d"}})
			g.Answered("c", at, at, Answer{Term: 5, Config: 9, Quiet: time.Hour})
		}, 10*time.Second + wait},
		"a change under way": {func(g *Granter) {
			g.Configured(Configuration{Index: 7, Voters: []string{"a", "b", "c"}, Nonvoters: []string{"d"}})
			g.Answered("b", at, at, quiet(time.Hour))
			g.Answered("c", at, at, quiet(time.Hour))
		}, 10*time.Second + wait},
		"a majority was quiet just now": {func(g *Granter) {
			g.Answered("b", at, at, quiet(0))
			g.Answered("c", at, at, quiet(0))
		}, 10*time.Second + wait},
	} {
		t.Run(name, func(t *testing.T) {
			g := leader()
			c.do(g)
			got, ok := g.Holders(at, 5, 1)
			if !ok || len(got) != 3 {
				t.Fatalf("holders %v, %v", got, ok)
			}
			for i, m := range []string{"b", "c", "d"} {
				if got[i] != (Possible{m, c.want}) {
					t.Errorf("holder %v, want %s until %v", got[i], m, c.want)
				}
			}
			if got, _ := g.Holders(c.want, 5, 1); len(got) != 0 {
				t.Errorf("still holders: %v", got)
			}
		})
	}
}

// settled is a leader whose older leaders are of no concern any more.
func settled(t *testing.T) (*Granter, time.Duration) {
	t.Helper()
	g := confirmed()
	at := 10*time.Second + timing().Wait()
	for _, v := range []string{"a", "b"} {
		g.Answered(v, at, at, Answer{Term: 5, Config: 7})
	}
	if h, ok := g.Holders(at, 5, 1); !ok || len(h) != 0 {
		t.Fatalf("holders %v, %v", h, ok)
	}
	return g, at
}

func grant(t *testing.T, g *Granter, member string, at time.Duration) {
	t.Helper()
	if _, err := g.Grant(member, at, 40); err != nil {
		t.Fatal(err)
	}
}

func TestHoldersAreThoseGranted(t *testing.T) {
	g, at := settled(t)
	for _, m := range []string{"a", "b"} {
		grant(t, g, m, at)
	}
	grant(t, g, "b", at+100*ms)
	want := Possible{"b", at + 100*ms + timing().Bound()}
	if got, ok := g.Holders(at+200*ms, 5, 1); !ok || len(got) != 1 || got[0] != want {
		t.Errorf("holders %v, %v, want %v", got, ok, want)
	}
	if got, ok := g.Holders(at+200*ms, 6, 1); ok {
		t.Errorf("for an entry of a later term it names %v", got)
	}
	g.Lost()
	if got, ok := g.Holders(at+200*ms, 5, 1); ok {
		t.Errorf("out of office it names %v", got)
	}
}

func TestEvict(t *testing.T) {
	g := confirmed()
	if got, want := g.Evict("d"), 10*time.Second+timing().Wait(); got != want {
		t.Errorf("an older leader's grant: until %v, want %v", got, want)
	}
	g, at := settled(t)
	grant(t, g, "d", at)
	if got, want := g.Evict("d"), at+timing().Bound(); got != want {
		t.Errorf("its own grant: until %v, want %v", got, want)
	}
}

func TestRemovedWithoutEvict(t *testing.T) {
	three := Configuration{Index: 8, Committed: true, Voters: []string{"a", "b", "c"}}
	g, at := settled(t)
	grant(t, g, "d", at)
	g.Configured(three)
	if got, _ := g.Holders(at, 5, 1); len(got) != 1 || got[0].Member != "d" {
		t.Errorf("holders %v, want d", got)
	}
	g = confirmed()
	g.Configured(three)
	if got, _ := g.Holders(10*time.Second, 5, 1); len(got) != 3 {
		t.Errorf("holders %v, want b, c, d", got)
	}
}

func TestFreeze(t *testing.T) {
	// expire lets a lease of m, granted at the given time, run out.
	expire := func(t *testing.T, g *Granter, m string, at time.Duration) time.Duration {
		t.Helper()
		for _, v := range []string{"a", "b"} {
			g.Answered(v, at, at, Answer{Term: 5, Config: 7})
		}
		grant(t, g, m, at)
		p := Possible{m, at + timing().Bound()}
		g.Expired(p, p.Until)
		g.Expired(p, p.Until) // a second logout that waited for the same lease
		return p.Until
	}
	try := func(g *Granter, m string, at time.Duration) error {
		for _, v := range []string{"a", "b"} {
			g.Answered(v, at, at, Answer{Term: 5, Config: 7})
		}
		_, err := g.Grant(m, at, 40)
		return err
	}
	t.Run("twice", func(t *testing.T) {
		g, at := settled(t)
		at = expire(t, g, "d", at)
		at = expire(t, g, "d", at)
		if err := try(g, "d", at+29*time.Second); !errors.Is(err, ErrFrozen) {
			t.Errorf("got %v", err)
		}
		if err := try(g, "d", at+30*time.Second); err != nil {
			t.Errorf("after the freeze: %v", err)
		}
	})
	t.Run("twice, far apart", func(t *testing.T) {
		g, at := settled(t)
		at = expire(t, g, "d", at)
		at = expire(t, g, "d", at+time.Minute)
		if err := try(g, "d", at); err != nil {
			t.Error(err)
		}
	})
	t.Run("a voter", func(t *testing.T) {
		g, at := settled(t)
		at = expire(t, g, "b", at)
		at = expire(t, g, "b", at)
		if err := try(g, "b", at); err != nil {
			t.Error(err)
		}
	})
}
