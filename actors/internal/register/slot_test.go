package register

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sojourn/cluster/placement"
)

func TestEpochs(t *testing.T) {
	a, b := placement.MemberID("a"), placement.MemberID("b")
	for name, c := range map[string]struct{ got, want Epoch }{
		"the first take-over leaves counter one to the first member": {Epoch{}.Next(a), Epoch{2, a}},
		"after what was promised":                                    {Epoch{4, b}.Next(a), Epoch{5, a}},
		"after all that was seen":                                    {Epoch{4, b}.Next(a, Epoch{9, b}, Epoch{7, b}), Epoch{10, a}},
		"not before what was promised":                               {Epoch{4, b}.Next(a, Epoch{1, b}), Epoch{5, a}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	rising := []Epoch{{}, First(a), First(b), {2, a}, {2, b}, {3, a}}
	for i, e := range rising {
		for j, o := range rising {
			if got := e.Compare(o); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%v and %v: %d", e, o, got)
			}
		}
	}
}

func TestSets(t *testing.T) {
	for name, c := range map[string]struct {
		a, b Set
		same bool
	}{
		"another order":   {Set{"a", "b"}, Set{"b", "a"}, true},
		"one more":        {Set{"a"}, Set{"a", "b"}, false},
		"another":         {Set{"a", "b"}, Set{"a", "c"}, false},
		"none and absent": {nil, Set{}, true},
	} {
		if c.a.Same(c.b) != c.same || c.b.Same(c.a) != c.same {
			t.Errorf("%s: not %v", name, c.same)
		}
	}
}

func TestPromiseAndAccept(t *testing.T) {
	old, stored, newest := Epoch{2, "a"}, Epoch{3, "a"}, Epoch{3, "b"}
	record := func(e Epoch, seq uint64) *Record { return &Record{Epoch: e, Seq: seq, Body: []byte("x")} }
	has := record(stored, 5)
	s := Slot{Promised: stored, Record: has}

	for name, c := range map[string]struct {
		ask Epoch
		ok  bool
	}{"older": {old, false}, "the same": {stored, true}, "newer": {newest, true}} {
		got, p := s.Promise(c.ask)
		switch {
		case p.OK != c.ok:
			t.Errorf("promise, %s: %v", name, p)
		case c.ok && (p.Record != has || p.Epoch != c.ask || got.Promised != c.ask):
			t.Errorf("promise, %s: %v, then %v", name, p, got)
		case !c.ok && (p.Record != nil || p.Epoch != stored || got != s):
			t.Errorf("promise, %s: %v, then %v", name, p, got)
		}
	}

	full := record(newest, 9)
	for name, c := range map[string]struct {
		slot Slot
		take *Record
		ok   bool
		then *Record // nil: what was taken
	}{
		"into an empty slot":              {Slot{}, full, true, nil},
		"of an older epoch":               {s, record(old, 9), false, has},
		"the next":                        {s, record(stored, 6), true, nil},
		"one before it":                   {s, record(stored, 4), true, has},
		"the same again":                  {s, record(stored, 5), true, has},
		"of a newer epoch, lower number":  {s, record(newest, 1), true, nil},
		"older than a mere promise":       {Slot{newest, has}, record(stored, 6), false, has},
		"a newer stub":                    {s, record(stored, 6).WithoutBody(), true, nil},
		"the stub of what is here":        {s, has.WithoutBody(), true, has},
		"the body of the stub that it is": {Slot{newest, full.WithoutBody()}, full, true, nil},
	} {
		got, a := c.slot.Accept(c.take)
		then := c.then
		if then == nil {
			then = c.take
		}
		want := Slot{max2(c.slot.Promised, c.take.Epoch), then}
		if a.OK != c.ok || a.Epoch != want.Promised || got != want {
			t.Errorf("accept, %s: %v, then %v, want %v", name, a, got, want)
		}
	}
}

func max2(a, b Epoch) Epoch {
	if a.Compare(b) < 0 {
		return b
	}
	return a
}

// TestOneWriter: a record that a member writes follows the one it has, so two
// goroutines that drew up the next one at a time cannot both write it.
func TestOneWriter(t *testing.T) {
	s, e, ok := Slot{}.Begin("a")
	if !ok || e != First("a") {
		t.Fatalf("begin: %v, %v", e, ok)
	}
	if _, _, ok := s.Begin("a"); ok {
		t.Error("a journey was begun twice")
	}
	first, twin := Begin(e, Set{"a"}, Set{"a", "b"}), Begin(e, Set{"a"}, Set{"a"})
	first.Body, twin.Body = []byte("first"), []byte("twin")
	if s.Leads("a") {
		t.Error("leads before anything is written")
	}
	s, a := s.Propose(first)
	if !a.OK || !s.Leads("a") || s.Leads("b") {
		t.Fatalf("the first record: %v, %v", a, s)
	}
	if got, a := s.Propose(twin); a.OK || got != s {
		t.Error("two first records")
	}
	two, other := first.Next(e), first.Next(e)
	s, a = s.Propose(two)
	if _, b := s.Propose(other); !a.OK || b.OK {
		t.Errorf("the next: %v and %v", a, b)
	}
	// Adopted: what was found may be of any number.
	s, e = s.Campaign("a", Epoch{7, "b"})
	if e != (Epoch{8, "a"}) || s.Leads("a") {
		t.Fatalf("campaign: %v, %v", e, s)
	}
	if _, a := s.Propose(two.Next(two.Epoch)); a.OK {
		t.Error("a record under the epoch before")
	}
	found := &Record{Epoch: Epoch{7, "b"}, Seq: 40, Body: []byte("found")}
	s, a = s.Propose(found.Next(e))
	if !a.OK || !s.Leads("a") || s.Record.Seq != 41 {
		t.Errorf("adopted: %v, %v", a, s)
	}
}

func TestChangesOfASet(t *testing.T) {
	e := Epoch{3, "a"}
	r := &Record{Epoch: e, Seq: 4, Replicas: Set{"a", "b"}, Expires: 9, Body: []byte("x")}
	amid := &Record{Epoch: e, Seq: 5, Replicas: Set{"a", "c"}, Prev: Set{"a", "b"}, Expires: 9, Body: []byte("x")}
	for name, c := range map[string]struct {
		got            *Record
		replicas, prev Set
		seq            uint64
	}{
		"changed":                     {Change(r, Set{"a", "c"}), Set{"a", "c"}, Set{"a", "b"}, 5},
		"changed to the same":         {Change(r, Set{"b", "a"}), Set{"b", "a"}, nil, 5},
		"changed to nothing":          {Change(r, nil), Set{"a", "b"}, nil, 5},
		"changed amid a change":       {Change(amid, Set{"a", "d"}), Set{"a", "c"}, Set{"a", "b"}, 6},
		"settled":                     {Settle(amid), Set{"a", "c"}, nil, 6},
		"begun elsewhere":             {Begin(e, Set{"a"}, Set{"b"}), Set{"b"}, Set{"a"}, 1},
		"begun where it may":          {Begin(e, Set{"a", "b"}, Set{"b", "a"}), Set{"b", "a"}, nil, 1},
		"begun with no better set":    {Begin(e, Set{"a", "b"}, nil), Set{"a", "b"}, nil, 1},
		"begun with an id of its own": {Begin(e, nil, Set{"a", "b"}), Set{"a", "b"}, nil, 1},
	} {
		g := c.got
		if fmt.Sprint(g.Replicas, g.Prev) != fmt.Sprint(c.replicas, c.prev) || (len(g.Prev) == 0) != (g.Prev == nil) || g.Seq != c.seq || g.Epoch != e {
			t.Errorf("%s: %v", name, g)
		}
	}
	if fmt.Sprint(amid.Members(), r.Members()) != "[a c b] [a b]" {
		t.Errorf("members %v and %v", amid.Members(), r.Members())
	}
	if r.Seq != 4 || r.Prev != nil || r.Stub() {
		t.Errorf("the record before was changed: %v", r)
	}
}

// TestNoBodyIsPrinted: it holds what a user has answered.
func TestNoBodyIsPrinted(t *testing.T) {
	r := &Record{Epoch: Epoch{3, "a"}, Replicas: Set{"a"}, Body: []byte("hunter2")}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "pointer", r, "value", *r, "slot", Slot{Record: r}, "promised", Promised{Record: r})
	}
	all := log.String() + fmt.Sprintf("%v %+v %#v %s %v %+v %#v", r, r, r, r, *r, *r, *r) + fmt.Sprintf("%+v", Outcome{Record: r})
	for _, secret := range []string{"hunter2", "104 117 110", "0x68, 0x75", "68756e746572", "aHVudGVyMg"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s: %s", secret, all)
		}
	}
}

// TestQuorums compares with counting, for sets of every size.
func TestQuorums(t *testing.T) {
	names := Set{"a", "b", "c", "d", "e", "f"}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string) Set {
			return rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, what)
		}
		r := &Record{Epoch: Epoch{3, "a"}, Replicas: draw("replicas"), Prev: draw("prev")}
		yes, no, dead := draw("yes"), draw("no"), draw("dead")
		count := func(set Set, have func(placement.MemberID) bool) bool {
			n := 0
			for _, m := range set {
				if have(m) || len(set) == 2 && dead.Has(m) {
					n++
				}
			}
			return slices.ContainsFunc(set, have) && 2*n > len(set) // not of the dead alone
		}
		both := func(have func(placement.MemberID) bool) bool {
			return count(r.Replicas, have) && (len(r.Prev) == 0 || count(r.Prev, have))
		}
		if got, want := Quorum(r, yes.Has, dead.Has), both(yes.Has); got != want {
			t.Fatalf("quorum %v, want %v", got, want)
		}
		n := NewRound(r, dead.Has)
		for _, m := range yes {
			n.Heard(m, Accepted{OK: true, Epoch: r.Epoch})
		}
		for _, m := range no {
			n.Failed(m)
		}
		if got, want := n.Committed(), both(yes.Has); got != want {
			t.Fatalf("committed %v, want %v", got, want)
		}
		possible := func(m placement.MemberID) bool { return yes.Has(m) || !no.Has(m) }
		if got, want := n.Hopeless(), !both(possible); got != want {
			t.Fatalf("hopeless %v, want %v", got, want)
		}
		if _, fenced := n.Fenced(); fenced {
			t.Fatal("fenced by nobody")
		}
	})
}

func TestFencedRound(t *testing.T) {
	r := &Record{Epoch: Epoch{3, "a"}, Replicas: Set{"a", "b", "c"}}
	n := NewRound(r, nil)
	n.Heard("a", Accepted{OK: true, Epoch: r.Epoch})
	n.Heard("b", Accepted{Epoch: Epoch{5, "x"}})
	if e, fenced := n.Fenced(); !fenced || e != (Epoch{5, "x"}) || n.Committed() || n.Hopeless() {
		t.Errorf("after one refusal: %v, %v, committed %v, hopeless %v", e, fenced, n.Committed(), n.Hopeless())
	}
	n.Heard("c", Accepted{Epoch: Epoch{4, "x"}})
	if e, _ := n.Fenced(); e != (Epoch{5, "x"}) || !n.Hopeless() {
		t.Errorf("after two: %v, hopeless %v", e, n.Hopeless())
	}
}
