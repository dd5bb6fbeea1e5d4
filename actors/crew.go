package actors

import (
	"sync"
	"sync/atomic"
)

// crew runs short pieces of work on goroutines that are kept for the next one:
// each needs a deep stack, and growing a new one every time costs more than a
// step's own work.
type crew struct {
	work    chan func()
	stop    chan struct{}
	idle    atomic.Int32
	members sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

// maxIdle is how many goroutines are kept without work; a stack is 8 KiB or so.
const maxIdle = 256

func newCrew() *crew { return &crew{work: make(chan func()), stop: make(chan struct{})} }

// run does f soon, on a goroutine that is free or on a new one. It never blocks.
func (c *crew) run(f func()) {
	select {
	case c.work <- f:
	default:
		c.hire(f)
	}
}

func (c *crew) hire(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed { // a step that was begun while Close waited
		go f()
		return
	}
	c.members.Go(func() { c.serve(f) })
}

func (c *crew) serve(f func()) {
	for {
		f()
		if c.idle.Add(1) > maxIdle {
			c.idle.Add(-1)
			return
		}
		select {
		case f = <-c.work:
			c.idle.Add(-1)
		case <-c.stop:
			return
		}
	}
}

// close ends the goroutines once they are idle, and waits for them.
func (c *crew) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	close(c.stop)
	c.members.Wait()
}
