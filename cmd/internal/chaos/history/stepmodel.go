package history

import (
	"encoding/binary"
	"math"

	"github.com/anishathalye/porcupine"
)

// place is the state of a journey in the model: the last step that it took, with
// which answers, and the token that came of it, 0 while nobody has seen one.
type place struct {
	number int
	gave   uint64
	token  uint64
	before string // the answers to the steps before, as bytes, so that places can be compared
}

// take is the place after a step.
func (p place) take(s Step) place {
	return place{number: s.Number, gave: s.Gave, before: p.before + string(binary.BigEndian.AppendUint64(nil, p.gave))}
}

// took reports whether the journey took these answers.
func (p place) took(s Step) bool {
	if s.Number == p.number {
		return s.Gave == p.gave
	}
	return s.Number < p.number && binary.BigEndian.Uint64([]byte(p.before[8*s.Number:])) == s.Gave
}

// after is the model of a journey that has begun: where it is after a request,
// and whether the request may have had its answer there.
//
//   - A step is taken once: by the first answers to the question that is asked.
//   - The same answers again get the same reply. Once a further step is taken they
//     may be refused as well: a replica that was not told of it yet knows no better,
//     and does no harm by saying what was true.
//   - All others are refused, and nothing else is.
//   - What has no answer takes the step if it can, at any time or never.
func (p place) after(s Step) (place, bool) {
	next := s.Number == p.number+1
	switch {
	case s.Outcome == OK && (next || p.took(s)):
		if next {
			p = p.take(s)
		}
		known := p.token
		if s.Reply.Page == Session {
			p.token = s.Reply.Shown
		}
		return p, s.told() && (known == 0 || known == p.token)
	case s.Outcome.denied():
		return p, s.Number < p.number || s.Number == p.number && !p.took(s)
	case s.Outcome.open() && next:
		return p.take(s), true
	}
	return p, s.Outcome != OK
}

// explained searches an order of a journey's requests that the model explains
// and that keeps apart what did not overlap.
func explained(steps []Step) legality {
	model := porcupine.Model{
		Init: func() any { return place{} },
		Step: func(state, in, _ any) (bool, any) {
			p, ok := state.(place).after(in.(Step))
			return ok, p
		},
	}
	type sent struct {
		number int
		gave   uint64
	}
	// A journey takes a step once. So of the requests without an answer that
	// carry the same answers the earliest can do all that any of them can, and
	// the search, which tries all their orders, is spared the others.
	open := map[sent]int{}
	var ops []porcupine.Operation
	for _, s := range steps {
		if s.Number == 0 || s.Outcome == Refused {
			continue
		}
		op := porcupine.Operation{Input: s, Call: int64(s.Start), Return: int64(s.End)}
		if !s.Outcome.open() {
			ops = append(ops, op)
			continue
		}
		op.Return = math.MaxInt64
		key := sent{s.Number, s.Gave}
		at, known := open[key]
		switch {
		case !known:
			open[key] = len(ops)
			ops = append(ops, op)
		case op.Call < ops[at].Call:
			ops[at] = op
		}
	}
	return searched(porcupine.CheckOperationsTimeout(model, ops, searchLimit))
}
