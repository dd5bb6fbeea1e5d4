package actors

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"sojourn/actors/identity"
)

// HashingConfig sets up a Hashing.
type HashingConfig struct {
	// Workers is how many hashes are computed at the same time. Zero means
	// GOMAXPROCS: hashing uses a whole core each. Each may hold as much memory
	// as identity.MaxCost allows, 19 MiB at the default parameters.
	Workers int
	// Queue is how many callers may wait for a worker. Zero means 64 for each
	// worker, which at the default parameters is a wait of about two seconds.
	Queue int
	// Params are what new hashes are made with. The zero value means
	// identity.DefaultParams.
	Params identity.Params
	// Rand gives the salts. Required; it must allow concurrent use, as
	// crypto/rand.Reader does.
	Rand io.Reader
}

// Hashing is where all password hashing of a member happens: a fixed number of
// workers and a bounded first-in, first-out queue before them. So a flood of
// logins takes neither more memory nor more cores than the operator set, and
// whoever cannot be served soon is refused before any work is done.
type Hashing struct {
	params  identity.Params
	rand    io.Reader
	queue   int
	workers int

	mu      sync.Mutex
	work    *sync.Cond // signalled when waiting or closed changes
	waiting list.List  // of *hashJob, the oldest first
	closed  bool
	counts  HashingMetrics

	stopped sync.WaitGroup
}

// HashingMetrics is what a Hashing has done so far, and does now.
type HashingMetrics struct {
	Workers int // size of the pool
	Queue   int // size of the queue
	Busy    int // workers at work now
	Waiting int // callers in the queue now

	Done      uint64        // hashes computed, one for each Verify and Make that ran
	Refused   uint64        // callers turned away by a full queue
	Abandoned uint64        // callers whose context ended while they waited
	Waited    time.Duration // time that served callers spent in the queue, in sum
	Worked    time.Duration // time that workers spent hashing, in sum
}

// hashJob is one caller's work. done is closed when it ran or, with err set,
// when it never will.
type hashJob struct {
	run    func()
	queued time.Time
	done   chan struct{}
	err    error
}

// NewHashing starts the workers. Close ends them.
func NewHashing(c HashingConfig) (*Hashing, error) {
	if c.Workers < 0 || c.Queue < 0 {
		return nil, fmt.Errorf("hashing: %d workers and a queue of %d: want none below zero", c.Workers, c.Queue)
	}
	if c.Rand == nil {
		return nil, errors.New("hashing: no random source for salts")
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Queue == 0 {
		c.Queue = 64 * c.Workers
	}
	if c.Params == (identity.Params{}) {
		c.Params = identity.DefaultParams()
	}
	if err := c.Params.Check(); err != nil {
		return nil, fmt.Errorf("hashing: %w", err)
	}
	h := &Hashing{params: c.Params, rand: c.Rand, queue: c.Queue, workers: c.Workers}
	h.work = sync.NewCond(&h.mu)
	for range c.Workers {
		h.stopped.Go(h.worker)
	}
	return h, nil
}

// Params are what Make hashes with.
func (h *Hashing) Params() identity.Params { return h.params }

// Verify is identity.Verify on a worker. Beside its errors there are
// identity.ErrOverloaded when the queue is full, identity.ErrUnavailable after
// Close, and ctx's own; all three mean that nothing is known of the password.
// What identity.Verify refuses takes no place in the queue.
func (h *Hashing) Verify(ctx context.Context, hash identity.Hash, password identity.Secret) (bool, error) {
	if err := identity.Verifiable(hash, password); err != nil {
		return false, err
	}
	var ok bool
	var err error
	if refused := h.do(ctx, func() { ok, err = identity.Verify(hash, password) }); refused != nil {
		return false, refused
	}
	return ok, err
}

// Make is identity.Make on a worker, with the pool's parameters and random
// source. It is refused as Verify is.
func (h *Hashing) Make(ctx context.Context, password identity.Secret) (identity.Hash, error) {
	var hash identity.Hash
	var err error
	if refused := h.do(ctx, func() { hash, err = identity.Make(password, h.params, h.rand) }); refused != nil {
		return "", refused
	}
	return hash, err
}

// do runs run on a worker and returns when it ran, or with an error when it is
// not waited for. A run that had begun by then ends later, unseen.
func (h *Hashing) do(ctx context.Context, run func()) error {
	if ctx.Err() != nil {
		return fmt.Errorf("hash a password: %w", context.Cause(ctx))
	}
	job := &hashJob{run: run, queued: time.Now(), done: make(chan struct{})}
	place, err := h.enqueue(job)
	if err != nil {
		return err
	}
	select {
	case <-job.done:
		return job.err
	case <-ctx.Done():
		h.abandon(place)
		return fmt.Errorf("hash a password: %w", context.Cause(ctx))
	}
}

func (h *Hashing) enqueue(job *hashJob) (*list.Element, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, fmt.Errorf("hash a password: %w", identity.ErrUnavailable)
	case h.counts.Busy+h.waiting.Len() >= h.workers+h.queue:
		h.counts.Refused++
		return nil, identity.ErrOverloaded
	}
	h.work.Signal()
	return h.waiting.PushBack(job), nil
}

// abandon takes a job out of the queue, if it still is there.
func (h *Hashing) abandon(place *list.Element) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.waiting.Len()
	h.waiting.Remove(place)
	if h.waiting.Len() < before {
		h.counts.Abandoned++
	}
}

// worker serves the queue until Close.
func (h *Hashing) worker() {
	for job := h.next(); job != nil; job = h.next() {
		begun := time.Now()
		job.run()
		h.finish(job, begun)
	}
}

// next waits for the oldest job; nil after Close.
func (h *Hashing) next() *hashJob {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.waiting.Len() == 0 && !h.closed {
		h.work.Wait()
	}
	if h.closed {
		return nil
	}
	h.counts.Busy++
	return h.waiting.Remove(h.waiting.Front()).(*hashJob)
}

// finish counts a job before its caller goes on.
func (h *Hashing) finish(job *hashJob, begun time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Busy--
	h.counts.Done++
	h.counts.Waited += begun.Sub(job.queued)
	h.counts.Worked += time.Since(begun)
	close(job.done)
}

// Metrics tells what the pool has done and does.
func (h *Hashing) Metrics() HashingMetrics {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.counts
	m.Workers, m.Queue, m.Waiting = h.workers, h.queue, h.waiting.Len()
	return m
}

// Close refuses whoever waits with identity.ErrUnavailable, waits for the
// hashes that are being computed and ends the workers. It may be called again.
func (h *Hashing) Close() {
	h.mu.Lock()
	h.closed = true
	for place := h.waiting.Front(); place != nil; place = h.waiting.Front() {
		job := h.waiting.Remove(place).(*hashJob)
		job.err = fmt.Errorf("hash a password: %w", identity.ErrUnavailable)
		close(job.done)
	}
	h.work.Broadcast()
	h.mu.Unlock()
	h.stopped.Wait()
}
