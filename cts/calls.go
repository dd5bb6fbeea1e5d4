package cts

import "sync"

// calls are requests of other members under way.
type calls struct {
	mu      sync.Mutex
	over    bool
	running sync.WaitGroup
}

// enter is false when no request is taken any more.
func (c *calls) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.running.Add(1)
	}
	return !c.over
}

func (c *calls) leave() { c.running.Done() }

// end takes no more requests and waits for those under way.
func (c *calls) end() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.running.Wait()
}
