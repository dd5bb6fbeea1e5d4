package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// FaultKind is a promise to a journey that was broken.
type FaultKind string

// A journey is lost when the answers to its question are refused although no
// others can have been taken. Refused are answers that had been acknowledged
// before, and a journey that must not begin. A journey is rolled back when a
// reply shows other answers than those it acknowledges, or asks what it should
// not ask yet, or not any more. It is doubled when two answers to one question
// were acknowledged, or two tokens given.
const (
	Lost       FaultKind = "lost"
	Repelled   FaultKind = "refused"
	RolledBack FaultKind = "rolled back"
	Doubled    FaultKind = "doubled"
)

// Fault is one broken promise.
type Fault struct {
	Kind    FaultKind `json:"kind"`
	Journey int       `json:"journey"`
	Step    int       `json:"step"`
	// Member is the index of the one whose answer shows it, At when that came.
	Member int           `json:"member"`
	At     time.Duration `json:"at"`
}

func (f Fault) String() string {
	return fmt.Sprintf("journey %d %s at step %d by member %d, %v after the start", f.Journey, f.Kind, f.Step, f.Member, f.At.Round(time.Millisecond))
}

// JourneyVerdict is what the history of journeys says about a cluster. Lists of
// numbers are those of journeys, ascending.
type JourneyVerdict struct {
	// Begun and Ended count journeys, Steps the questions whose answers were
	// acknowledged. Moved are those of them that another member acknowledged
	// than the one of the step before.
	Begun int `json:"begun"`
	Ended int `json:"ended"`
	Steps int `json:"steps"`
	Moved int `json:"moved"`
	// Faults are in the order of their times.
	Faults []Fault `json:"faults,omitempty"`
	// Stuck are journeys that neither ended nor were refused: nobody answered.
	Stuck []int `json:"stuck,omitempty"`
	// Broken counts answers that no member should give, whatever happens.
	Broken int `json:"broken"`
	// Illegal are journeys whose history no order of their requests explains;
	// Undecided are those for which the search was given up.
	Illegal   []int `json:"illegal,omitempty"`
	Undecided []int `json:"undecided,omitempty"`
}

// Count is the number of journeys with a fault of this kind.
func (v JourneyVerdict) Count(kind FaultKind) int {
	journeys := map[int]bool{}
	for _, f := range v.Faults {
		if f.Kind == kind {
			journeys[f.Journey] = true
		}
	}
	return len(journeys)
}

// CheckJourneys judges the history of journeys.
func CheckJourneys(steps []Step) JourneyVerdict {
	var v JourneyVerdict
	of := map[int][]Step{}
	for _, s := range steps {
		if s.Outcome == Wrong {
			v.Broken++
		}
		of[s.Journey] = append(of[s.Journey], s)
	}
	for _, n := range slices.Sorted(maps.Keys(of)) {
		all := of[n]
		slices.SortStableFunc(all, func(a, b Step) int { return cmp.Compare(a.End, b.End) })
		v.journey(n, all)
	}
	slices.SortStableFunc(v.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return v
}

// journey judges the requests of one journey, which are in the order of their
// ends.
func (v *JourneyVerdict) journey(n int, all []Step) {
	t := trace{first: map[int]Step{}}
	for _, s := range all {
		t.add(s, all)
	}
	_, begun := t.first[0]
	if t.exhausted(all) {
		t.fault(Lost, t.refusal)
	}
	v.Faults = append(v.Faults, t.faults...)
	if !begun {
		return
	}
	v.Begun++
	end := all[0].Of
	for number := 1; number <= end; number++ {
		s, ok := t.first[number]
		if !ok {
			continue
		}
		v.Steps++
		if before, ok := t.first[number-1]; ok && before.Member != s.Member {
			v.Moved++
		}
	}
	_, ended := t.first[end]
	switch {
	case ended:
		v.Ended++
	case len(t.faults) == 0:
		v.Stuck = append(v.Stuck, n)
	}
	switch explained(all) {
	case illegal:
		v.Illegal = append(v.Illegal, n)
	case undecided:
		v.Undecided = append(v.Undecided, n)
	case legal:
	}
}

// Tell writes down what a journey's clients sent and were told, a line for each
// request, in the order of their starts.
func Tell(steps []Step, journey int) []string {
	var own []Step
	for _, s := range steps {
		if s.Journey == journey {
			own = append(own, s)
		}
	}
	slices.SortStableFunc(own, func(a, b Step) int { return cmp.Compare(a.Start, b.Start) })
	var lines []string
	for _, s := range own {
		line := fmt.Sprintf("%v to %v, member %d, step %d of %d, answers %08x: %v",
			s.Start.Round(time.Microsecond), s.End.Round(time.Microsecond), s.Member, s.Number, s.Of, uint32(s.Gave), s.Outcome) //nolint:gosec // its end will do
		if s.Outcome == OK {
			line += fmt.Sprintf(", %v %08x", s.Reply.Page, uint32(s.Reply.Shown)) //nolint:gosec // as above
		}
		if s.Watch {
			line += " (watcher)"
		}
		lines = append(lines, line)
	}
	return lines
}

// Suspects are the journeys whose history breaks a promise, ascending.
func (v JourneyVerdict) Suspects() []int {
	all := slices.Concat(v.Stuck, v.Illegal, v.Undecided)
	for _, f := range v.Faults {
		all = append(all, f.Journey)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// trace is what is known of one journey so far.
type trace struct {
	first   map[int]Step // the first acknowledgement of each question
	faults  []Fault
	refusal Step // the latest
}

func (t *trace) fault(kind FaultKind, s Step) {
	t.faults = append(t.faults, Fault{kind, s.Journey, s.Number, s.Member, s.End})
}

func (t *trace) add(s Step, all []Step) {
	first, acknowledged := t.first[s.Number]
	switch {
	case s.Outcome == OK:
		if !acknowledged {
			t.first[s.Number] = s
		}
		switch {
		case acknowledged && (first.Gave != s.Gave || s.Reply.Page == Session && first.Reply != s.Reply):
			t.fault(Doubled, s)
		case !s.told():
			t.fault(RolledBack, s)
		}
	case !s.Outcome.denied():
	case s.Number == 0:
		t.fault(Repelled, s)
	default:
		t.refusal = s
		switch {
		case excused(s, all):
		case acknowledged && first.Gave == s.Gave && first.End < s.Start:
			t.fault(Repelled, s)
		default:
			t.fault(Lost, s)
		}
	}
}

// excused reports whether a refusal can be right: other answers to the question
// can have been taken before it ended, or the answer to a later one.
func excused(s Step, all []Step) bool {
	return slices.ContainsFunc(all, func(o Step) bool {
		taken := o.Start < s.End && (o.Outcome == OK || o.Outcome.open())
		return taken && (o.Number > s.Number || o.Number == s.Number && o.Gave != s.Gave)
	})
}

// exhausted reports whether a journey stands at a question for which every answer
// that was given was refused. Each refusal may have an excuse in the other
// answers; all of them together have none.
func (t *trace) exhausted(all []Step) bool {
	if t.refusal.Number == 0 || len(t.faults) > 0 {
		return false
	}
	refused := map[uint64]bool{}
	for _, s := range all {
		switch {
		case s.Number > t.refusal.Number, s.Number == t.refusal.Number && s.Outcome == OK:
			return false
		case s.Number == t.refusal.Number && s.Outcome != Refused:
			refused[s.Gave] = refused[s.Gave] || s.Outcome.denied()
		}
	}
	for _, is := range refused {
		if !is {
			return false
		}
	}
	return true
}

// Breaches lists the promises to journeys that the history breaks.
func (v JourneyVerdict) Breaches() []Breach {
	var b breaches
	for _, kind := range []struct {
		promise string
		kind    FaultKind
	}{{"P2", Lost}, {"P1", Repelled}, {"P2", RolledBack}, {"P3", Doubled}} {
		if i := slices.IndexFunc(v.Faults, func(f Fault) bool { return f.Kind == kind.kind }); i >= 0 {
			b.add(kind.promise, v.Count(kind.kind), "of %d journeys were %s, such as %v", v.Begun, kind.kind, v.Faults[i])
		}
	}
	b.add("P2", len(v.Stuck), "journeys were never answered to their end, such as %v", some(v.Stuck))
	b.add("P6", v.Broken, "answers to journeys are none that a member should give")
	// What is lost or doubled has such a history too, and was named above.
	unexplained := slices.DeleteFunc(slices.Clone(v.Illegal), func(n int) bool {
		return slices.ContainsFunc(v.Faults, func(f Fault) bool { return f.Journey == n })
	})
	b.add("P3", len(unexplained), "journeys have a history that nothing explains, such as %v", some(unexplained))
	b.add("P3", len(v.Undecided), "journeys have a history too entangled to decide, such as %v", some(v.Undecided))
	return b
}

// Err is nil when the history keeps every promise, and names what it breaks
// otherwise.
func (v JourneyVerdict) Err() error { return breaches(v.Breaches()).err() }
