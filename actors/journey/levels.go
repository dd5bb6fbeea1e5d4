package journey

import (
	"sojourn/actors/node"
	"sojourn/actors/tree"
)

// AnyLevel is what a plan reaches that can add to its level again and again.
const AnyLevel = 1 << 30

// none is the level at a place that no journey comes to.
const none = -1 << 40

// MaxLevel is the highest authentication level with which a journey on the plan
// can succeed when it starts with the given one; ok is false when it can never
// succeed. It follows all connections, whatever the users do, inner trees
// included. A node that cannot run leads nowhere, and neither does the error
// outcome of an inner tree.
func (p *Plan) MaxLevel(start int) (level int, ok bool) {
	g := gains{p, make(map[string]ends, len(p.programs))}
	for name := range p.programs {
		g.ends[name] = ends{none, none}
	}
	// What an inner tree adds is known once those that it calls are known. Trees
	// that call each other in a circle, and gain by that, have no end to it.
	for round := 0; ; round++ {
		changed := false
		for name, program := range p.programs {
			was, is := g.ends[name], g.of(program)
			if is == was {
				continue
			}
			changed = true
			if round > len(p.programs) {
				is = ends{limitless(was.success, is.success), limitless(was.failure, is.failure)}
			}
			g.ends[name] = is
		}
		if !changed {
			break
		}
	}
	switch gain := g.ends[p.main.name].success; gain {
	case none:
		return 0, false
	case AnyLevel:
		return AnyLevel, true
	default:
		return start + gain, true
	}
}

// limitless is AnyLevel for what still grows.
func limitless(was, is int) int {
	if is > was && was != none {
		return AnyLevel
	}
	return is
}

// ends are the most that a run of a tree can gain up to its two ends.
type ends struct{ success, failure int }

type gains struct {
	plan *Plan
	ends map[string]ends
}

// of works out the ends of one program from those of the trees that it calls:
// the longest ways through a graph that may have circles.
func (g gains) of(p *program) ends {
	at := map[tree.NodeID]int{p.entry: 0}
	reach := func(id tree.NodeID, gain int) bool {
		was, known := at[id]
		if known && gain <= was {
			return false
		}
		at[id] = min(gain, AnyLevel)
		return at[id] != was || !known
	}
	// A way without circles has fewer steps than there are vertices. What grows
	// after that grows for ever, and so does what it leads to.
	for round := 0; ; round++ {
		changed := false
		for id, v := range p.vertices {
			gained, known := at[id]
			if !known || v.err != nil {
				continue
			}
			for outcome, next := range v.next {
				adds, passes := g.adds(v, outcome)
				if !passes {
					continue
				}
				to := plus(gained, adds)
				if was, known := at[next]; round > len(p.vertices) && known && to > was {
					to = AnyLevel
				}
				changed = reach(next, to) || changed
			}
		}
		if !changed {
			break
		}
	}
	out := ends{none, none}
	if gain, ok := at[tree.Success]; ok {
		out.success = gain
	}
	if gain, ok := at[tree.Failure]; ok {
		out.failure = gain
	}
	return out
}

// adds is what a vertex adds on its way to an outcome; passes is false when it
// never takes that.
func (g gains) adds(v *vertex, outcome tree.Outcome) (gain int, passes bool) {
	switch {
	case v.inner != nil:
		called := g.ends[v.inner.name]
		switch outcome {
		case node.True:
			gain = called.success
		case node.False:
			gain = called.failure
		default:
			return 0, false
		}
		return gain, gain != none
	case v.page != nil:
		for _, child := range v.page.children {
			gain = plus(gain, node.LevelGain(child.node))
		}
		return gain, true
	}
	return node.LevelGain(v.node), true
}

// plus adds levels; AnyLevel stays what it is.
func plus(a, b int) int {
	if a == AnyLevel || b == AnyLevel {
		return AnyLevel
	}
	return min(a+b, AnyLevel)
}
