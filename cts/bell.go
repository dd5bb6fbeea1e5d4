package cts

import "sync"

// bell tells those who wait that something has changed.
type bell struct {
	mu       sync.Mutex
	rung     chan struct{}
	watchers map[*func()]struct{}
}

func newBell() *bell { return &bell{rung: make(chan struct{}), watchers: map[*func()]struct{}{}} }

// ring wakes everybody.
func (b *bell) ring() {
	b.mu.Lock()
	close(b.rung)
	b.rung = make(chan struct{})
	calls := make([]func(), 0, len(b.watchers))
	for call := range b.watchers {
		calls = append(calls, *call)
	}
	b.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

// next returns a channel that is closed at the next ring.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rung
}

// watch has call called at each ring, which it must not hold up, until stop.
func (b *bell) watch(call func()) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := &call
	b.watchers[key] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, key)
	}
}
