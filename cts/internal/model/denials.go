package model

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/session"
)

// Denials has the sessions and users that are denied, all of them: whoever is not
// here is not denied. All methods may be called concurrently.
//
// Of a session it has 64 bits, in a table without pointers. Ids are hashes, so
// that a session is taken for one of n that are denied with a probability of n in
// 2^64: it then ends early.
type Denials struct {
	shards [shardCount]denied
	count  atomic.Int64

	users atomic.Int64
	mu    sync.RWMutex
	user  map[command.UserDigest]int64 // nanoseconds since 1970
}

// NewDenials returns an empty set.
func NewDenials() *Denials { return &Denials{user: map[command.UserDigest]int64{}} }

// denied is an open-addressed table of marks, 0 where it is free.
type denied struct {
	mu    sync.RWMutex
	marks []uint64
	count int
	// shared counts the further sessions that have a mark in the table; nil as
	// long as none has.
	shared map[uint64]int
	_      [64]byte // a cache line of its own
}

// minMarks is the smallest size of a table that is not empty.
const minMarks = 16

// markOf is a number that stands for an id, not 0.
func markOf(id session.ID) uint64 {
	return max(binary.BigEndian.Uint64(id[:8])*0x9E3779B97F4A7C15+binary.BigEndian.Uint64(id[8:]), 1)
}

func (d *Denials) shard(id session.ID) *denied { return &d.shards[int(id[15])%shardCount] }

// Add denies a session that was not.
func (d *Denials) Add(id session.ID) {
	s := d.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(markOf(id))
	d.count.Add(1)
}

// Remove forgets a session that was denied.
func (d *Denials) Remove(id session.ID) {
	s := d.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remove(markOf(id)) {
		d.count.Add(-1)
	}
}

// Has reports whether a session is denied.
func (d *Denials) Has(id session.ID) bool {
	if d.count.Load() == 0 {
		return false
	}
	s := d.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.count == 0 {
		return false
	}
	return s.marks[s.find(markOf(id))] != 0
}

// AddUser denies a user's sessions that were created before an instant.
func (d *Denials) AddUser(u command.UserDigest, before time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user[u] = before.UnixNano()
	d.users.Store(int64(len(d.user)))
}

// RemoveUser forgets that a user's were denied.
func (d *Denials) RemoveUser(u command.UserDigest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.user, u)
	d.users.Store(int64(len(d.user)))
}

// HasOf reports whether a session is denied with others of its user's.
func (d *Denials) HasOf(x session.Session) bool {
	before, ok := d.before(x.Principal.Realm, x.Principal.Username)
	return ok && x.Created.UnixNano() < before
}

// Before is the instant before which a user's sessions were denied, zero if none
// were.
func (d *Denials) Before(r realm.Name, username string) time.Time {
	before, ok := d.before(r, username)
	if !ok {
		return time.Time{}
	}
	return time.Unix(0, before).UTC()
}

func (d *Denials) before(r realm.Name, username string) (int64, bool) {
	if d.users.Load() == 0 {
		return 0, false
	}
	u := command.DigestUser(r, username)
	d.mu.RLock()
	defer d.mu.RUnlock()
	before, ok := d.user[u]
	return before, ok
}

// Len is how many sessions are denied, and Users how many users.
func (d *Denials) Len() int   { return int(d.count.Load()) }
func (d *Denials) Users() int { return int(d.users.Load()) }

// Bytes is how much memory the denied sessions take.
func (d *Denials) Bytes() int {
	n := 0
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.RLock()
		n += 8 * len(s.marks)
		s.mu.RUnlock()
	}
	return n
}

// home is where a mark is looked for first.
func (s *denied) home(mark uint64) int {
	return int((mark * 0x9E3779B97F4A7C15) >> 32 & uint64(len(s.marks)-1)) //nolint:gosec // below the table's length
}

// find returns the place of a mark or, if it is not there, the free one where it
// would be. The table has a free place.
func (s *denied) find(mark uint64) int {
	i := s.home(mark)
	for s.marks[i] != 0 && s.marks[i] != mark {
		i = (i + 1) & (len(s.marks) - 1)
	}
	return i
}

func (s *denied) add(mark uint64) {
	if 4*(s.count+1) > 3*len(s.marks) {
		s.resize(max(minMarks, 2*len(s.marks)))
	}
	i := s.find(mark)
	if s.marks[i] == mark {
		if s.shared == nil {
			s.shared = map[uint64]int{}
		}
		s.shared[mark]++
		return
	}
	s.marks[i] = mark
	s.count++
}

func (s *denied) remove(mark uint64) bool {
	if s.count == 0 {
		return false
	}
	i := s.find(mark)
	if s.marks[i] == 0 {
		return false
	}
	switch n := s.shared[mark]; {
	case n > 1:
		s.shared[mark]--
		return true
	case n == 1:
		delete(s.shared, mark)
		return true
	}
	s.count--
	// Those behind it that could not be where it was move up.
	for j := i; ; {
		j = (j + 1) & (len(s.marks) - 1)
		if s.marks[j] == 0 {
			break
		}
		if home := s.home(s.marks[j]); (j-home)&(len(s.marks)-1) >= (j-i)&(len(s.marks)-1) {
			s.marks[i] = s.marks[j]
			i = j
		}
	}
	s.marks[i] = 0
	switch {
	case s.count == 0:
		s.marks = nil
	case 8*s.count < len(s.marks) && len(s.marks) > minMarks:
		s.resize(len(s.marks) / 2)
	}
	return true
}

func (s *denied) resize(size int) {
	old := s.marks
	s.marks = make([]uint64, size)
	for _, mark := range old {
		if mark != 0 {
			s.marks[s.find(mark)] = mark
		}
	}
}
