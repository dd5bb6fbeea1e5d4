package cts

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/cts/session"
)

// gate says whether the store answers, and why not. The reason that is first in
// this order is told.
type gate struct {
	closed  atomic.Pointer[session.UnavailableError] // nil while open
	failure atomic.Pointer[error]                    // why the store will never answer again
	failed  chan struct{}                            // closed with failure

	mu      sync.Mutex
	reasons [reasons]string
	changed chan struct{}
}

type reason int

const (
	failed     reason = iota // an entry cannot be applied
	ending                   // Close was called
	restoring                // a restore is incomplete
	installing               // a snapshot of another member takes the store's place
	forming                  // a cluster that this member founds has not enough members
	reasons
)

func newGate() *gate {
	return &gate{changed: make(chan struct{}), failed: make(chan struct{})}
}

// set gives a reason not to answer; an empty text takes it back.
func (g *gate) set(r reason, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reasons[r] = text
	var closed *session.UnavailableError
	for _, text := range g.reasons {
		if text != "" {
			closed = &session.UnavailableError{Reason: text, RetryAfter: time.Second}
			break
		}
	}
	g.closed.Store(closed)
	close(g.changed)
	g.changed = make(chan struct{})
}

// fail closes the gate for good. Only the first failure counts.
func (g *gate) fail(err error) {
	if !g.failure.CompareAndSwap(nil, &err) {
		return
	}
	g.set(failed, err.Error())
	close(g.failed)
}

// err is nil while the store answers.
func (g *gate) err() error {
	if closed := g.closed.Load(); closed != nil {
		return closed
	}
	return nil
}

// next returns a channel that is closed at the next change.
func (g *gate) next() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// only reports whether a restore is all that keeps the gate closed, or nothing.
func (g *gate) only(r reason) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, text := range g.reasons {
		if text != "" && reason(i) != r {
			return &session.UnavailableError{Reason: text, RetryAfter: time.Second}
		}
	}
	return nil
}

func unavailable(format string, args ...any) error {
	return &session.UnavailableError{Reason: fmt.Sprintf(format, args...), RetryAfter: time.Second}
}
