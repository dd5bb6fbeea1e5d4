package cts

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"sojourn/cts/session"
)

// seedsVariable sets how many seeds TestFaults runs, firstVariable which is the
// first.
const (
	seedsVariable = "CTS_TEST_SEEDS"
	firstVariable = "CTS_TEST_FIRST_SEED"
)

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Under random faults no session is lost, none is valid after its end, and none
// is said not to exist while it does.
func TestFaults(t *testing.T) {
	seeds, first := number(t, seedsVariable, 6), number(t, firstVariable, 1)
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
				c.formed(3)
				h := &history{sessions: map[session.ID]*fate{}}
				stop := make(chan struct{})
				var clients sync.WaitGroup
				for client := range uint64(6) {
					clients.Go(func() { c.client(t, h, rand.New(rand.NewPCG(seed, client)), client, stop) }) //nolint:gosec // a test's
				}
				c.suffer(rand.New(rand.NewPCG(seed, 99))) //nolint:gosec // a test's
				close(stop)
				clients.Wait()
				c.recover(t)
				h.check(t, c)
				t.Logf("%d logins, %d logouts, %d reads, %d refused", h.logins, h.logouts, h.reads, h.refused)
			})
		})
	}
}

// suffer brings faults upon the cluster for some time.
func (c *cluster) suffer(r *rand.Rand) {
	all := []string{"a", "b", "c"}
	for range 6 {
		name := all[r.IntN(3)]
		other := all[r.IntN(3)]
		switch r.IntN(5) {
		case 0:
			c.isolate(name)
		case 1:
			c.net.CutOneWay(name, other)
		case 2:
			c.kill(name)
		case 3:
			c.stop(name)
		case 4: // whoever leads
			for _, n := range c.names() {
				if c.member(n).writes.term.Load() != 0 {
					name = n
				}
			}
			c.isolate(name)
		}
		time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
		c.recoverFrom()
		time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
	}
}

func (c *cluster) recoverFrom() {
	c.heal()
	for _, name := range []string{"a", "b", "c"} {
		if c.member(name) == nil {
			c.start(name)
		}
	}
}

func (c *cluster) recover(t *testing.T) {
	t.Helper()
	c.recoverFrom()
	c.formed(3)
}

// fate is what clients were told about a session.
type fate struct {
	mu     sync.Mutex
	index  uint64
	ending bool // somebody has begun to end it
	ended  bool // and was told that it is
}

type history struct {
	mu                              sync.Mutex
	sessions                        map[session.ID]*fate
	ids                             []session.ID
	logins, logouts, reads, refused int
}

func (h *history) count(n *int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*n++
}

func (h *history) any(r *rand.Rand) (session.ID, *fate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ids) == 0 {
		return session.ID{}, nil
	}
	id := h.ids[max(0, len(h.ids)-1-r.IntN(40))]
	return id, h.sessions[id]
}

func (c *cluster) client(t *testing.T, h *history, r *rand.Rand, client uint64, stop <-chan struct{}) {
	for n := uint64(0); ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
		m := c.member([]string{"a", "b", "c"}[r.IntN(3)])
		if m == nil {
			continue
		}
		switch r.IntN(5) {
		case 0:
			made, err := m.Create(t.Context(), session.Creation{Session: aSession(client*1_000_000+n, time.Now())})
			if err != nil {
				h.refuse(t, "login", err)
				continue
			}
			h.mu.Lock()
			h.sessions[made.Session.ID] = &fate{index: made.Index}
			h.ids = append(h.ids, made.Session.ID)
			h.logins++
			h.mu.Unlock()
		case 1:
			if id, f := h.any(r); f != nil {
				f.mu.Lock()
				f.ending = true
				f.mu.Unlock()
				if _, err := m.Delete(t.Context(), session.Logout, id); err != nil {
					h.refuse(t, "logout", err)
					continue
				}
				f.mu.Lock()
				f.ended = true
				f.mu.Unlock()
				h.count(&h.logouts)
			}
		default:
			if id, f := h.any(r); f != nil {
				h.read(t, m, id, f)
			}
		}
	}
}

func (h *history) refuse(t *testing.T, what string, err error) {
	if unavailableReason(err) == "" {
		t.Errorf("%s: %v", what, err)
	}
	h.count(&h.refused)
}

// read validates a session and compares with what may be said.
func (h *history) read(t *testing.T, m *member, id session.ID, f *fate) {
	f.mu.Lock()
	endedBefore := f.ended
	f.mu.Unlock()
	_, err := m.Session(t.Context(), id, f.index)
	f.mu.Lock()
	endingAfter := f.ending
	f.mu.Unlock()
	switch {
	case err == nil && endedBefore:
		t.Errorf("%v: %s calls session %v valid that has ended", time.Now(), m.config.Name, id)
	case errors.Is(err, session.ErrNotFound) && !endingAfter:
		t.Errorf("%v: %s says that session %v does not exist", time.Now(), m.config.Name, id)
	case err != nil && !errors.Is(err, session.ErrNotFound):
		h.refuse(t, "read", err)
	}
	h.count(&h.reads)
}

// check reads everything at every member, when all is well again.
func (h *history) check(t *testing.T, c *cluster) {
	for _, name := range c.names() {
		for _, id := range h.ids {
			h.read(t, c.member(name), id, h.sessions[id])
		}
	}
	if h.logins < 50 || h.logouts < 20 || h.reads < 200 {
		t.Errorf("too little was done: %d logins, %d logouts, %d reads", h.logins, h.logouts, h.reads)
	}
}
