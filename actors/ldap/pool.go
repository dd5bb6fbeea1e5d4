package ldap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors/identity"
)

// pool keeps connections of one kind for reuse and bounds their number and the
// waiting for them.
type pool struct {
	dialer *dialer
	places chan struct{} // one in it for each connection in use
	queue  int64
	wait   time.Duration
	keep   time.Duration

	waiting atomic.Int64
	refused atomic.Uint64

	mu     sync.Mutex
	idle   []*conn // the last used at the end
	closed bool
}

func newPool(c Config, service bool) *pool {
	return &pool{
		dialer: &dialer{config: c, service: service},
		places: make(chan struct{}, c.Connections),
		queue:  int64(c.Queue),
		wait:   c.Timeout,
		keep:   c.IdleTimeout,
	}
}

// with runs use on a connection. The error is use's own, ctx's,
// identity.ErrOverloaded when no connection came free, or
// identity.ErrUnavailable.
func (p *pool) with(ctx context.Context, use func(*conn) error) error {
	return p.withConn(ctx, use, p.get)
}

// withRetry is with for operations that may be done twice: where a connection
// that was kept turns out to be dead, a new one is tried.
func (p *pool) withRetry(ctx context.Context, use func(*conn) error) error {
	stale := false
	err := p.withConn(ctx, func(c *conn) error {
		err := use(c)
		stale = c.broken && c.reused && errors.Is(err, identity.ErrUnavailable)
		return err
	}, p.get)
	if stale {
		return p.withConn(ctx, use, p.dialer.dial)
	}
	return err
}

func (p *pool) withConn(ctx context.Context, use func(*conn) error, get func(context.Context) (*conn, error)) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer func() { <-p.places }()
	c, err := get(ctx)
	if err != nil {
		return err
	}
	defer p.put(c)
	return use(c)
}

// enter waits for a place, first come first served.
func (p *pool) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	if p.waiting.Add(1) > p.queue {
		p.waiting.Add(-1)
		p.refused.Add(1)
		return identity.ErrOverloaded
	}
	defer p.waiting.Add(-1)
	timeout := time.NewTimer(p.wait)
	defer timeout.Stop()
	select {
	case p.places <- struct{}{}:
		return nil
	case <-timeout.C:
		p.refused.Add(1)
		return identity.ErrOverloaded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// get takes the connection that was used last, or makes one.
func (p *pool) get(ctx context.Context) (*conn, error) {
	for {
		c, err := p.takeIdle()
		if err != nil {
			return nil, err
		}
		if c == nil {
			return p.dialer.dial(ctx)
		}
		if !c.IsClosing() && time.Since(c.since) < p.keep {
			return c, nil
		}
		c.hangUp()
	}
}

func (p *pool) takeIdle() (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("%w: closed", identity.ErrUnavailable)
	}
	if len(p.idle) == 0 {
		return nil, nil
	}
	last := len(p.idle) - 1
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c, nil
}

func (p *pool) put(c *conn) {
	if !p.keepIdle(c) {
		c.hangUp()
	}
}

func (p *pool) keepIdle(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.broken || p.closed || c.IsClosing() {
		return false
	}
	c.reused, c.since = true, time.Now()
	p.idle = append(p.idle, c)
	return true
}

// close refuses what comes, waits for what is under way and hangs up.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.hangUp()
	}
	for range cap(p.places) {
		p.places <- struct{}{}
	}
	for range cap(p.places) {
		<-p.places
	}
}
