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
	var ops []porcupine.Operation
	for _, s := range steps {
		if s.Number == 0 || s.Outcome == Refused {
			continue
		}
		end := int64(s.End)
		if s.Outcome.open() {
			end = math.MaxInt64
		}
		ops = append(ops, porcupine.Operation{Input: s, Call: int64(s.Start), Return: end})
	}
	return searched(porcupine.CheckOperationsTimeout(model, ops, searchLimit))
}
