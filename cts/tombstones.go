package cts

import (
	"sync"
	"sync/atomic"

	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// maxTombstones bounds those of a member that is far behind: it takes no more,
// and so loses its lease.
const maxTombstones = 1 << 20

// tombstones are the sessions that have ended in the log, while this member may
// not have applied that yet.
type tombstones struct {
	count atomic.Int64

	mu    sync.RWMutex
	index map[session.ID]uint64 // of the entry that ended it
}

func (t *tombstones) has(id session.ID) bool {
	if t.count.Load() == 0 {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.index[id]
	return ok
}

// add takes those that are not applied yet. It is false when there are too many.
func (t *tombstones) add(all []peer.Tombstone, applied uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(applied)
	if len(t.index)+len(all) > maxTombstones {
		return false
	}
	if t.index == nil {
		t.index = make(map[session.ID]uint64, len(all))
	}
	for _, one := range all {
		if one.Index > applied {
			t.index[one.ID] = one.Index
		}
	}
	t.count.Store(int64(len(t.index)))
	return true
}

// forget lets those go that are applied.
func (t *tombstones) forget(applied uint64) {
	if t.count.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(applied)
}

func (t *tombstones) drop(applied uint64) {
	for id, index := range t.index {
		if index <= applied {
			delete(t.index, id)
		}
	}
	t.count.Store(int64(len(t.index)))
}
