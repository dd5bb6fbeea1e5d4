// Package model keeps decoded sessions in memory, so that a validation costs no
// look-up in Badger.
//
// The applier keeps it exact: it reports every change after it is committed
// and before it is published. A reader that missed fills in what it read, unless
// a change came between: Generation, then read, then Fill.
package model

import (
	"sync"
	"sync/atomic"
	"time"

	"sojourn/cts/session"
)

const (
	shardCount = 64
	// few is the size up to which one shard does.
	few = 1024
)

// Model holds up to a fixed number of sessions. All methods may be called
// concurrently.
type Model struct {
	shards []shard
	misses atomic.Uint64
}

// A shard evicts by a clock hand: an entry that was used since the hand passed
// it stays for another round.
type shard struct {
	mu         sync.RWMutex
	entries    map[session.ID]*entry
	ring       []*entry
	free       []int
	hand       int
	limit      int
	generation uint64
	_          [64]byte // a cache line of its own
}

type entry struct {
	session session.Session // but for LastAccess
	slot    int
	used    atomic.Bool
	last    atomic.Int64 // latest access, nanoseconds since 1970
	stored  atomic.Int64 // latest access that the store has or is about to
}

// New returns an empty model of at most limit sessions.
func New(limit int) *Model {
	n := shardCount
	if limit <= few {
		n = 1
	}
	m := &Model{shards: make([]shard, n)}
	for i := range m.shards {
		m.shards[i] = shard{entries: map[session.ID]*entry{}, limit: max(1, limit/n)}
	}
	return m
}

func (m *Model) shard(id session.ID) *shard { return &m.shards[int(id[15])%len(m.shards)] }

// Get returns a session with its exact latest access.
func (m *Model) Get(id session.ID) (session.Session, bool) {
	s := m.shard(id)
	s.mu.RLock()
	e := s.entries[id]
	s.mu.RUnlock()
	if e == nil {
		m.misses.Add(1)
		return session.Session{}, false
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.now(), true
}

func (e *entry) now() session.Session {
	found := e.session
	found.LastAccess = time.Unix(0, e.last.Load()).UTC()
	return found
}

// Generation counts the changes around an id. Take it before reading what is
// to be filled in.
func (m *Model) Generation(id session.ID) uint64 {
	s := m.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.generation
}

// Fill adds what was read from the store, unless something near it has changed
// since generation.
func (m *Model) Fill(found session.Session, generation uint64) {
	s := m.shard(found.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == generation && s.entries[found.ID] == nil {
		s.add(found)
	}
}

// Stored reports that the store has a session in this form.
func (m *Model) Stored(found session.Session) {
	s := m.shard(found.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	old := s.entries[found.ID]
	if old == nil {
		s.add(found)
		return
	}
	e := &entry{session: found, slot: old.slot}
	e.used.Store(true)
	e.last.Store(max(old.last.Load(), found.LastAccess.UnixNano()))
	e.stored.Store(max(old.stored.Load(), found.LastAccess.UnixNano()))
	s.ring[old.slot] = e
	s.entries[found.ID] = e
}

// Gone reports that the store has a session no more.
func (m *Model) Gone(id session.ID) {
	s := m.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	if e := s.entries[id]; e != nil {
		s.remove(e)
		s.free = append(s.free, e.slot)
	}
}

// Touched reports that the store knows of an access.
func (m *Model) Touched(id session.ID, at time.Time) {
	s := m.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	if e := s.entries[id]; e != nil {
		raise(&e.last, at.UnixNano())
		raise(&e.stored, at.UnixNano())
	}
}

// Clear forgets everything.
func (m *Model) Clear() {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.generation++
		clear(s.entries)
		s.ring, s.free, s.hand = nil, nil, 0
		s.mu.Unlock()
	}
}

// Touch notes an access. due says that it must be written to the store, which
// is said once per the session's touch interval; found, that the session is
// here.
func (m *Model) Touch(id session.ID, at time.Time) (due, found bool) {
	s := m.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock() // Stored copies the latest access under the lock
	e := s.entries[id]
	if e == nil {
		return false, false
	}
	raise(&e.last, at.UnixNano())
	for {
		stored := e.stored.Load()
		if !e.session.TouchDue(time.Unix(0, stored), at) {
			return false, true
		}
		if e.stored.CompareAndSwap(stored, at.UnixNano()) {
			return true, true
		}
	}
}

// Len is how many sessions are here.
func (m *Model) Len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}

// Misses counts calls of Get that found nothing.
func (m *Model) Misses() uint64 { return m.misses.Load() }

func raise(v *atomic.Int64, to int64) {
	for {
		old := v.Load()
		if old >= to || v.CompareAndSwap(old, to) {
			return
		}
	}
}

// add puts a session in, in the place of another when the shard is full.
func (s *shard) add(found session.Session) {
	e := &entry{session: found}
	e.last.Store(found.LastAccess.UnixNano())
	e.stored.Store(found.LastAccess.UnixNano())
	switch {
	case len(s.free) > 0:
		e.slot = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		s.ring[e.slot] = e
	case len(s.ring) < s.limit:
		e.slot = len(s.ring)
		s.ring = append(s.ring, e)
	default:
		e.slot = s.victim()
		s.remove(s.ring[e.slot])
		s.ring[e.slot] = e
	}
	s.entries[found.ID] = e
}

// victim moves the hand on to an entry that was not used since it last passed.
func (s *shard) victim() int {
	for {
		slot := s.hand
		s.hand = (s.hand + 1) % len(s.ring)
		if !s.ring[slot].used.Swap(false) {
			return slot
		}
	}
}

func (s *shard) remove(e *entry) {
	delete(s.entries, e.session.ID)
	s.ring[e.slot] = nil
}
