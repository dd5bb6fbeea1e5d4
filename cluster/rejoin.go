package cluster

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"
)

const (
	// rejoinEvery is how often an absent address is tried, before Slow.
	rejoinEvery = time.Second
	// lookupTimeout bounds one lookup of a seed's host, before Slow.
	lookupTimeout = 2 * time.Second
	// quietFailures of an address in a row are expected while a cluster starts.
	quietFailures = 3
	// aliasAnswers in a row from an address that still is not a member's own
	// make it another name of one, or a balancer: it is tried every aliasEvery
	// then. After a split two answers are needed.
	aliasAnswers = 5
	aliasEvery   = 10 * time.Second
	// maxTries is how many addresses are kept in mind: names may be looked up
	// to new ones for years.
	maxTries = 4 * MaxMembers
)

// tries is what rejoin knows of seeds and addresses.
type tries struct {
	mu    sync.Mutex
	known map[string]*try
}

type try struct {
	flying            bool
	failures, answers int // in a row
	next              time.Time
}

// rejoin meets the seeds, and the addresses of dead members, while they are
// absent: memberlist never speaks again to a member that it holds to be dead,
// so the two sides of a split would stay apart for ever.
func (m *Membership) rejoin() {
	tick := time.NewTicker(rejoinEvery * m.slow)
	defer tick.Stop()
	for {
		for _, address := range m.table.missing(time.Now()) {
			m.meet(address)
		}
		for _, seed := range m.config.Seeds {
			m.fly("seed "+seed, func() { m.meetSeed(seed) })
		}
		select {
		case <-tick.C:
		case <-m.ctx.Done():
			return
		}
		if m.leaving() {
			return
		}
	}
}

// meetSeed looks a seed up and meets every address behind it.
func (m *Membership) meetSeed(seed string) {
	ctx, cancel := context.WithTimeout(m.ctx, lookupTimeout*m.slow)
	defer cancel()
	addresses, err := resolve(ctx, m.config.Lookup, seed)
	if err != nil {
		if m.ctx.Err() == nil {
			m.notes.seldom(slog.LevelWarn, "seed cannot be looked up", "lookup "+seed, "seed", seed, "err", err)
		}
		return
	}
	for _, a := range addresses {
		m.meet(a.String())
	}
}

// meet exchanges states with whoever is at an absent address.
func (m *Membership) meet(address string) {
	if m.table.present(address) {
		return
	}
	m.fly(address, func() {
		_, err := m.list.Join([]string{address})
		if m.ctx.Err() != nil {
			return
		}
		failures := m.tries.count(address, err == nil, m.table.present(address), time.Now().Add(aliasEvery*m.slow))
		if failures >= quietFailures {
			m.notes.seldom(slog.LevelWarn, "member cannot be joined", "join "+address, "address", address, "err", plain(err))
		}
	})
}

// fly runs f on a goroutine of its own, unless one for key is under way or it
// is too early for the next.
func (m *Membership) fly(key string, f func()) {
	if !m.tries.start(key, time.Now()) {
		return
	}
	if !m.enter() {
		return
	}
	go func() {
		defer m.calls.Done()
		defer m.tries.end(key)
		f()
	}()
}

func (s *tries) start(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.known[key]
	if t == nil {
		if len(s.known) >= maxTries {
			maps.DeleteFunc(s.known, func(_ string, t *try) bool { return !t.flying })
		}
		t = &try{}
		s.known[key] = t
	}
	if t.flying || now.Before(t.next) {
		return false
	}
	t.flying = true
	return true
}

func (s *tries) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[key].flying = false
}

// count notes the outcome of a try of key, which is flying. It returns the
// failures in a row.
func (s *tries) count(key string, answered, present bool, late time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.known[key]
	switch {
	case !answered:
		t.failures++
		t.answers = 0
	case present:
		*t = try{flying: true}
	default:
		t.failures = 0
		if t.answers++; t.answers >= aliasAnswers {
			t.next = late
		}
	}
	return t.failures
}

// plain takes the errors out of memberlist's collection, which prints as lines.
func plain(err error) error {
	var all interface{ WrappedErrors() []error }
	if errors.As(err, &all) {
		return errors.Join(all.WrappedErrors()...)
	}
	return err
}
