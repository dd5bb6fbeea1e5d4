package register

import (
	"fmt"
	"strings"
	"testing"

	"sojourn/cluster/placement"
)

// script is a take-over by "s" under epoch 9 in words: what is heard, and after
// each the members that are asked and the state.
type script struct {
	first, candidates, dead Set
	lines                   []string
}

func TestTakeover(t *testing.T) {
	records := map[string]*Record{
		"old":    {Epoch: Epoch{2, "a"}, Seq: 1, Replicas: Set{"a", "b", "c"}, Body: []byte("old")},
		"joint":  {Epoch: Epoch{3, "a"}, Seq: 2, Replicas: Set{"a", "d", "e"}, Prev: Set{"a", "b", "c"}, Body: []byte("joint")},
		"moved":  {Epoch: Epoch{3, "a"}, Seq: 3, Replicas: Set{"a", "d", "e"}, Body: []byte("moved")},
		"stub":   {Epoch: Epoch{3, "a"}, Seq: 3, Replicas: Set{"a", "d", "e"}},
		"pair":   {Epoch: Epoch{2, "a"}, Seq: 1, Replicas: Set{"a", "b"}, Body: []byte("pair")},
		"single": {Epoch: Epoch{2, "a"}, Seq: 1, Replicas: Set{"a"}, Body: []byte("single")},
	}
	for name, c := range map[string]script{
		"not begun, two of three promise": {first: Set{"a", "b", "c"}, lines: []string{
			"s promises > asks a b c, asking", "a promises > asks, asking", "c promises > asks, adopt begin of a b c",
		}},
		"a replica takes over": {lines: []string{
			"s has old > asks a b c, asking", "b has old > asks, asking", "a fails > asks, asking", "c has old > asks, adopt old of a b c",
		}},
		"self comes last and is needed": {first: Set{"a", "b", "c"}, lines: []string{
			"a promises > asks s b c, asking", "c promises > asks, asking", "s promises > asks, adopt begin of a b c",
		}},
		"what is found names others": {first: Set{"a", "b", "c"}, lines: []string{
			"s promises > asks a b c, asking", "b has old > asks, asking", "c has joint > asks d e, asking",
			"d has joint > asks, asking", "e has joint > asks, adopt joint of a d e",
		}},
		"a change asks both sets": {lines: []string{
			"s has joint > asks a d e b c, asking", "d has joint > asks, asking", "e has joint > asks, asking",
			"b has old > asks, asking", "c has old > asks, adopt joint of a d e",
		}},
		"the newest of the quorum counts, not the last": {first: Set{"a", "b", "c"}, lines: []string{
			"s promises > asks a b c, asking", "a has moved > asks d e, asking", "b has old > asks, asking", "d has joint > asks, adopt moved of a d e",
		}},
		"a stub leads on": {first: Set{"a", "b", "c"}, lines: []string{
			"s promises > asks a b c, asking", "a fails > asks, asking", "b fails > asks, asking", "c has stub > asks d e, asking",
			"d has moved > asks, asking", "e has moved > asks, adopt moved of a d e",
		}},
		"the body is preferred to its stub": {lines: []string{
			"s has stub > asks a d e, asking", "a has moved > asks, asking", "e has moved > asks, adopt moved of a d e",
		}},
		"a stub alone is never adopted": {lines: []string{
			"s has stub > asks a d e, asking", "a has stub > asks, asking", "d has stub > asks, asking", "e has stub > asks, unavailable",
		}},
		"refused": {first: Set{"a", "b", "c"}, lines: []string{
			"s promises > asks a b c, asking", "a refuses for 12 > asks, fenced 12", "b promises > asks, fenced 12", "c refuses for 15 > asks, fenced 15",
		}},
		"no majority": {first: Set{"a", "b", "c"}, lines: []string{
			"s promises > asks a b c, asking", "a promises > asks, asking", "b fails > asks, asking", "c fails > asks, unavailable",
			"c has old > asks, adopt old of a b c",
		}},
		"an answer that is awaited may lead elsewhere": {first: Set{"a", "b", "c"}, lines: []string{
			"s promises > asks a b c, asking", "a has moved > asks d e, asking", "d fails > asks, asking", "e fails > asks, asking",
			"b promises > asks, asking", "c promises > asks, unavailable",
		}},
		"an old answer to another epoch": {first: Set{"a"}, lines: []string{
			"s promises > asks a, asking", "a promises 8 > asks, asking", "a refuses for 8 > asks, asking", "a promises > asks, adopt begin of a",
		}},
		"the one left of a pair": {first: Set{"a", "b"}, dead: Set{"b"}, lines: []string{
			"s promises > asks a, asking", "a has pair > asks, adopt pair of a b",
		}},
		"one of a pair whose other is only silent": {first: Set{"a", "b"}, lines: []string{
			"s promises > asks a b, asking", "b fails > asks, asking", "a has pair > asks, unavailable",
		}},
		"two dead of three are too many": {first: Set{"a", "b", "c"}, dead: Set{"b", "c"}, lines: []string{
			"s promises > asks a, asking", "a has old > asks, unavailable",
		}},
		"a single one is gone": {dead: Set{"a"}, lines: []string{"s has single > asks, unavailable"}},
		"a search that finds": {candidates: Set{"s", "a", "b", "c", "d", "e"}, lines: []string{
			"s promises > asks a b c d e, asking", "e promises > asks, asking", "b has old > asks, asking", "c has old > asks, adopt old of a b c",
		}},
		"a search that finds nothing": {candidates: Set{"s", "a", "b"}, dead: Set{"b"}, lines: []string{
			"s promises > asks a, asking", "a promises > asks, nothing",
		}},
		"a search that cannot ask all": {candidates: Set{"a", "b"}, lines: []string{
			"s promises > asks a b, asking", "a fails > asks, asking", "b promises > asks, unavailable", "a promises > asks, nothing",
		}},
		"widened": {first: Set{"a", "b", "c"}, lines: []string{
			"s has old > asks a b c, asking", "b fails > asks, asking", "c fails > asks, asking", "a promises > asks, unavailable",
			"widen d e > asks d e, asking", "d has moved > asks, adopt moved of a d e",
		}},
		"widened, and begun nowhere": {first: Set{"a", "b", "c"}, dead: Set{"a", "b"}, lines: []string{
			"s promises > asks c, asking", "c promises > asks, unavailable", "widen c d > asks d, asking", "d promises > asks, nothing",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			epoch := Epoch{9, "s"}
			take := NewTakeover("s", epoch, c.first, c.dead.Has)
			if c.candidates != nil {
				take = NewSearch("s", epoch, c.candidates, c.dead.Has)
			}
			for i, line := range c.lines {
				said, want, _ := strings.Cut(line, " > ")
				hear(take, said, records)
				if got := saw(take, records); got != want {
					t.Fatalf("line %d, after %q: %s, want %s", i, said, got, want)
				}
			}
			if take.Epoch() != epoch {
				t.Errorf("epoch %v", take.Epoch())
			}
		})
	}
}

func hear(take *Takeover, said string, records map[string]*Record) {
	words := strings.Fields(said)
	m := placement.MemberID(words[0])
	var counter uint64
	switch fmt.Sscan(words[len(words)-1], &counter); words[1] {
	case "promises":
		e := take.Epoch()
		if counter > 0 {
			e.Counter = counter
		}
		take.Heard(m, Promised{OK: true, Epoch: e})
	case "has":
		take.Heard(m, Promised{OK: true, Epoch: take.Epoch(), Record: records[words[2]]})
	case "refuses":
		take.Heard(m, Promised{Epoch: Epoch{counter, "x"}})
	case "fails":
		take.Failed(m)
	default: // widen
		var s Set
		for _, w := range words[1:] {
			s = append(s, placement.MemberID(w))
		}
		take.Widen(s)
	}
}

func saw(take *Takeover, records map[string]*Record) string {
	out := "asks"
	for _, m := range take.Ask() {
		out += " " + string(m)
	}
	o := take.Outcome()
	switch o.State {
	case Asking:
		return out + ", asking"
	case Fenced:
		return fmt.Sprintf("%s, fenced %d", out, o.Epoch.Counter)
	case Unavailable:
		return out + ", unavailable"
	case Nothing:
		return out + ", nothing"
	case Adopt:
	}
	found := "begin"
	for name, r := range records {
		if r == o.Record {
			found = name
		}
	}
	return fmt.Sprintf("%s, adopt %s of %s", out, found, strings.Trim(fmt.Sprint(o.Set), "[]"))
}

func TestRepair(t *testing.T) {
	replicas := Set{"a", "b", "c"}
	for name, c := range map[string]struct {
		replicas, prev, want   Set
		absent, dead, draining Set
		by                     placement.MemberID // who acts; empty: nobody
	}{
		"all is well":                                {replicas, nil, replicas, nil, nil, nil, ""},
		"a newcomer ranks before all":                {replicas, nil, Set{"d", "a", "b"}, nil, nil, nil, ""},
		"a replica is absent, another can be had":    {replicas, nil, Set{"a", "c", "d"}, Set{"b"}, nil, nil, "a"},
		"a replica is absent, nobody in its place":   {replicas, nil, Set{"a", "c"}, Set{"b"}, nil, nil, ""},
		"a replica is dead, nobody in its place":     {replicas, nil, Set{"a", "c"}, nil, Set{"b"}, nil, "a"},
		"a replica is leaving, nobody in its place":  {replicas, nil, Set{"a", "c"}, nil, nil, Set{"b"}, "a"},
		"a replica is leaving, but needed":           {replicas, nil, replicas, nil, nil, Set{"b"}, ""},
		"the leader is absent":                       {replicas, nil, Set{"b", "c", "d"}, Set{"a"}, nil, nil, "b"},
		"the leader is dead and the next is leaving": {replicas, nil, Set{"c", "d", "e"}, nil, Set{"a"}, Set{"b"}, "c"},
		"the leader is leaving":                      {replicas, nil, Set{"b", "c", "d"}, nil, nil, Set{"a"}, "a"},
		"only those who leave are left":              {replicas, nil, Set{"d", "e", "f"}, Set{"a", "b"}, nil, Set{"c"}, "c"},
		"all replicas are gone":                      {replicas, nil, Set{"d", "e", "f"}, replicas, nil, nil, ""},
		"a third member has come":                    {Set{"a", "b"}, nil, replicas, nil, nil, nil, "a"},
		"a change is not settled":                    {replicas, Set{"a", "b"}, replicas, nil, nil, nil, "a"},
		"a change whose new members are gone":        {Set{"d"}, Set{"b", "c"}, Set{"b", "c"}, Set{"a", "d"}, nil, nil, "b"},
		"no set can be had":                          {replicas, nil, nil, Set{"b"}, nil, nil, ""},
		"an outsider leads":                          {Set{"b", "c"}, nil, Set{"b", "c", "d"}, nil, nil, nil, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			standing := func(m placement.MemberID) Standing {
				switch {
				case c.absent.Has(m):
					return Absent
				case c.dead.Has(m):
					return Dead
				case c.draining.Has(m):
					return Leaving
				}
				return Present
			}
			r := &Record{Epoch: Epoch{3, "a"}, Seq: 2, Replicas: c.replicas, Prev: c.prev, Body: []byte("x")}
			for _, m := range (Set{"a", "b", "c", "d", "e"}) {
				if got, want := Repair(r, m, standing, c.want), m == c.by; got != want {
					t.Errorf("%s acts: %v, want %v", m, got, want)
				}
				if Repair(r.WithoutBody(), m, standing, c.want) || Repair(nil, m, standing, c.want) {
					t.Errorf("%s acts on a stub, or on nothing", m)
				}
			}
		})
	}
}
