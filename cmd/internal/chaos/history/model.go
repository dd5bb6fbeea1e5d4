package history

import (
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// phase is the state of a session in the model. A logout is no instant: while
// it is on its way one member may already say "gone" and another still "valid".
// So it is two operations over one interval, live to dying and dying to dead,
// and a dying session may be called either. A model with one step is refuted by
// a correct cluster.
type phase uint8

const (
	absent phase = iota
	live
	dying
	dead
)

// move is an operation of the model.
type move uint8

const (
	create move = iota
	readValid
	readGone
	leave  // the first half of a logout
	finish // the second half
)

// input is a move; when it is not known whether it was carried out it may do
// nothing, in every phase.
type input struct {
	move  move
	known bool
}

func next(p phase, in input) (phase, bool) {
	switch in.move {
	case create:
		if p == absent {
			return live, true
		}
		// The same journey again gives the same session, and brings none back.
		return p, p == live || !in.known
	case readValid:
		return p, p == live || p == dying
	case readGone:
		return p, p != live
	case leave:
		if p == live {
			return dying, true
		}
		return p, p != absent || !in.known
	case finish:
		if p == dying {
			return dead, true
		}
		return p, p == dead || p == absent && !in.known
	}
	panic("history: no such move")
}

type legality uint8

const (
	legal legality = iota
	illegal
	undecided
)

// searchLimit bounds the search for one session. A session has tens of
// operations of which a few overlap: microseconds.
const searchLimit = 10 * time.Second

// linearizable searches an order of a session's operations that the model
// explains and that keeps apart what did not overlap.
func linearizable(ops []Op) legality {
	model := porcupine.Model{
		Init: func() any { return absent },
		Step: func(state, in, _ any) (bool, any) {
			p, ok := next(state.(phase), in.(input))
			return ok, p
		},
	}
	return searched(porcupine.CheckOperationsTimeout(model, moves(ops), searchLimit))
}

func searched(r porcupine.CheckResult) legality {
	switch r {
	case porcupine.Ok:
		return legal
	case porcupine.Illegal:
		return illegal
	case porcupine.Unknown:
	}
	return undecided
}

// moves translates operations. What got no answer may still happen, or not, at
// any later time: it returns at infinity. A read without an answer says nothing.
func moves(ops []Op) []porcupine.Operation {
	var out []porcupine.Operation
	add := func(op Op, m move, known bool) {
		end := int64(op.End)
		if !known {
			end = math.MaxInt64
		}
		out = append(out, porcupine.Operation{Input: input{m, known}, Call: int64(op.Start), Return: end})
	}
	for _, op := range ops {
		known := op.Outcome == OK
		switch {
		case op.Outcome == Refused:
		case op.Kind != Login && op.Outcome.denied():
			add(op, readGone, true)
		case op.Outcome == Unauthorized: // a login that made no session
		case op.Kind == Login:
			add(op, create, known)
		case op.Kind == Logout:
			add(op, leave, known)
			add(op, finish, known)
		case op.Kind == Validate && known:
			add(op, readValid, true)
		}
	}
	return out
}
