package bench

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
)

// A journey under load is left behind after so many answers, or when it is so
// old: then the beginning weighs a hundredth, and no journey is older than a
// realm allows.
const (
	stepsOfJourney = 100
	ageOfJourney   = time.Minute
)

// Step answers pages of journeys that go on, and checks that each answer is the
// next page. The server's Loop asks for a name, a choice and a confirmation in
// turn, without end.
func Step(name string, s Server) Subject {
	return s.subject(name, func(ctx context.Context, r *ring) (func(context.Context) error, error) {
		w, err := walk(ctx, r, s)
		if err != nil {
			return nil, err
		}
		return w.step, nil
	})
}

// walker is one worker on its way through a journey.
type walker struct {
	ring  *ring
	pages []*page  // of the loop, in order
	full  [][]byte // the callbacks of each, answered

	authID  string // of the page that is asked now; empty: no journey
	at      int    // the index of that page
	answers int    // given to this journey
	begun   time.Time
}

// errStands says that a journey did not go on.
var errStands = errors.New("step: answered with the authId that was sent")

// walk learns the pages of a loop by going round once.
func walk(ctx context.Context, r *ring, s Server) (*walker, error) {
	s.Journey = s.Loop
	first, err := learn(ctx, r, s)
	if err != nil {
		return nil, err
	}
	w := &walker{ring: r}
	for p := first; ; {
		filled, err := p.walk(User{Name: "bench"})
		if err != nil {
			return nil, err
		}
		w.pages, w.full = append(w.pages, p), append(w.full, filled)
		status, body, err := r.post(ctx, request{path: first.path, body: answerTo(p.authID, filled)})
		if err != nil {
			return nil, err
		}
		next, err := read(first.path, status, body)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(next.callbacks, first.callbacks) {
			return w, nil
		}
		if slices.ContainsFunc(w.pages, func(old *page) bool { return bytes.Equal(old.callbacks, next.callbacks) }) {
			return nil, errors.New("step: the journey does not come back to its first page")
		}
		p = next
	}
}

// step answers one page.
func (w *walker) step(ctx context.Context) error {
	if w.authID == "" || w.answers == stepsOfJourney || time.Since(w.begun) > ageOfJourney {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	was := w.authID
	w.authID = "" // unless all goes well
	status, body, err := w.ring.post(ctx, request{path: w.pages[0].path, body: answerTo(was, w.full[w.at])})
	if err != nil {
		return err
	}
	next := (w.at + 1) % len(w.pages)
	got, ok := w.pages[next].authIDOf(status, body)
	if !ok {
		return wrong("step", status, body)
	}
	if got == was {
		return errStands
	}
	w.authID, w.at, w.answers = got, next, w.answers+1
	return nil
}

func (w *walker) begin(ctx context.Context) error {
	authID, err := w.pages[0].start(ctx, w.ring)
	if err != nil {
		return err
	}
	w.authID, w.at, w.answers, w.begun = authID, 0, 0, time.Now()
	return nil
}
