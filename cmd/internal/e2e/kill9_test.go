package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// TestKill9 kills a member with signal 9, again and again, while clients log
// in, validate and log out. After each restart everything that a client was
// told must still hold: a session is valid until its logout is acknowledged and
// never again after. What got no answer may have happened or not, but once: the
// last step of a journey, sent again, gives the one session of this journey,
// and no logout is undone by it.
func TestKill9(t *testing.T) {
	const workers = 8
	rounds := pick(100, 20, 4)
	p := newPlace(t)
	m := p.start(t)
	importUsers(t, m.client(t), "user", workers)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	books := make([]*ledger, workers)
	for i := range books {
		books[i] = &ledger{user: fmt.Sprint("user", i), random: rand.New(rand.NewPCG(seed, uint64(i)+1))}
	}
	var restarts []time.Duration
	for round := range rounds {
		c := m.client(t)
		var logins atomic.Int64
		var group sync.WaitGroup
		for _, b := range books {
			group.Go(func() { b.work(t, c, &logins) })
		}
		enough := int64(30 + random.IntN(100))
		eventually(t, time.Minute, fmt.Sprint(enough, " logins"), func() bool { return logins.Load() >= enough || t.Failed() })
		m.kill(t)
		group.Wait()
		c.Close()
		m = p.start(t)
		restarts = append(restarts, m.took)
		c = m.client(t)
		for _, b := range books {
			group.Go(func() { b.check(t, c) })
		}
		group.Wait()
		if t.Failed() {
			t.Fatalf("after kill %d of %d\n%s", round+1, rounds, m.log)
		}
	}
	m.terminate(t)
	m = p.start(t)
	for _, b := range books {
		b.check(t, m.client(t))
	}

	var all figures
	for _, b := range books {
		all.add(b.figures)
	}
	slices.Sort(restarts)
	t.Logf("%d kills: %d logins and %d logouts acknowledged; without answer %d logins (%d of them had made their session) and %d logouts (%d had ended it)",
		rounds, all.logins, all.logouts, all.lostLogins, all.madeLogins, all.lostLogouts, all.madeLogouts)
	t.Logf("%d validations under load, %d checks after restarts, %d last steps sent again", all.validations, all.checks, all.repeats)
	t.Logf("exec to ready: %v least, %v median, %v most", restarts[0], restarts[len(restarts)/2], restarts[len(restarts)-1])
	if all.lostLogins == 0 || all.logouts == 0 {
		t.Error("no login was in flight at any kill, or none was logged out: nothing was tested")
	}
}

// maxAlive is how many sessions a user keeps: a query lists 120 at most.
const maxAlive = 80

// ledger is what the clients of one user were told. One goroutine at a time
// works with it, so that nobody else ends its sessions.
type ledger struct {
	user    string
	random  *rand.Rand
	entries []*entry
	figures figures
}

// entry is one journey that was answered to its last step, and its session.
type entry struct {
	last  wire.Step // the last request: authId and answers
	token wire.TokenID
	state state
}

type state int

const (
	asked  state = iota // the last step was sent, no answer came
	alive               // the session was acknowledged
	ending              // its logout was sent, no answer came
	gone                // its logout was acknowledged
)

type figures struct {
	logins, logouts, validations, checks, repeats    int
	lostLogins, madeLogins, lostLogouts, madeLogouts int
}

func (f *figures) add(g figures) {
	f.logins += g.logins
	f.logouts += g.logouts
	f.validations += g.validations
	f.checks += g.checks
	f.repeats += g.repeats
	f.lostLogins += g.lostLogins
	f.madeLogins += g.madeLogins
	f.lostLogouts += g.lostLogouts
	f.madeLogouts += g.madeLogouts
}

// work logs in, validates and logs out until the member is gone.
func (b *ledger) work(t *testing.T, c *client.Client, logins *atomic.Int64) {
	for !t.Failed() {
		if err := b.login(t, c); err != nil {
			refused(t, "login", err)
			return
		}
		logins.Add(1)
		for range 2 {
			e := b.pick(alive)
			v, err := c.Validate(t.Context(), e.token)
			if err != nil {
				refused(t, "validate", err)
				return
			}
			b.figures.validations++
			if !v.Valid {
				t.Errorf("%s: an acknowledged session is not valid", b.user)
			}
		}
		ends := min(b.random.IntN(3), 1) // two of three logins
		if b.count(alive) > maxAlive {
			ends = 2
		}
		for range ends {
			if err := b.logout(t, c, b.pick(alive)); err != nil {
				refused(t, "logout", err)
				return
			}
		}
	}
}

// refused reports an answer where there should have been one, or none: a
// client with good credentials is never told that it is not authorised.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if e, ok := errors.AsType[*client.Error](err); ok {
		t.Errorf("%s: refused: %v", what, e)
	}
}

func (b *ledger) login(t *testing.T, c *client.Client) error {
	reply, err := c.Start(t.Context(), client.Journey{Tree: "Login"})
	if err != nil {
		return err
	}
	if err := client.Credentials(b.user, cheapPassword)(reply.Step); err != nil {
		return err
	}
	e := &entry{last: *reply.Step}
	b.entries = append(b.entries, e)
	reply, err = c.Next(t.Context(), "/", e.last)
	if err != nil {
		return err
	}
	if reply.Success == nil {
		return errors.New("the journey asks again")
	}
	e.token, e.state = reply.Success.TokenID, alive
	b.figures.logins++
	return nil
}

func (b *ledger) logout(t *testing.T, c *client.Client, e *entry) error {
	e.state = ending
	ended, err := c.Logout(t.Context(), e.token)
	if err != nil {
		return err
	}
	if !ended {
		t.Errorf("%s: logout of a live session ended none", b.user)
	}
	e.state = gone
	b.figures.logouts++
	v, err := c.Peek(t.Context(), e.token)
	if err == nil && v.Valid {
		t.Errorf("%s: valid after an acknowledged logout", b.user)
	}
	return err
}

// pick returns a random entry of a state; there is one.
func (b *ledger) pick(s state) *entry {
	var found []*entry
	for _, e := range b.entries {
		if e.state == s {
			found = append(found, e)
		}
	}
	return found[b.random.IntN(len(found))]
}

func (b *ledger) count(s state) int {
	n := 0
	for _, e := range b.entries {
		if e.state == s {
			n++
		}
	}
	return n
}

// newest returns the entry of a state that was made last: its authId has not
// expired. Nil when there is none.
func (b *ledger) newest(s state) *entry {
	for _, e := range slices.Backward(b.entries) {
		if e.state == s {
			return e
		}
	}
	return nil
}

// check compares a member that was started again with the ledger, and settles
// what got no answer.
func (b *ledger) check(t *testing.T, c *client.Client) {
	before, err := c.SessionsOf(t.Context(), "/", b.user)
	if err != nil {
		t.Errorf("sessions of %s: %v", b.user, err)
		return
	}
	known := 0
	for _, e := range b.entries {
		if e.state == asked {
			continue
		}
		is, err := c.Peek(t.Context(), e.token)
		if err != nil {
			t.Errorf("%s: validate after the restart: %v", b.user, err)
			return
		}
		b.figures.checks++
		switch {
		case e.state == ending && is.Valid:
			e.state = alive
			b.figures.lostLogouts++
		case e.state == ending:
			e.state = gone
			b.figures.lostLogouts++
			b.figures.madeLogouts++
		case e.state == alive && !is.Valid:
			t.Errorf("%s: an acknowledged session is lost", b.user)
		case e.state == gone && is.Valid:
			t.Errorf("%s: a session is back after its acknowledged logout", b.user)
		}
		if e.state == alive {
			known++
		}
	}
	b.figures.madeLogins += len(before) - known
	for _, e := range b.entries {
		if e.state == asked {
			b.repeat(t, c, e)
		}
	}
	for _, s := range []state{alive, gone} {
		if e := b.newest(s); e != nil {
			b.repeat(t, c, e)
		}
	}
	after, err := c.SessionsOf(t.Context(), "/", b.user)
	if err != nil {
		t.Errorf("sessions of %s: %v", b.user, err)
		return
	}
	if want := b.count(alive); len(after) != want {
		t.Errorf("%s has %d sessions, want %d: one from each journey that is not logged out", b.user, len(after), want)
	}
}

// repeat sends the last step of a journey again, as a client does that got no
// answer.
func (b *ledger) repeat(t *testing.T, c *client.Client, e *entry) {
	reply, err := c.Next(t.Context(), "/", e.last)
	b.figures.repeats++
	if e.state == gone {
		// A journey of which the session was ended is over: error 110.
		if !client.IsStatus(err, 401) {
			t.Errorf("%s: the last step after the logout: %+v, %v", b.user, reply, err)
		}
		if v, err := c.Peek(t.Context(), e.token); err != nil || v.Valid {
			t.Errorf("%s: its last step brought an ended session back (%v)", b.user, err)
		}
		return
	}
	if err != nil || reply.Success == nil {
		t.Errorf("%s: the last step, sent again: %+v, %v", b.user, reply, err)
		return
	}
	token := reply.Success.TokenID
	switch {
	case e.state == asked:
		e.token, e.state = token, alive
		b.figures.lostLogins++
		b.repeat(t, c, e)
	case token != e.token:
		t.Errorf("%s: the last step, sent again, gave another token", b.user)
	}
	if v, err := c.Peek(t.Context(), token); err != nil || !v.Valid {
		t.Errorf("%s: the token of a step sent again is not valid (%v)", b.user, err)
	}
}
