// Package model keeps sessions in memory, so that a validation costs no look-up
// in Badger.
//
// The applier keeps it exact: it reports every change after it is committed
// and before it is published. A reader that missed fills in what it read, unless
// a change came between: Generation, then read, then Fill.
//
// Sessions are kept as bytes, one behind the other, and decoded when they are
// read. Every collection of garbage would look at each text and map of each
// session again, thousands of times while the session lives; so it finds a few
// large blocks that have no pointers.
package model

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/cts/command"
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
	slots      map[session.ID]int32 // places in the ring
	ring       []entry
	free       []int32
	records    records
	hand       int
	limit      int
	generation uint64
	_          [64]byte // a cache line of its own
}

// entry is a session's place. It has no pointers.
type entry struct {
	id       session.ID
	record   extent // the session but for LastAccess
	interval time.Duration
	used     atomic.Bool
	last     atomic.Int64 // latest access, nanoseconds since 1970
	stored   atomic.Int64 // latest access that the store has or is about to
}

// New returns an empty model of at most limit sessions.
func New(limit int) *Model {
	n := shardCount
	if limit <= few {
		n = 1
	}
	m := &Model{shards: make([]shard, n)}
	for i := range m.shards {
		m.shards[i] = shard{slots: map[session.ID]int32{}, limit: max(1, limit/n)}
	}
	return m
}

func (m *Model) shard(id session.ID) *shard { return &m.shards[int(id[15])%len(m.shards)] }

// Get returns a session with its exact latest access. What it returns is the
// caller's own.
func (m *Model) Get(id session.ID) (session.Session, bool) {
	s := m.shard(id)
	s.mu.RLock()
	e := s.find(id)
	if e == nil {
		s.mu.RUnlock()
		m.misses.Add(1)
		return session.Session{}, false
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	record, last := s.records.at(e.record), e.last.Load()
	s.mu.RUnlock()
	found, err := command.ReadSession(record)
	if err != nil {
		panic(fmt.Sprintf("model: session %v in memory is not what was put there: %v", id, err))
	}
	found.LastAccess = time.Unix(0, last).UTC()
	return found, true
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
	record := command.AppendSession(make([]byte, 0, usual), found)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == generation && s.find(found.ID) == nil {
		s.add(found, record)
	}
}

// Stored reports that the store has a session in this form. record is what
// command.AppendSession makes of it, but for LastAccess; it is copied.
func (m *Model) Stored(found session.Session, record []byte) {
	s := m.shard(found.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	e := s.find(found.ID)
	if e == nil {
		s.add(found, record)
		return
	}
	s.drop(e)
	s.set(e, found, record)
	e.used.Store(true)
	raise(&e.last, found.LastAccess.UnixNano())
	raise(&e.stored, found.LastAccess.UnixNano())
}

// Gone reports that the store has a session no more.
func (m *Model) Gone(id session.ID) {
	s := m.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	if slot, ok := s.slots[id]; ok {
		s.remove(slot)
		s.free = append(s.free, slot)
		if s.records.sparse() {
			s.pack(0)
		}
	}
}

// Touched reports that the store knows of an access.
func (m *Model) Touched(id session.ID, at time.Time) {
	s := m.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	if e := s.find(id); e != nil {
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
		s.slots = map[session.ID]int32{}
		s.ring, s.free, s.hand, s.records = nil, nil, 0, records{}
		s.mu.Unlock()
	}
}

// Touch notes an access. due says that it must be written to the store, which
// is said once per the session's touch interval; found, that the session is
// here.
func (m *Model) Touch(id session.ID, at time.Time) (due, found bool) {
	s := m.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock() // entries move and change under the lock
	e := s.find(id)
	if e == nil {
		return false, false
	}
	raise(&e.last, at.UnixNano())
	policy := session.Policy{TouchInterval: e.interval}
	for {
		stored := e.stored.Load()
		if !policy.TouchDue(time.Unix(0, stored), at) {
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
		n += len(s.slots)
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

// find returns the entry of an id, nil for none. Its place may move as soon as
// the lock is given up.
func (s *shard) find(id session.ID) *entry {
	if slot, ok := s.slots[id]; ok {
		return &s.ring[slot]
	}
	return nil
}

// add puts a session in, in the place of another when the shard is full.
func (s *shard) add(found session.Session, record []byte) {
	var slot int32
	switch {
	case len(s.free) > 0:
		slot = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
	case len(s.ring) < s.limit:
		slot = int32(len(s.ring)) //nolint:gosec // a shard's limit is far below
		s.ring = append(s.ring, entry{})
	default:
		slot = s.victim()
		s.remove(slot)
	}
	e := &s.ring[slot]
	s.set(e, found, record)
	e.used.Store(false)
	e.last.Store(found.LastAccess.UnixNano())
	e.stored.Store(found.LastAccess.UnixNano())
	s.slots[found.ID] = slot
}

// set gives an entry, which has no record, a session.
func (s *shard) set(e *entry, found session.Session, record []byte) {
	if !s.records.fits(len(record)) {
		s.pack(len(record))
	}
	e.id, e.interval = found.ID, found.Policy.TouchInterval
	e.record = s.records.add(record)
}

// victim moves the hand on to an entry that was not used since it last passed.
func (s *shard) victim() int32 {
	for {
		slot := s.hand
		s.hand = (s.hand + 1) % len(s.ring)
		if !s.ring[slot].used.Swap(false) {
			return int32(slot) //nolint:gosec // add made it
		}
	}
}

func (s *shard) remove(slot int32) {
	e := &s.ring[slot]
	delete(s.slots, e.id)
	s.drop(e)
}

func (s *shard) drop(e *entry) {
	s.records.drop(e.record)
	e.record = extent{}
}

// pack moves the records together into a block with room for one more and for
// half as many again.
func (s *shard) pack(more int) {
	packed := newRecords(s.records.live + more)
	for i := range s.ring {
		if e := &s.ring[i]; e.record.size > 0 {
			e.record = packed.add(s.records.at(e.record))
		}
	}
	s.records = packed
}
