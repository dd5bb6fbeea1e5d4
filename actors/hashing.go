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

	"sojourn/actors/arena"
	"sojourn/actors/identity"
)

// HashingConfig sets up a Hashing.
type HashingConfig struct {
	// Workers is how many hashes are computed at the same time. Zero means
	// GOMAXPROCS: hashing uses a whole core each. Each may hold as much memory
	// as identity.MaxCost allows, 19 MiB at the default parameters, and what
	// arena.Arenas keep for the next.
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
// hashes at a time and a bounded queue before them. So a flood of logins takes
// neither more memory nor more cores than the operator set, and whoever cannot be
// served soon is refused before any work is done. A hash is computed on its
// caller's goroutine, once it is the caller's turn.
//
// Who goes on with a journey comes before all who begin one with the same request
// (zero-page logins): a journey in progress waits for those of its kind at most,
// and takes the place of the last newcomer in a full queue. Among themselves both
// are served in the order in which they came.
type Hashing struct {
	params  identity.Params
	rand    io.Reader
	queue   int
	workers int
	arenas  arena.Arenas

	mu      sync.Mutex
	idle    *sync.Cond   // signalled when Busy falls
	waiting [2]list.List // of *hashTurn by rank, the oldest first
	closed  bool
	counts  HashingMetrics
}

// HashingMetrics is what a Hashing has done so far, and does now.
type HashingMetrics struct {
	Workers int // hashes that may be computed at a time
	Queue   int // size of the queue
	Busy    int // hashes being computed now
	Waiting int // callers in the queue now

	// Newcomers are those of Waiting who began their journey with this request.
	Newcomers int

	Done      uint64        // hashes computed, one for each Verify and Make that ran
	Refused   uint64        // callers turned away by a full queue, or put out of it
	Abandoned uint64        // callers whose context ended while they waited
	Waited    time.Duration // time that served callers spent in the queue, in sum
	Worked    time.Duration // time spent hashing, in sum
}

// hashTurn is a caller's place in the queue. ready is closed when it is the
// caller's turn or, with err set, when it will never be.
type hashTurn struct {
	ready chan struct{}
	err   error
}

// Ranks of callers, the first comes first.
const (
	begun = iota
	newcomer
)

type newcomerKey struct{}

// asNewcomer marks the work of a request that began its journey.
func asNewcomer(ctx context.Context) context.Context {
	return context.WithValue(ctx, newcomerKey{}, true)
}

func rankOf(ctx context.Context) int {
	if ctx.Value(newcomerKey{}) != nil {
		return newcomer
	}
	return begun
}

// NewHashing makes a pool. Close refuses further work.
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
	h.idle = sync.NewCond(&h.mu)
	return h, nil
}

// Params are what Make hashes with.
func (h *Hashing) Params() identity.Params { return h.params }

// Verify is identity.Verify in turn. Beside its errors there are
// identity.ErrOverloaded when the queue is full, identity.ErrUnavailable after
// Close, and ctx's own; all three mean that nothing is known of the password.
// What identity.Prepare refuses takes no place in the queue.
func (h *Hashing) Verify(ctx context.Context, hash identity.Hash, password identity.Secret) (bool, error) {
	verification, err := identity.Prepare(hash, password)
	if err != nil {
		return false, err
	}
	var ok bool
	if refused := h.do(ctx, func() { ok, err = verification.Run(h.arenas.Argon2id) }); refused != nil {
		return false, refused
	}
	return ok, err
}

// Make is identity.Make in turn, with the pool's parameters and random
// source. It is refused as Verify is.
func (h *Hashing) Make(ctx context.Context, password identity.Secret) (identity.Hash, error) {
	var hash identity.Hash
	var err error
	if refused := h.do(ctx, func() { hash, err = identity.Make(password, h.params, h.rand) }); refused != nil {
		return "", refused
	}
	return hash, err
}

// do runs run when it is its turn; it returns an error when that is not waited
// for. A hash that has begun is computed to its end.
func (h *Hashing) do(ctx context.Context, run func()) error {
	if ctx.Err() != nil {
		return fmt.Errorf("hash a password: %w", context.Cause(ctx))
	}
	queued := time.Now()
	if err := h.begin(ctx); err != nil {
		return err
	}
	begun := time.Now()
	defer func() { h.finish(begun.Sub(queued), time.Since(begun)) }()
	run()
	return nil
}

// begin waits for the caller's turn.
func (h *Hashing) begin(ctx context.Context) error {
	rank := rankOf(ctx)
	queue := &h.waiting[rank]
	h.mu.Lock()
	switch {
	case h.closed:
		h.mu.Unlock()
		return fmt.Errorf("hash a password: %w", identity.ErrUnavailable)
	case h.counts.Busy < h.workers:
		h.counts.Busy++
		h.mu.Unlock()
		return nil
	case h.full() && (rank == newcomer || !h.putOut()):
		h.counts.Refused++
		h.mu.Unlock()
		return identity.ErrOverloaded
	}
	turn := &hashTurn{ready: make(chan struct{})}
	place := queue.PushBack(turn)
	h.mu.Unlock()
	select {
	case <-turn.ready:
		return turn.err
	case <-ctx.Done():
		if !h.abandon(queue, place) {
			<-turn.ready // it came at the same moment: pass it on
			if turn.err == nil {
				h.pass()
			}
		}
		return fmt.Errorf("hash a password: %w", context.Cause(ctx))
	}
}

// full is called with the lock held, as is putOut.
func (h *Hashing) full() bool {
	return h.waiting[begun].Len()+h.waiting[newcomer].Len() >= h.queue
}

// putOut refuses the newcomer who came last; false when none waits.
func (h *Hashing) putOut() bool {
	queue := &h.waiting[newcomer]
	place := queue.Back()
	if place == nil {
		return false
	}
	h.counts.Refused++
	turn := queue.Remove(place).(*hashTurn)
	turn.err = identity.ErrOverloaded
	close(turn.ready)
	return true
}

// abandon takes a caller out of its queue; false when it is no longer in it.
func (h *Hashing) abandon(queue *list.List, place *list.Element) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Abandoned++
	before := queue.Len()
	queue.Remove(place)
	return queue.Len() < before
}

// finish counts a hash and gives the turn to the next caller.
func (h *Hashing) finish(waited, worked time.Duration) {
	h.mu.Lock()
	h.counts.Done++
	h.counts.Waited += waited
	h.counts.Worked += worked
	h.mu.Unlock()
	h.pass()
}

// pass gives a turn that has ended to the next caller, if one waits.
func (h *Hashing) pass() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for rank := range h.waiting {
		queue := &h.waiting[rank]
		if place := queue.Front(); place != nil {
			close(queue.Remove(place).(*hashTurn).ready)
			return
		}
	}
	h.counts.Busy--
	h.idle.Signal()
}

// Metrics tells what the pool has done and does.
func (h *Hashing) Metrics() HashingMetrics {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.counts
	m.Workers, m.Queue, m.Newcomers = h.workers, h.queue, h.waiting[newcomer].Len()
	m.Waiting = h.waiting[begun].Len() + m.Newcomers
	return m
}

// Close refuses whoever waits with identity.ErrUnavailable and waits for the
// hashes that are being computed. It may be called again.
func (h *Hashing) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for rank := range h.waiting {
		queue := &h.waiting[rank]
		for place := queue.Front(); place != nil; place = queue.Front() {
			turn := queue.Remove(place).(*hashTurn)
			turn.err = fmt.Errorf("hash a password: %w", identity.ErrUnavailable)
			close(turn.ready)
		}
	}
	for h.counts.Busy > 0 {
		h.idle.Wait()
	}
}
