package chaos

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// Answers that the journey of the load never gives.
var (
	errNoStep  = errors.New("the journey began with something else than its page")
	errNoToken = errors.New("the last step gave no token")
	errOther   = errors.New("the session is another user's")
)

// worker is one client: it does one thing after the other.
type worker struct {
	load    *Load
	clients []*client.Client
	random  *rand.Rand
	next    int // the member whose turn it is
	stop    context.CancelCauseFunc
	late    sync.WaitGroup // requests whose answer nobody waits for
}

func (l *Load) worker(i int, stop context.CancelCauseFunc) *worker {
	return &worker{load: l, random: rand.New(rand.NewPCG(l.cfg.Seed, uint64(i))), next: i, stop: stop} //nolint:gosec // choices, not secrets
}

func (w *worker) close() {
	w.late.Wait()
	for _, c := range w.clients {
		c.Close()
	}
}

// turn chooses the member of the next request: the next in turn at which not
// more than a fair share of the busy workers wait already, else the one at which
// the fewest wait.
func (w *worker) turn() int {
	members := w.load.targets()
	for _, m := range members[len(w.clients):] {
		w.clients = append(w.clients, w.load.client(m.base))
	}
	workers := w.load.cfg.Writers + w.load.cfg.Readers + w.load.cfg.Journeys
	fair := int64((workers + len(members) - 1) / len(members))
	least, waiting := 0, int64(math.MaxInt64)
	for i := range members {
		next := (w.next + 1 + i) % len(members)
		busy := members[next].busy.Load()
		if busy < waiting {
			least, waiting = next, busy
		}
		if busy < fair {
			break
		}
	}
	w.next = least
	return least
}

// request makes one request at a member and records it. It is not cut short
// when the load ends: only its timeout is.
func (w *worker) request(ctx context.Context, member int, op history.Op, do func(context.Context, *client.Client, *history.Op) error) history.Outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.load.cfg.Timeout)
	defer cancel()
	busy := &w.load.targets()[member].busy
	busy.Add(1)
	defer busy.Add(-1)
	op.Member, op.Start = member, w.load.Now()
	err := do(ctx, w.clients[member], &op)
	op.End = w.load.Now()
	if err != nil {
		op.Outcome = outcome(err)
	}
	if w.load.add(op, err) {
		w.stop(ErrFull)
	}
	return op.Outcome
}

// breathe waits for the next request.
func (w *worker) breathe(ctx context.Context) {
	mean := w.load.cfg.Pause
	pause(ctx, mean/2+time.Duration(w.random.Int64N(int64(mean))))
}

// tries is how often a client sends a request again that failed for now.
const tries = 4

// again says whether to send a request once more, and waits before.
func (w *worker) again(ctx context.Context, o history.Outcome, try int) bool {
	switch o {
	case history.OK, history.Gone, history.Unauthorized:
		return false
	case history.Unavailable, history.Refused, history.Cut, history.Timeout, history.Wrong:
	}
	w.breathe(ctx)
	return try+1 < tries && ctx.Err() == nil
}

// enter logs in. Whoever logs in does not log out as well: when the leader is
// gone all of them might wait for the one, and nobody would ask for the other.
func (w *worker) enter(ctx context.Context) {
	if s, ok := w.login(ctx); ok {
		w.load.mu.Lock()
		w.load.board.post(s)
		w.load.mu.Unlock()
	}
	w.breathe(ctx)
}

// leave logs out a session that somebody else has made. It takes its time: fewer
// sessions end than are made, so that there are always some to end, and in the
// end some to have been kept.
func (w *worker) leave(ctx context.Context) {
	w.breathe(ctx)
	w.breathe(ctx)
	w.load.mu.Lock()
	s, ok := w.load.board.take(w.random)
	w.load.mu.Unlock()
	if ok && ctx.Err() == nil {
		w.logout(ctx, s)
	}
}

// login makes a session, in one request or in two.
func (w *worker) login(ctx context.Context) (session, bool) {
	who := user(w.random.IntN(w.load.cfg.Users))
	if w.random.IntN(2) == 0 {
		s := session{number: w.number()}
		o := w.request(ctx, w.turn(), history.Op{Kind: history.Login, Session: s.number},
			func(ctx context.Context, c *client.Client, op *history.Op) error {
				reply, err := c.Start(ctx, client.Journey{Realm: w.load.cfg.Realm, Tree: journey, Username: who, Password: w.load.password})
				return w.finish(reply, err, op, &s)
			})
		return s, o == history.OK
	}
	step := w.begin(ctx)
	if step == nil {
		return session{}, false
	}
	if err := client.Credentials(who, w.load.password)(step); err != nil {
		return session{}, false
	}
	s := session{number: w.number()}
	if w.random.Float64() < w.load.cfg.Hedged && w.hedge(ctx, *step, &s) {
		return s, true
	}
	for try := 0; ; try++ {
		o := w.answer(ctx, w.turn(), *step, &s)
		if !w.again(ctx, o, try) {
			return s, o == history.OK
		}
	}
}

// number is that of a new session.
func (w *worker) number() int {
	w.load.mu.Lock()
	defer w.load.mu.Unlock()
	w.load.numbers++
	return w.load.numbers
}

// begin asks for the journey's page; nil when no member gives it.
func (w *worker) begin(ctx context.Context) (step *wire.Step) {
	for try := 0; ; try++ {
		o := w.request(ctx, w.turn(), history.Op{Kind: history.Begin}, func(ctx context.Context, c *client.Client, _ *history.Op) error {
			reply, err := c.Start(ctx, client.Journey{Realm: w.load.cfg.Realm, Tree: journey})
			if step = reply.Step; err == nil && step == nil {
				err = errNoStep
			}
			return err
		})
		if !w.again(ctx, o, try) {
			return step
		}
	}
}

// answer sends the journey's last step.
func (w *worker) answer(ctx context.Context, member int, step wire.Step, s *session) history.Outcome {
	return w.request(ctx, member, history.Op{Kind: history.Login, Session: s.number},
		func(ctx context.Context, c *client.Client, op *history.Op) error {
			reply, err := c.Next(ctx, w.load.cfg.Realm, step)
			return w.finish(reply, err, op, s)
		})
}

// hedge sends the last step to two members at once and waits for both, so that
// no answer of the second can meet what the client does next.
func (w *worker) hedge(ctx context.Context, step wire.Step, s *session) bool {
	first := w.turn()
	second := w.turn()
	twin := *s
	var group sync.WaitGroup
	var o history.Outcome
	group.Go(func() { o = w.answer(ctx, second, step, &twin) })
	ok := w.answer(ctx, first, step, s) == history.OK
	group.Wait()
	if !ok && o == history.OK {
		*s, ok = twin, true
	}
	return ok
}

// finish takes the token from the answer to a login.
func (w *worker) finish(reply wire.Reply, err error, op *history.Op, s *session) error {
	switch {
	case err != nil:
		return err
	case reply.Success == nil || reply.Success.TokenID == "":
		return errNoToken
	}
	s.token = reply.Success.TokenID
	op.Token = w.load.fingerprint(string(s.token))
	return nil
}

// logout ends a session and then asks every member for it.
func (w *worker) logout(ctx context.Context, s session) {
	for try := 0; ; try++ {
		o := w.request(ctx, w.turn(), history.Op{Kind: history.Logout, Session: s.number},
			func(ctx context.Context, c *client.Client, op *history.Op) error {
				ended, err := c.Logout(ctx, s.token)
				if err == nil && !ended {
					op.Outcome = history.Gone
				}
				return err
			})
		if w.again(ctx, o, try) {
			continue
		}
		if o != history.OK {
			return
		}
		break
	}
	w.load.mu.Lock()
	w.load.board.bury(s)
	w.load.mu.Unlock()
	for range w.clients {
		w.validate(ctx, s)
	}
}

func (w *worker) validate(ctx context.Context, s session) {
	w.request(ctx, w.turn(), history.Op{Kind: history.Validate, Session: s.number},
		func(ctx context.Context, c *client.Client, op *history.Op) error {
			v, err := c.Validate(ctx, s.token)
			switch {
			case err != nil:
			case !v.Valid:
				op.Outcome = history.Gone
			case s.user != "" && v.UID != s.user:
				err = errOther
			}
			return err
		})
}

// read validates a session that somebody has posted.
func (w *worker) read(ctx context.Context) {
	w.breathe(ctx)
	w.load.mu.Lock()
	s, ok := w.load.board.pick(w.random)
	w.load.mu.Unlock()
	if ok && ctx.Err() == nil {
		w.validate(ctx, s)
	}
}
