package link

import (
	"context"
	"sync"
	"sync/atomic"
)

// maxIdle is how many goroutines wait for another request to carry out.
const maxIdle = 16

// job is a request that is to be carried out.
type job struct {
	s   *server
	ctx context.Context //nolint:containedctx // of the request's connection
	h   Handler
	f   frame
}

// hands are the goroutines that carry out requests. A few stay for the next
// one, since their stacks have grown already.
type hands struct {
	jobs chan job
	over <-chan struct{} // closed when nobody is to stay any more
	idle atomic.Int32
}

// take has a job done at once.
func (h *hands) take(group *sync.WaitGroup, j job) {
	select {
	case h.jobs <- j:
	default:
		group.Go(func() { h.work(j) })
	}
}

func (h *hands) work(j job) {
	for {
		j.s.handle(j.ctx, j.h, j.f)
		j = job{}
		if h.idle.Add(1) > maxIdle {
			h.idle.Add(-1)
			return
		}
		select {
		case j = <-h.jobs:
			h.idle.Add(-1)
		case <-h.over:
			return
		}
	}
}
