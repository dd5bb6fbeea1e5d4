package cts

import (
	"context"
	"hash/maphash"
)

// locks serialise read-modify-write on one key. Keys share 256 locks; nobody
// holds one while waiting for another of the same goroutine's, but for bulk
// writes, whose locks are released by the log and not by the holder.
type locks struct {
	seed  maphash.Seed
	slots [256]chan struct{}
}

func newLocks() *locks {
	l := &locks{seed: maphash.MakeSeed()}
	for i := range l.slots {
		l.slots[i] = make(chan struct{}, 1)
	}
	return l
}

// lock waits for the lock of a key, at most until ctx ends.
func (l *locks) lock(ctx context.Context, key []byte) (unlock func(), err error) {
	slot := l.slots[maphash.Bytes(l.seed, key)%uint64(len(l.slots))]
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, unavailable("another write to the same record takes too long")
	}
}
