package history

import (
	"math"

	"github.com/anishathalye/porcupine"
)

// place is the state of a journey in the model: the last step that it took, with
// which answers, and the token that came of it, 0 while nobody has seen one.
type place struct {
	number int
	gave   uint64
	token  uint64
}

// after is the model of a journey that has begun: where it is after a request,
// and whether the request may have had its answer there.
//
//   - A step is taken once: by the first answers to the question that is asked.
//   - The same answers again get the same reply, while no further step is taken.
//   - All others are refused, and nothing else is.
//   - What has no answer takes the step if it can, at any time or never.
func (p place) after(s Step) (place, bool) {
	next := s.Number == p.number+1
	again := s.Number == p.number && s.Gave == p.gave
	switch {
	case s.Outcome == OK && (next || again):
		if next {
			p = place{number: s.Number, gave: s.Gave}
		}
		known := p.token
		if s.Reply.Page == Session {
			p.token = s.Reply.Shown
		}
		return p, s.told() && (known == 0 || known == p.token)
	case s.Outcome.denied():
		return p, s.Number < p.number || s.Number == p.number && !again
	case s.Outcome.open() && next:
		return place{number: s.Number, gave: s.Gave}, true
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
