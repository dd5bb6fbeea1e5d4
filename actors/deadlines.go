package actors

import (
	"context"
	"sync"
	"time"
)

// deadlines gives contexts that end at a given time, or up to deadlineGrain
// later. Those that end in the same grain are one context, so that a step costs
// no timer and no place among the children of base.
type deadlines struct {
	base context.Context // ends all of them

	mu   sync.Mutex
	open map[int64]context.Context // by the grain at whose end they end
}

// deadlineGrain is how much later than asked a step may be cut.
const deadlineGrain = 100 * time.Millisecond

func newDeadlines(base context.Context) *deadlines {
	return &deadlines{base: base, open: map[int64]context.Context{}}
}

// at returns the context that ends at t.
func (d *deadlines) at(t time.Time) context.Context {
	grain := t.UnixNano()/int64(deadlineGrain) + 1
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx, ok := d.open[grain]; ok {
		return ctx
	}
	ctx, cancel := context.WithDeadline(d.base, time.Unix(0, grain*int64(deadlineGrain)))
	d.open[grain] = ctx
	context.AfterFunc(ctx, func() {
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.open, grain)
	})
	return ctx
}
