package actors

import "sync"

// offer is what the sender of a message offers to the actor that handles it: to
// run the work that the message causes, on the goroutine that waits for its
// outcome anyway. Work that nobody has to be woken for costs half of what it
// costs on a goroutine of its own. The zero value is an offer that stands.
type offer struct {
	mu   sync.Mutex
	work func()
	over bool
}

// take leaves work with the sender. It reports false when the offer no longer
// stands: the message was handled by another goroutine, after its sender had
// gone on to wait for the answer.
func (o *offer) take(work func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return false
	}
	o.work = work
	return true
}

// fulfil ends the offer and runs the work that was left, if any.
func (o *offer) fulfil() {
	o.mu.Lock()
	work := o.work
	o.over = true
	o.mu.Unlock()
	if work != nil {
		work()
	}
}
