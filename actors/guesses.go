package actors

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

const (
	// maxGuesses is how many checks of a member may wait for a permit: half of
	// the requests that it works on at a time by default.
	maxGuesses = 1024
	// thinking is how long a guess waits while no permit is used for a check:
	// all are held by journeys that erred and were asked again, and people are
	// slow.
	thinking = time.Second
	// firstLook and longestLook are how long a guess waits before it asks for a
	// permit again; the time between doubles. One that is given back at this
	// member is asked for at once.
	firstLook   = 4 * time.Millisecond
	longestLook = 128 * time.Millisecond
	// settleTimeout bounds the wait for the store to take a verdict. A permit
	// whose verdict it did not take is kept until it expires.
	settleTimeout = 5 * time.Second
)

// guesses takes permits for password checks under a realm's lockout. Of the
// guesses at one user's password that find none, one asks the store for the
// next, and the others stand in line behind it.
type guesses struct {
	users Users
	rand  io.Reader

	mu      sync.Mutex
	lines   map[string]*line // by realm and user
	waiting int
}

// line are the guesses at one user's password that wait here, the oldest first.
type line struct {
	turns []chan struct{} // closed when it is this guess's turn to ask
	freed chan struct{}   // has room for one
}

// checking is an attempt at a guess, with its permit.
type checking struct {
	realm realm.Name
	user  string
	guess identity.Guess
	run   uint64
	by    time.Time // the check is not begun later
}

func (a checking) line() string { return string(a.realm) + "\x00" + identity.Key(a.user) }

// take asks for a permit until it gets one or is told that there will be none.
// It returns the identity as the permit found it.
func (g *guesses) take(ctx context.Context, r realm.Name, who identity.Identity, guess identity.Guess) (checking, identity.Permission, identity.Identity, error) {
	a := checking{realm: r, user: who.Name, guess: guess}
	// A journey that has a permit already depends on nobody; others do not
	// overtake those that wait.
	own := slices.ContainsFunc(who.Permits, func(p identity.Permit) bool { return p.Journey == guess.Journey })
	if own || !g.anyWaiting(a.line()) {
		if p, now, err := g.try(ctx, &a); err != nil || p != identity.Full {
			return a, p, now, err
		}
	}
	l, turn, err := g.join(a.line())
	if err != nil {
		return a, identity.Full, who, err
	}
	defer g.leave(a.line(), l, turn)
	busy := time.Now()
	select {
	case <-turn:
	case <-ctx.Done():
		return a, identity.Full, who, tooLong(ctx)
	}
	for look := firstLook; ; look = min(2*look, longestLook) {
		p, now, err := g.try(ctx, &a)
		if err != nil || p != identity.Full {
			return a, p, now, err
		}
		if slices.ContainsFunc(now.Permits, func(p identity.Permit) bool { return p.Run != 0 }) {
			busy = time.Now()
		} else if time.Since(busy) > thinking {
			return a, p, now, identity.ErrOverloaded
		}
		timer := time.NewTimer(look/2 + time.Duration(a.run%uint64(look))) //nolint:gosec // look is positive
		select {
		case <-l.freed:
			look = firstLook
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return a, identity.Full, now, tooLong(ctx)
		}
	}
}

func tooLong(ctx context.Context) error {
	return fmt.Errorf("wait until a password may be checked: %w", context.Cause(ctx))
}

// try asks the store once. Each attempt is a run of its own.
func (g *guesses) try(ctx context.Context, a *checking) (identity.Permission, identity.Identity, error) {
	var random [8]byte
	if _, err := io.ReadFull(g.rand, random[:]); err != nil {
		return identity.Full, identity.Identity{}, fmt.Errorf("draw the number of a password check: %w", err)
	}
	a.run = binary.BigEndian.Uint64(random[:]) | 1
	at := time.Now()
	a.by = at.Add(identity.CheckTime)
	reserve := identity.Reserve{Journey: a.guess.Journey, Attempt: a.guess.Attempt, Run: a.run, At: at, Policy: a.guess.Policy}
	now, err := g.users.UpdateIdentity(ctx, a.realm, a.user, identity.Once{Key: a.guess.Key, Until: a.guess.Until, Change: reserve})
	if err != nil {
		return identity.Full, now, err
	}
	return reserve.Permission(now), now, nil
}

// settle tells the store what an attempt found, and returns what is stored then.
// It goes on when the request has ended: nobody else knows.
func (g *guesses) settle(ctx context.Context, a checking, verdict identity.Settlement) (identity.Identity, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	settle := identity.Settle{Journey: a.guess.Journey, Run: a.run, Verdict: verdict, Until: a.guess.Until}
	now, err := g.users.UpdateIdentity(ctx, a.realm, a.user, identity.Once{Key: a.guess.Key, Until: a.guess.Until, Change: settle})
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.lines[a.line()]; l != nil && verdict != identity.Wrong {
		select {
		case l.freed <- struct{}{}:
		default:
		}
	}
	return now, err
}

func (g *guesses) anyWaiting(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lines[name] != nil
}

// join takes the last place in a line.
func (g *guesses) join(name string) (*line, chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting >= maxGuesses {
		return nil, nil, identity.ErrOverloaded
	}
	g.waiting++
	l := g.lines[name]
	if l == nil {
		l = &line{freed: make(chan struct{}, 1)}
		g.lines[name] = l
	}
	turn := make(chan struct{})
	if l.turns = append(l.turns, turn); len(l.turns) == 1 {
		close(turn)
	}
	return l, turn, nil
}

// leave gives a place up; the next in line has its turn.
func (g *guesses) leave(name string, l *line, turn chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting--
	at := slices.Index(l.turns, turn)
	l.turns = slices.Delete(l.turns, at, at+1)
	switch {
	case len(l.turns) == 0:
		delete(g.lines, name)
	case at == 0:
		close(l.turns[0])
	}
}

// guarded is a password check that waits for its permit.
func (e *Embedded) guarded(ctx context.Context, r realm.Name, who identity.Identity, password identity.Secret, guess identity.Guess) (identity.Verdict, identity.Identity, error) {
	a, permission, now, err := e.guesses.take(ctx, r, who, guess)
	if errors.Is(err, identity.ErrNotFound) { // deleted meanwhile
		permission, err = identity.Known, nil
	}
	switch {
	case err != nil:
		return identity.Mismatch, identity.Identity{}, err
	case permission == identity.Known:
		return identity.Mismatch, who, nil
	case permission == identity.Refused:
		_, err := e.hashing.Verify(ctx, e.decoy, password)
		return identity.Locked, now, err
	}
	turn, cancel := context.WithDeadline(ctx, a.by)
	ok, err := e.verify(turn, now.Hash, password)
	cancel()
	if err != nil { // nothing was computed
		_, _ = e.guesses.settle(ctx, a, identity.Undone) // at worst the permit is kept until it expires
		return identity.Mismatch, identity.Identity{}, err
	}
	e.checked.Add(1)
	verdict, settlement := identity.Mismatch, identity.Wrong
	if ok {
		verdict, settlement = identity.Match, identity.Right
	}
	if settled, err := e.guesses.settle(ctx, a, settlement); err == nil {
		now = settled
	} else {
		e.unsettled.Add(1)
	}
	if ok && now.Locked(time.Now()) {
		verdict = identity.Barred
	}
	return verdict, now, nil
}
