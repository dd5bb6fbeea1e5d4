package cts

import (
	"context"
	"sync"
	"time"

	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

const (
	// maxTouches bounds the latest accesses that wait to be written.
	maxTouches = 1 << 20
	// flushTimeout bounds one try to write them.
	flushTimeout = 10 * time.Second
)

// touches are the latest accesses that wait to be written.
type touches struct {
	mu      sync.Mutex
	pending map[session.ID]time.Time
}

// Touch notes an access of a session at now. It counts at once here, and is
// written at most once per the session's touch interval, some seconds later:
// what a crash loses is less than both together.
func (s *Store) Touch(id session.ID, now time.Time) {
	due, found := s.model.Touch(id, now)
	if !found {
		generation := s.model.Generation(id)
		stored, ok, err := s.read(id)
		if err != nil || !ok {
			return
		}
		s.model.Fill(stored, generation)
		due, _ = s.model.Touch(id, now)
	}
	if due {
		s.touches.add(id, now, &s.counts)
	}
}

func (t *touches) add(id session.ID, at time.Time, c *counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting, ok := t.pending[id]
	if !ok && len(t.pending) >= maxTouches {
		c.touchesDropped.Add(1)
		return
	}
	if at.After(waiting) {
		t.pending[id] = at
	}
}

// take removes and returns up to one command's worth.
func (t *touches) take() []command.Access {
	t.mu.Lock()
	defer t.mu.Unlock()
	accesses := make([]command.Access, 0, min(len(t.pending), command.MaxTouches))
	for id, at := range t.pending {
		if len(accesses) == command.MaxTouches {
			break
		}
		accesses = append(accesses, command.Access{ID: id, At: at})
		delete(t.pending, id)
	}
	return accesses
}

// flush writes all latest accesses that wait. What cannot be written waits on.
func (s *Store) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	for {
		accesses := s.touches.take()
		if len(accesses) == 0 {
			return
		}
		if _, err := s.write(ctx, peer.Touch{Accesses: accesses}); err != nil {
			for _, a := range accesses {
				s.touches.add(a.ID, a.At, &s.counts)
			}
			s.config.Log.Debug("latest accesses not written", "err", err)
			return
		}
		s.counts.touches.Add(uint64(len(accesses)))
	}
}

func (s *Store) flushTouches() {
	tick := time.NewTicker(s.config.FlushInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			s.flush()
		}
	}
}

// sweep deletes what has ended. Reads look at the clock themselves, so a late
// sweep makes no session live longer.
func (s *Store) sweep() {
	tick := time.NewTicker(s.config.SweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			for s.ctx.Err() == nil && s.sweepSome() {
			}
		}
	}
}

// sweepSome handles one command's worth of what is due and reports whether
// there may be more.
func (s *Store) sweepSome() bool {
	term := s.writes.term.Load()
	if term == 0 {
		return false
	}
	now := s.config.Now()
	dues, err := s.dues(now)
	if err != nil || len(dues) == 0 {
		return false
	}
	if _, err := s.do(s.ctx, command.Expire{At: now, Dues: dues}, false, term, nil); err != nil {
		s.config.Log.Debug("ended sessions not deleted", "err", err)
		return false
	}
	s.counts.swept.Add(uint64(len(dues)))
	return len(dues) == command.MaxExpire
}

func (s *Store) dues(now time.Time) (dues []command.Due, err error) {
	minute := command.Minute(now)
	err = s.view(func(v fsm.View) error {
		return v.Keys(command.DuePrefix(), nil, func(key []byte) (bool, error) {
			d, ok := command.ParseDue(key)
			if ok && d.Minute <= minute {
				dues = append(dues, d)
			}
			return ok && d.Minute <= minute && len(dues) < command.MaxExpire, nil
		})
	})
	return dues, err
}
