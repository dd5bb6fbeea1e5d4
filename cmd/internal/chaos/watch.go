package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/client"
)

// watchTimeout bounds a watcher's read: a member that has to wait says nothing
// wrong, and the watcher has more to ask. watchLook is how often new members are
// looked for.
const (
	watchTimeout = time.Second
	watchLook    = 100 * time.Millisecond
)

// watch runs the watchers of all members, also of those that are added, until
// ctx ends.
func (l *Load) watch(ctx context.Context, stop context.CancelCauseFunc) {
	var group sync.WaitGroup
	defer group.Wait()
	for ctx.Err() == nil {
		for i, m := range l.targets() {
			if m.watched {
				continue
			}
			m.watched = true
			for n := range l.cfg.Watchers {
				seed := uint64(1+i)<<32 | uint64(n)                     //nolint:gosec // small numbers
				random := rand.New(rand.NewPCG(l.cfg.Seed, 1<<62|seed)) //nolint:gosec // choices, not secrets
				group.Go(func() { l.watchMember(ctx, i, m.base, random, stop) })
			}
		}
		pause(ctx, watchLook)
	}
}

// watchMember is one watcher.
func (l *Load) watchMember(ctx context.Context, member int, base string, random *rand.Rand, stop context.CancelCauseFunc) {
	c := l.client(base)
	defer c.Close()
	for ; ctx.Err() == nil; pause(ctx, l.cfg.WatchPause) {
		l.mu.Lock()
		s, known := l.board.watch(random)
		o, taken := l.taken.watch(random)
		l.mu.Unlock()
		if known && l.watchOnce(ctx, c, member, s) || taken && l.watchStep(ctx, c, member, o) {
			stop(ErrFull)
		}
	}
}

// watchStep sends answers that a journey took a moment ago once more. What the
// member must not do is refuse them because it cannot ask the others; so it gets
// the time to say that.
func (l *Load) watchStep(ctx context.Context, c *client.Client, member int, o outgoing) (full bool) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	o.member, o.client, o.step.Watch, o.step.Reply = member, c, true, history.Reply{}
	_, full = l.send(ctx, "", o)
	return full
}

func (l *Load) watchOnce(ctx context.Context, c *client.Client, member int, s session) (full bool) {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	op := history.Op{Kind: history.Validate, Watch: true, Member: member, Session: s.number, Start: l.Now()}
	v, err := c.Peek(ctx, s.token)
	if errors.Is(ctx.Err(), context.Canceled) { // the load ends, which is no outcome
		return false
	}
	op.End, op.Outcome = l.Now(), read(v, err)
	return l.add(op, err)
}
