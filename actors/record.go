package actors

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors/journey"
)

// record is what is kept of a journey between two requests: the encoded state
// of one that waits, or what is left of one that has ended. Records are never
// changed, only replaced.
type record struct {
	// step is the current step of a waiting journey, the last one of an ended
	// one. digest is of the answers that led here, so that a repeat of the
	// same request is known for what it is.
	step    uint32
	digest  digest
	expires time.Time
	state   []byte
	// end is set for an ended journey.
	end *ended
}

// replyGrace is how long the last reply of a journey can be asked for again:
// longer than clients retry on a broken connection. After it the journey is
// only known to be over.
const replyGrace = time.Minute

// records holds the records of this member's journeys. It is bounded: a
// journey that would wait beyond maxWaiting is refused; of ended ones beyond
// maxEnded the oldest are forgotten (the session that one created still names
// it, so that it cannot create a second).
type records struct {
	maxWaiting, maxEnded int64

	waiting, ended atomic.Int64
	shards         [recordShards]recordShard

	// due lists, by the second, journeys whose record is to be looked at then.
	mu  sync.Mutex
	due map[int64][]journey.ID
}

const recordShards = 64

type recordShard struct {
	sync.RWMutex
	byID map[journey.ID]*record
	// over holds the ends of journeys that ended more than replyGrace ago, as
	// the second from which nothing can refer to them.
	over map[journey.ID]int64
}

func newRecords(maxWaiting, maxEnded int64) *records {
	r := &records{maxWaiting: maxWaiting, maxEnded: maxEnded, due: map[int64][]journey.ID{}}
	for i := range r.shards {
		r.shards[i].byID = map[journey.ID]*record{}
		r.shards[i].over = map[journey.ID]int64{}
	}
	return r
}

func (r *records) shard(id journey.ID) *recordShard { return &r.shards[id[1]%recordShards] }

// get returns the journey's record, or nil and whether the journey is known to
// be over.
func (r *records) get(id journey.ID) (rec *record, over bool) {
	s := r.shard(id)
	s.RLock()
	defer s.RUnlock()
	rec = s.byID[id]
	if rec == nil {
		_, over = s.over[id]
	}
	return rec, over
}

// full reports whether no further journey may wait.
func (r *records) full() bool { return r.waiting.Load() >= r.maxWaiting }

// put replaces old, which may be nil, by next. It reports false, and does
// nothing, when the record is no longer old.
func (r *records) put(id journey.ID, old, next *record, now time.Time) bool {
	s := r.shard(id)
	s.Lock()
	if s.byID[id] != old {
		s.Unlock()
		return false
	}
	s.byID[id] = next
	s.Unlock()

	if old != nil {
		r.counter(old).Add(-1)
	}
	r.counter(next).Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if next.end != nil {
		r.plan(now.Add(replyGrace), id)
	}
	if old == nil || !old.expires.Equal(next.expires) {
		r.plan(next.expires, id)
	}
	return true
}

func (r *records) counter(rec *record) *atomic.Int64 {
	if rec.end != nil {
		return &r.ended
	}
	return &r.waiting
}

// plan wants id looked at when at has passed. The caller holds r.mu.
func (r *records) plan(at time.Time, id journey.ID) {
	second := at.Unix() + 1
	r.due[second] = append(r.due[second], id)
}

// sweep drops what has expired by now. It is called about once a second.
func (r *records) sweep(now time.Time) {
	for _, id := range r.take(now.Unix()) {
		r.expire(id, now)
	}
	for r.ended.Load() > r.maxEnded {
		if !r.forgetSome() {
			return
		}
	}
}

func (r *records) take(second int64) []journey.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []journey.ID
	for at, list := range r.due {
		if at <= second {
			ids = append(ids, list...)
			delete(r.due, at)
		}
	}
	return ids
}

func (r *records) expire(id journey.ID, now time.Time) {
	s := r.shard(id)
	s.Lock()
	defer s.Unlock()
	rec := s.byID[id]
	switch {
	case rec == nil:
		if end, ok := s.over[id]; ok && end < now.Unix() {
			delete(s.over, id)
			r.ended.Add(-1)
		}
	case !rec.expires.After(now):
		delete(s.byID, id)
		r.counter(rec).Add(-1)
	case rec.end != nil:
		delete(s.byID, id)
		s.over[id] = rec.expires.Unix()
	}
}

// forgetSome drops the ended journeys of the second that is due first; false
// when there is nothing left to drop.
func (r *records) forgetSome() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range slices.Sorted(maps.Keys(r.due)) {
		var kept []journey.ID
		forgot := false
		for _, id := range r.due[at] {
			if r.forget(id) {
				forgot = true
			} else {
				kept = append(kept, id)
			}
		}
		if len(kept) == 0 {
			delete(r.due, at)
		} else {
			r.due[at] = kept
		}
		if forgot {
			return true
		}
	}
	return false
}

func (r *records) forget(id journey.ID) bool {
	s := r.shard(id)
	s.Lock()
	defer s.Unlock()
	if _, ok := s.over[id]; ok {
		delete(s.over, id)
		r.ended.Add(-1)
		return true
	}
	if rec := s.byID[id]; rec != nil && rec.end != nil {
		delete(s.byID, id)
		r.ended.Add(-1)
		return true
	}
	return false
}
