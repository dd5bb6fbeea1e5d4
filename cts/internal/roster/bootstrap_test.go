package roster

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func three(store string) Newcomer { return Newcomer{Store: store, Expect: 3} }

func TestBootstrap(t *testing.T) {
	for name, c := range map[string]struct {
		self  Newcomer
		join  bool
		alive []Newcomer
		ask   string
		need  int
		wait  string
	}{
		"alone, nothing configured": {self: Newcomer{Store: "b"}, ask: "b", need: 1},
		"alone, expect 1":           {self: Newcomer{Store: "b", Expect: 1}, ask: "b", need: 1},
		"alone, but a cluster is seen": {
			self: Newcomer{Store: "b"}, alive: []Newcomer{{Store: "x", InCluster: true}},
			wait: "there is a cluster",
		},
		"join without expect":   {self: Newcomer{Store: "b"}, join: true, alive: []Newcomer{three("a")}, wait: "waiting for a cluster to join"},
		"in a cluster already":  {self: Newcomer{Store: "b", InCluster: true}, wait: "is in a cluster"},
		"too few":               {self: three("a"), join: true, alive: []Newcomer{three("b")}, wait: "2 of the 3 expected members"},
		"itself seen, too few":  {self: three("a"), join: true, alive: []Newcomer{three("a"), three("b")}, wait: "2 of the 3"},
		"seen twice, too few":   {self: three("a"), join: true, alive: []Newcomer{three("b"), three("b")}, wait: "2 of the 3"},
		"the smallest of three": {self: three("a"), join: true, alive: []Newcomer{three("c"), three("b")}, ask: "a b c", need: 3},
		"the smallest of five":  {self: three("a"), alive: []Newcomer{three("c"), three("b"), three("e"), three("d")}, ask: "a b c d e", need: 3},
		"not the smallest":      {self: three("b"), join: true, alive: []Newcomer{three("c"), three("a")}, wait: "member a is to begin"},
		"somebody has a cluster": {
			self: three("a"), join: true, alive: []Newcomer{three("b"), {Store: "c", Expect: 3, InCluster: true}},
			wait: "member c belongs to it",
		},
		"another expectation": {
			self: three("a"), join: true, alive: []Newcomer{three("b"), three("c"), {Store: "d", Expect: 5}},
			wait: "member d expects 5 members, this one 3",
		},
		"those without expectation do not count": {
			self: three("b"), join: true, alive: []Newcomer{{Store: "a"}, three("c")},
			wait: "2 of the 3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Bootstrap(c.self, c.join, c.alive)
			if c.wait != "" {
				var w WaitingError
				if !errors.As(err, &w) || !strings.Contains(err.Error(), c.wait) {
					t.Fatalf("got %v, want to wait: %s", err, c.wait)
				}
				return
			}
			if err != nil || strings.Join(got.Ask, " ") != c.ask || got.Need != c.need {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestPromise(t *testing.T) {
	for name, c := range map[string]struct {
		p    Promise
		self Newcomer
		r    Request
		held string
	}{
		"the first":    {Promise{}, three("c"), Request{"b", 3, nil}, ""},
		"again":        {Promise{"b"}, three("c"), Request{"b", 3, nil}, ""},
		"to another":   {Promise{"a"}, three("c"), Request{"b", 3, nil}, "has promised to let a begin"},
		"to a smaller": {Promise{"b"}, three("c"), Request{"a", 3, nil}, "has promised to let b begin"},
		"to a smaller, that the earlier promised to": {Promise{"b"}, three("c"), Request{"a", 3, []string{"b"}}, ""},
		"to a larger, that the earlier promised to":  {Promise{"a"}, three("c"), Request{"b", 3, []string{"a"}}, "has promised to let a begin"},
		"a candidate to a smaller":                   {Promise{"c"}, three("c"), Request{"a", 3, nil}, ""},
		"a candidate to a larger":                    {Promise{"c"}, three("c"), Request{"d", 3, nil}, "has promised to let c begin"},
		"in a cluster":                               {Promise{}, Newcomer{Store: "c", Expect: 3, InCluster: true}, Request{"b", 3, nil}, "is in a cluster"},
		"in a cluster, promised":                     {Promise{"b"}, Newcomer{Store: "c", Expect: 3, InCluster: true}, Request{"b", 3, nil}, "is in a cluster"},
		"another expectation":                        {Promise{}, three("c"), Request{"b", 5, nil}, "expects 3 members, the candidate 5"},
		"told nothing":                               {Promise{}, Newcomer{Store: "c"}, Request{"b", 3, nil}, "must be told the same"},
		"both told nothing":                          {Promise{}, Newcomer{Store: "c"}, Request{"b", 0, nil}, "takes no part"},
		"itself, alone":                              {Promise{}, Newcomer{Store: "c"}, Request{"c", 1, nil}, ""},
		"nobody":                                     {Promise{}, three("c"), Request{"", 3, nil}, "without a name"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.p.Give(c.self, c.r)
			if c.held != "" {
				var h *HeldError
				if !errors.As(err, &h) || !strings.Contains(err.Error(), c.held) || got != c.p {
					t.Fatalf("got %v, %v, want held: %s", got, err, c.held)
				}
				return
			}
			if err != nil || got.To != c.r.Candidate {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestWon(t *testing.T) {
	for name, c := range map[string]struct {
		p    Promise
		self Newcomer
		have string
		want bool
	}{
		"enough":                    {Promise{"a"}, three("a"), "b c", true},
		"its own is not told twice": {Promise{"a"}, three("a"), "a b", false},
		"one twice":                 {Promise{"a"}, three("a"), "b b", false},
		"its own is another's":      {Promise{"0"}, three("a"), "b c d", false},
		"its own is not given":      {Promise{}, three("a"), "b c d", false},
		"alone":                     {Promise{"a"}, Newcomer{Store: "a"}, "", true},
		"in a cluster":              {Promise{"a"}, Newcomer{Store: "a", Expect: 3, InCluster: true}, "b c", false},
	} {
		if got := c.p.Won(c.self, strings.Fields(c.have)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// newborn is a member before there is a cluster: its disk, and what it runs.
type newborn struct {
	Newcomer
	promise Promise         // on disk
	have    map[string]bool // in memory
}

// TestOneCluster lets members that see one another in any order, lose messages
// and restart look for the first member. Never two begin, and once all see all, one does.
func TestOneCluster(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(rt, "members")
		expect := rapid.IntRange(n/2+1, n).Draw(rt, "expect")
		members := make([]*newborn, n)
		for i := range members {
			members[i] = &newborn{Newcomer: Newcomer{Store: fmt.Sprint("m", i), Expect: expect}, have: map[string]bool{}}
		}
		begun := 0
		ask := func(m *newborn, sees, reaches []*newborn) {
			var alive []Newcomer
			for _, p := range sees {
				alive = append(alive, p.Newcomer)
			}
			b, err := Bootstrap(m.Newcomer, true, alive)
			if err != nil {
				return
			}
			for _, p := range append([]*newborn{m}, reaches...) {
				if !slices.Contains(b.Ask, p.Store) {
					continue
				}
				r := Request{Candidate: m.Store, Expect: expect, Have: slices.Sorted(maps.Keys(m.have))}
				if given, err := p.promise.Give(p.Newcomer, r); err == nil {
					p.promise, m.have[p.Store] = given, true
				}
			}
			if m.promise.Won(m.Newcomer, slices.Sorted(maps.Keys(m.have))) {
				m.InCluster = true
				begun++
			}
		}
		some := rapid.SliceOfDistinct(rapid.SampledFrom(members), func(m *newborn) string { return m.Store })
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			m := rapid.SampledFrom(members).Draw(rt, "member")
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				m.have = map[string]bool{}
				continue
			}
			ask(m, some.Draw(rt, "sees"), some.Draw(rt, "reaches"))
			if begun > 1 {
				rt.Fatal("two clusters")
			}
		}
		for range 2 { // the first round lets candidates give way, the second collects what they held
			for _, m := range members {
				ask(m, members, members)
			}
		}
		if begun != 1 {
			rt.Fatalf("%d clusters", begun)
		}
	})
}
