package server

import (
	"context"
	"sync"
	"time"
)

type requestKey struct{}

// requestContext is a request's context: with its transaction id, and with a
// deadline whose timer is only started when somebody waits for it. Most
// requests are answered before anybody does.
type requestContext struct {
	context.Context // net/http's; it ends when the client leaves
	door            *frontDoor
	exchange        *exchange
	txid            string
	deadline        time.Time // zero is none

	once   sync.Once
	timed  context.Context // set by once
	cancel context.CancelFunc
}

func (c *requestContext) Value(key any) any {
	if key == (requestKey{}) {
		return c
	}
	return c.withTimer().Value(key)
}

func (c *requestContext) Deadline() (time.Time, bool) {
	return c.deadline, !c.deadline.IsZero()
}

func (c *requestContext) Done() <-chan struct{} { return c.withTimer().Done() }

func (c *requestContext) Err() error { return c.withTimer().Err() }

func (c *requestContext) withTimer() context.Context {
	c.once.Do(func() {
		c.timed, c.cancel = c.Context, func() {}
		if !c.deadline.IsZero() {
			c.timed, c.cancel = context.WithDeadline(c.Context, c.deadline)
		}
	})
	return c.timed
}

// end releases the timer, if there is one. A context that never had one ends
// with net/http's, as soon as its handler has returned.
func (c *requestContext) end() {
	c.once.Do(func() { c.timed, c.cancel = c.Context, func() {} })
	c.cancel()
}
