package chaos

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// travel takes one journey from its start to its session, each request at
// another member. rest is how long the client thinks between two steps, on
// average. A journey that is on its way when the load ends is left to
// FinishJourneys.
func (w *worker) travel(ctx context.Context, rest time.Duration) {
	w.load.mu.Lock()
	w.load.trips++
	t := &trip{route: routes()[w.random.IntN(len(routes()))], number: w.load.trips, begun: w.load.Now()}
	w.load.mu.Unlock()
	for ctx.Err() == nil && !t.over {
		w.advance(ctx, t)
		if !t.over {
			pause(ctx, rest/2+time.Duration(w.random.Int64N(int64(rest)+1)))
		}
	}
	if !t.over && t.at > 0 {
		w.load.mu.Lock()
		w.load.unfinished = append(w.load.unfinished, t)
		w.load.mu.Unlock()
	}
}

// advance answers the question that waits until it is answered, the answers are
// refused, or the load ends.
func (w *worker) advance(ctx context.Context, t *trip) {
	at, severed := t.at, 0
	for ctx.Err() == nil && !t.over && t.at == at {
		if w.load.Now()-t.begun > tripLife {
			t.over = true
			return
		}
		o := w.attempt(ctx, t)
		severed++
		if o != history.Refused && o != history.Cut {
			severed = 0
		}
		if o == history.Unavailable || o == history.Wrong || severed >= len(w.clients) {
			severed = 0
			w.breathe(ctx)
		}
	}
}

// outgoing is a request of a trip.
type outgoing struct {
	member int
	client *client.Client
	step   history.Step
	sent   *answers // nil for a start
}

// returned is what came of it.
type returned struct {
	outgoing
	reply wire.Reply
	shown string
}

// attempt sends the question's answers to a member, or to begin with sometimes
// two different ones to two members. The first that is acknowledged counts;
// then the other may still be under way.
func (w *worker) attempt(ctx context.Context, t *trip) history.Outcome {
	if t.asked == 0 {
		t.asked = w.load.Now()
	}
	first := len(t.sent) == 0
	out := []outgoing{w.outgoing(t)}
	if out[0].sent == nil && t.at > 0 {
		t.over = true
		return history.Unauthorized
	}
	if first && t.at > 0 && w.random.Float64() < w.load.cfg.Hedged {
		t.anew(w.random, w.load.cfg.Users, w.load.password)
		out = append(out, w.outgoing(t))
	}
	if len(out) == 1 {
		r := w.send(ctx, t, out[0])
		w.settle(ctx, t, r)
		return r.step.Outcome
	}
	answered := make(chan returned, len(out))
	for _, o := range out {
		w.late.Go(func() { answered <- w.send(ctx, t, o) })
	}
	var r returned
	for range out {
		r = <-answered
		w.settle(ctx, t, r)
		if r.step.Outcome == history.OK {
			break
		}
	}
	return r.step.Outcome
}

// outgoing makes the next request of a trip.
func (w *worker) outgoing(t *trip) outgoing {
	o := outgoing{member: w.turn(), step: history.Step{Journey: t.number, Number: t.at, Of: t.of}}
	o.client = w.clients[o.member]
	if t.at > 0 {
		if o.sent = t.choose(w.random, w.load.cfg.Users, w.load.password); o.sent != nil {
			o.step.Gave = w.load.fingerprint(o.sent.text)
		}
	}
	return o
}

// send makes one request of a trip. Like other requests it is not cut short when
// the load ends.
func (w *worker) send(ctx context.Context, t *trip, o outgoing) returned {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.load.cfg.StepTimeout)
	defer cancel()
	busy := &w.load.targets()[o.member].busy
	busy.Add(1)
	defer busy.Add(-1)
	r, full := w.load.send(ctx, t.tree, o)
	if full {
		w.stop(ErrFull)
	}
	return r
}

// send makes one request of a journey and records it.
func (l *Load) send(ctx context.Context, tree string, o outgoing) (r returned, full bool) {
	r.outgoing = o
	var err error
	r.step.Member, r.step.Start = o.member, l.Now()
	if o.sent == nil {
		r.reply, err = o.client.Start(ctx, client.Journey{Realm: l.cfg.Realm, Tree: tree})
	} else {
		r.reply, err = o.client.Next(ctx, l.cfg.Realm, o.sent.step)
	}
	if err == nil {
		r.step.Reply, r.shown, err = l.shown(r.reply)
	}
	r.step.End, r.step.Outcome = l.Now(), outcome(err)
	if errors.Is(ctx.Err(), context.Canceled) { // a watcher's, when the load ends
		return r, false
	}
	return r, l.addStep(r.step, err)
}

// settle draws the consequences of an answer for the trip.
func (w *worker) settle(ctx context.Context, t *trip, r returned) {
	switch {
	case r.step.Outcome == history.Unauthorized && r.sent != nil:
		r.sent.refused = true
	case r.step.Outcome == history.Unauthorized:
		t.over = true
	case r.step.Outcome != history.OK:
	case r.step.Reply.Page == history.Session:
		t.over = true
		if r.sent != nil {
			w.arrive(ctx, t, r)
		}
	default:
		given := ""
		if r.sent != nil {
			given = r.sent.text
			w.load.mu.Lock()
			w.load.taken.post(r.outgoing)
			w.load.mu.Unlock()
		}
		t.take(r.reply, given, r.shown)
	}
}

// arrive posts the session that a journey ended in, for others to read and to
// end, and asks another member for it first.
func (w *worker) arrive(ctx context.Context, t *trip, r returned) {
	s := session{number: w.number(), token: r.reply.Success.TokenID, user: r.sent.text}
	if w.load.add(history.Op{
		Kind: history.Login, Member: r.step.Member, Session: s.number, Token: r.step.Reply.Shown, Start: t.asked, End: r.step.End,
	}, nil) {
		w.stop(ErrFull)
	}
	w.validate(ctx, s)
	w.load.mu.Lock()
	w.load.board.post(s)
	w.load.mu.Unlock()
}

// FinishJourneys takes all journeys to their ends that were on their way when the
// load ended. It belongs after Run, when all faults have healed; those that have
// no end when ctx ends stay as they are.
func (l *Load) FinishJourneys(ctx context.Context) error {
	l.mu.Lock()
	left := l.unfinished
	l.unfinished = nil
	l.mu.Unlock()
	next := make(chan *trip, len(left))
	for _, t := range left {
		next <- t
	}
	close(next)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group errgroup.Group
	for i := range finalReaders {
		w := l.worker(1<<20+i, stop)
		group.Go(func() error {
			defer w.close()
			for t := range next {
				for ctx.Err() == nil && !t.over {
					w.advance(ctx, t)
				}
			}
			return nil
		})
	}
	return group.Wait()
}
