package identity

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
)

// store is the obvious one: it makes changes one after the other and remembers
// what Once asks it to.
type store struct {
	now  Identity
	made map[Mark][]byte
}

func newStore() *store { return &store{now: Identity{Name: "demo"}, made: map[Mark][]byte{}} }

func (s *store) update(c Change) Identity {
	once, keyed := c.(Once)
	if kept, made := s.made[once.Key]; keyed && made {
		if i, ok := once.Recall(s.now, kept); ok {
			return i
		}
	}
	s.now = Apply(s.now, c)
	if kept, ok := once.Kept(s.now); keyed && ok {
		s.made[once.Key] = kept
	}
	return s.now
}

// guesser is a journey with one guess, which any number of attempts may check.
type guesser struct {
	journey, key Mark
	attempt      Attempt
	right        bool
	runs         []uint64 // granted attempts whose verdict the store has not heard
	ended        bool
}

func (g *guesser) reserve(s *store, p realm.Lockout, run uint64, at time.Time) Permission {
	c := Reserve{Journey: g.journey, Attempt: g.attempt, Run: run, At: at, Policy: p}
	return c.Permission(s.update(Once{Key: g.key, Change: c}))
}

func (g *guesser) settle(s *store, run uint64, verdict Settlement) {
	s.update(Once{Key: g.key, Change: Settle{Journey: g.journey, Run: run, Verdict: verdict, Until: noon().Add(time.Hour)}})
}

func (g *guesser) fail(s *store, p realm.Lockout, at time.Time) {
	key := g.key
	key[15] = 'f'
	s.update(Once{Key: key, Change: CountFailure{At: at, Policy: p, Journey: g.journey}})
	g.ended = true
}

// Whatever is run twice, lost, or never heard of again: wrong passwords are
// checked no more often than the limit says, and what is counted and what is
// held never come to more.
func TestChecksNeverExceedTheLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := realm.Lockout{Enabled: true, Failures: rapid.IntRange(1, 5).Draw(rt, "limit"), Window: time.Hour}
		if rapid.Bool().Draw(rt, "temporary") {
			policy.Duration = 30 * time.Minute
		}
		s, at := newStore(), noon()
		journeys := make([]*guesser, 8)
		for i := range journeys {
			journeys[i] = &guesser{journey: Mark{byte(i)}, key: Mark{byte(i), 1}}
		}
		checked, run := 0, uint64(0)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			at = at.Add(time.Second / 2) // no permit expires
			g := rapid.SampledFrom(journeys).Draw(rt, "journey")
			switch what := rapid.IntRange(0, 5).Draw(rt, "what"); {
			case what < 3 && !g.ended:
				run++
				switch g.reserve(s, policy, run, at) {
				case Granted:
					checked++
					g.runs = append(g.runs, run)
				case Known:
					if rapid.Bool().Draw(rt, "goes on") {
						g.fail(s, policy, at)
					}
				case Refused, Full:
				}
			case what == 3 && len(g.runs) > 0:
				n := rapid.IntRange(0, len(g.runs)-1).Draw(rt, "run")
				g.settle(s, g.runs[n], Wrong)
				g.runs = append(g.runs[:n:n], g.runs[n+1:]...)
			case what == 4 && len(g.runs) > 0: // its verdict is lost, or late
				g.fail(s, policy, at)
			}
			if held := s.now.Failures.Count + checks(s.now.Permits); s.now.Failures.Until.IsZero() && held > policy.Failures {
				rt.Fatalf("%d held of %d: %+v", held, policy.Failures, s.now)
			}
		}
		if checked > policy.Failures {
			rt.Fatalf("%d checks under a limit of %d: %+v", checked, policy.Failures, s.now)
		}
	})
}

// Right passwords all pass, in whatever order they come, and leave nothing.
func TestRightPasswordsAllPass(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := realm.Lockout{Enabled: true, Failures: rapid.IntRange(1, 4).Draw(rt, "limit")}
		s := newStore()
		waiting := make([]*guesser, 12)
		for i := range waiting {
			waiting[i] = &guesser{journey: Mark{byte(i)}, key: Mark{byte(i), 1}, right: true}
		}
		var checking []*guesser
		for run := uint64(1); len(waiting)+len(checking) > 0; run++ {
			if len(waiting) > 0 && (len(checking) == 0 || rapid.Bool().Draw(rt, "asks")) {
				n := rapid.IntRange(0, len(waiting)-1).Draw(rt, "who")
				g := waiting[n]
				switch p := g.reserve(s, policy, run, noon()); {
				case p == Granted:
					g.runs = []uint64{run}
					checking = append(checking, g)
					waiting = append(waiting[:n:n], waiting[n+1:]...)
				case p != Full || len(checking) < policy.Failures:
					rt.Fatalf("%v with %d of %d permits taken", p, len(checking), policy.Failures)
				}
				continue
			}
			n := rapid.IntRange(0, len(checking)-1).Draw(rt, "done")
			checking[n].settle(s, checking[n].runs[0], Right)
			checking = append(checking[:n:n], checking[n+1:]...)
		}
		if !reflect.DeepEqual(s.now, Identity{Name: "demo"}) {
			rt.Fatalf("left behind: %+v", s.now)
		}
	})
}

func TestPermits(t *testing.T) {
	policy := realm.Lockout{Enabled: true, Failures: 2, Window: 5 * time.Minute}
	one, other := &guesser{journey: Mark{1}, key: Mark{1, 1}}, &guesser{journey: Mark{2}, key: Mark{2, 1}}
	expect := func(t *testing.T, got, want Permission) {
		t.Helper()
		if got != want {
			t.Fatalf("permission %d, want %d", got, want)
		}
	}
	t.Run("a journey keeps its permit for its next guess", func(t *testing.T) {
		s := newStore()
		expect(t, one.reserve(s, policy, 1, noon()), Granted)
		one.settle(s, 1, Wrong)
		expect(t, other.reserve(s, policy, 2, noon()), Granted)
		next := &guesser{journey: one.journey, key: Mark{1, 2}, attempt: Attempt{Step: 1}}
		expect(t, next.reserve(s, policy, 3, noon()), Granted)
		next.settle(s, 3, Right)
		if len(s.now.Permits) != 1 {
			t.Errorf("permits = %+v", s.now.Permits)
		}
	})
	t.Run("the next guess pays for what is lost of it", func(t *testing.T) {
		s := newStore()
		expect(t, one.reserve(s, policy, 1, noon()), Granted)
		one.settle(s, 1, Wrong)
		next := &guesser{journey: one.journey, key: Mark{1, 2}, attempt: Attempt{Step: 1}}
		expect(t, next.reserve(s, policy, 2, noon()), Granted)
		expect(t, other.reserve(s, policy, 3, noon()), Granted)
		expect(t, next.reserve(s, policy, 4, noon()), Full)
	})
	t.Run("other answers to the same step pay for themselves", func(t *testing.T) {
		s := newStore()
		expect(t, one.reserve(s, policy, 1, noon()), Granted)
		one.settle(s, 1, Wrong)
		same := &guesser{journey: one.journey, key: Mark{1, 2}}
		expect(t, same.reserve(s, policy, 2, noon()), Granted)
		same.settle(s, 2, Wrong)
		if checks(s.now.Permits) != 1 {
			t.Errorf("two checks of the same answers: %+v", s.now.Permits)
		}
		beside := &guesser{journey: one.journey, key: Mark{1, 3}, attempt: Attempt{Answers: Mark{1}}}
		expect(t, beside.reserve(s, policy, 3, noon()), Granted)
		beside.settle(s, 3, Wrong)
		expect(t, one.reserve(s, policy, 4, noon()), Known)
		expect(t, other.reserve(s, policy, 5, noon()), Full)
		one.fail(s, policy, noon())
		beside.fail(s, policy, noon())
		if s.now.Status != Inactive || s.now.Permits != nil {
			t.Errorf("after both have failed: %+v", s.now)
		}
	})
	t.Run("three wrong guesses of a journey are one failure", func(t *testing.T) {
		s := newStore()
		for n := range byte(3) {
			g := &guesser{journey: Mark{1}, key: Mark{1, n + 1}, attempt: Attempt{Step: uint32(n)}}
			expect(t, g.reserve(s, policy, uint64(n)+1, noon()), Granted)
			g.settle(s, uint64(n)+1, Wrong)
		}
		one.fail(s, policy, noon())
		if s.now.Failures.Count != 1 || s.now.Permits != nil {
			t.Errorf("stored = %+v", s.now)
		}
	})
	t.Run("a check that was not made costs nothing", func(t *testing.T) {
		s := newStore()
		expect(t, one.reserve(s, policy, 1, noon()), Granted)
		one.settle(s, 1, Undone)
		if s.now.Permits != nil {
			t.Errorf("permits = %+v", s.now.Permits)
		}
	})
	t.Run("the same attempt asks again", func(t *testing.T) {
		s := newStore()
		for range 5 {
			expect(t, one.reserve(s, policy, 1, noon()), Granted)
		}
		if checks(s.now.Permits) != 1 {
			t.Errorf("permits = %+v", s.now.Permits)
		}
	})
	t.Run("a lost verdict is kept until it expires", func(t *testing.T) {
		s := newStore()
		expect(t, one.reserve(s, policy, 1, noon()), Granted)
		expect(t, one.reserve(s, policy, 2, noon()), Granted)
		expect(t, other.reserve(s, policy, 3, noon()), Full)
		one.settle(s, 2, Wrong)
		one.fail(s, policy, noon())
		expect(t, other.reserve(s, policy, 4, noon().Add(2*time.Minute)), Full)
		expect(t, other.reserve(s, policy, 5, noon().Add(time.Hour)), Granted)
	})
	t.Run("a check that nothing is heard of is kept for its time", func(t *testing.T) {
		s := newStore()
		expect(t, one.reserve(s, policy, 1, noon()), Granted)
		expect(t, one.reserve(s, policy, 2, noon().Add(time.Second)), Granted)
		expect(t, other.reserve(s, policy, 3, noon().Add(CheckTime)), Full)
		expect(t, other.reserve(s, policy, 4, noon().Add(CheckTime+time.Second)), Granted)
	})
	t.Run("no more than fit into a record", func(t *testing.T) {
		s, lax := newStore(), realm.Lockout{Enabled: true, Failures: 1 << 20}
		for n := range MaxPermits {
			g := &guesser{journey: Mark{byte(n), byte(n >> 8)}, key: Mark{1, byte(n), byte(n >> 8)}}
			expect(t, g.reserve(s, lax, 1, noon()), Granted)
		}
		more := &guesser{journey: Mark{0xff, 0xff}, key: Mark{2}}
		expect(t, more.reserve(s, lax, 1, noon()), Full)
	})
	t.Run("a wrong guess is known to be wrong", func(t *testing.T) {
		s := newStore()
		expect(t, one.reserve(s, policy, 1, noon()), Granted)
		one.settle(s, 1, Wrong)
		one.fail(s, policy, noon())
		expect(t, one.reserve(s, policy, 2, noon()), Known)
		if s.now.Permits != nil {
			t.Errorf("permits = %+v", s.now.Permits)
		}
	})
	t.Run("a locked account gives none", func(t *testing.T) {
		s := newStore()
		expect(t, one.reserve(s, policy, 1, noon()), Granted)
		s.update(CountFailure{At: noon(), Policy: policy})
		s.update(CountFailure{At: noon(), Policy: policy})
		expect(t, one.reserve(s, policy, 2, noon()), Refused)
		expect(t, other.reserve(s, policy, 3, noon()), Refused)
		s.update(SetStatus{Status: Active})
		expect(t, other.reserve(s, policy, 4, noon()), Granted)
	})
	t.Run("failures of an earlier window do not count", func(t *testing.T) {
		s := newStore()
		s.update(CountFailure{At: noon(), Policy: policy})
		expect(t, one.reserve(s, policy, 1, noon().Add(5*time.Minute)), Granted)
		expect(t, other.reserve(s, policy, 2, noon().Add(5*time.Minute)), Full)
		expect(t, other.reserve(s, policy, 3, noon().Add(5*time.Minute+time.Second)), Granted)
	})
	t.Run("stored as before while nobody has one", func(t *testing.T) {
		text, err := json.Marshal(Identity{Realm: "/", Name: "demo"})
		if err != nil || string(text) != `{"realm":"/","name":"demo"}` {
			t.Errorf("%s, %v", text, err)
		}
		var back Identity
		want := Identity{Name: "demo", Permits: []Permit{{Journey: Mark{1, 0xab}, Run: 7, Checks: 2, Failed: true, Until: noon()}}}
		if text, err = json.Marshal(want); err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("%s reads as %+v, %v", text, back, err)
		}
	})
}

// Whatever others do in between, a change that is asked for again is told what
// it was told, and changes nothing.
func TestOnceIsTheSameAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := realm.Lockout{Enabled: true, Failures: 3, Duration: time.Hour, Multiplier: 1}
		s, told := newStore(), map[Mark]Identity{}
		for range rapid.IntRange(1, 40).Draw(rt, "changes") {
			key := Mark{rapid.ByteRange(0, 8).Draw(rt, "key")}
			var c Change
			switch key[0] % 3 {
			case 0:
				c = CountLogin{}
			case 1:
				c = CountRetry{Node: "n", Limit: 2}
			case 2:
				c = CountFailure{At: noon().Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "at")) * time.Minute), Policy: policy}
			}
			before := s.now
			now := s.update(Once{Key: key, Change: c})
			first, again := told[key]
			if !again {
				told[key] = now
				continue
			}
			if !reflect.DeepEqual(s.now, before) {
				rt.Fatalf("%T made again left %+v of %+v", c, s.now, before)
			}
			switch c.(type) {
			case CountRetry:
				if (first.Retries["n"] > 0) != (now.Retries["n"] > 0) {
					rt.Fatalf("passed %v, then %v", first.Retries, now.Retries)
				}
			case CountFailure:
				if first.Status != now.Status || first.Failures.Count != now.Failures.Count || !first.Failures.Until.Equal(now.Failures.Until) {
					rt.Fatalf("told %+v, then %+v", first.Failures, now.Failures)
				}
			}
		}
	})
}
