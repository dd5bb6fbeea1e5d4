package link

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// peer is the connection for calls to one address: being made, or made. It is
// forgotten when it breaks.
type peer struct {
	begun  time.Time
	ready  chan struct{} // closed when caller or err is set
	caller *caller
	err    error
}

// retire lets a connection finish what it carries.
func (p *peer) retire() {
	select {
	case <-p.ready:
		if p.caller != nil {
			p.caller.retired.Store(true)
		}
	default: // meetPeer sees that it is not wanted any more
	}
}

// Call sends a request to a service of the member at addr and waits for the
// answer, which belongs to the caller. body is not kept. Errors: DownError,
// LostError, RemoteError; the first two wrap the end of ctx if that is the cause.
func (l *Link) Call(ctx context.Context, addr string, service byte, body []byte) ([]byte, error) {
	if len(body) > MaxBody {
		return nil, &DownError{addr, fmt.Errorf("request of %d bytes: %w", len(body), ErrTooLarge)}
	}
	for again := range 2 {
		c, err := l.caller(ctx, addr)
		if err != nil {
			return nil, err
		}
		answer, err := c.call(ctx, service, body)
		if again == 0 && errors.Is(err, errUnwritten) {
			continue // the connection broke before it took this request: once more over a new one
		}
		return answer, err
	}
	panic("unreachable: the second round returns")
}

// Silent reports whether the peer at addr owes a sign of life for longer than
// one that is well would: calls to it may be waited for in vain. It is known
// only while there are calls, and before the connection is given up.
func (l *Link) Silent(addr string) bool {
	l.mu.Lock()
	p := l.peers[addr]
	l.mu.Unlock()
	if p == nil {
		return false
	}
	select {
	case <-p.ready:
		return p.caller != nil && p.caller.silent.Load()
	default:
		return time.Since(p.begun) > lateTicks*tick*l.slow
	}
}

// caller returns the connection to addr, making it if there is none.
func (l *Link) caller(ctx context.Context, addr string) (*caller, error) {
	l.mu.Lock()
	p := l.peers[addr]
	if p == nil {
		if l.ctx.Err() != nil {
			l.mu.Unlock()
			return nil, &DownError{addr, ErrClosed}
		}
		p = &peer{begun: time.Now(), ready: make(chan struct{})}
		l.peers[addr] = p
		l.wg.Go(func() { l.meetPeer(p, addr) })
	}
	l.mu.Unlock()
	select {
	case <-p.ready:
	case <-ctx.Done():
		return nil, &DownError{addr, context.Cause(ctx)}
	}
	return p.caller, p.err
}

// meetPeer makes the connection of a peer and stays with it until it breaks.
func (l *Link) meetPeer(p *peer, addr string) {
	conn, err := l.connect(l.ctx, Call, addr)
	if err != nil {
		p.err = &DownError{addr, err}
		l.forget(addr, p)
		close(p.ready)
		return
	}
	p.caller = newCaller(addr, conn, l.slow, func() { l.forget(addr, p) })
	l.mu.Lock()
	p.caller.retired.Store(l.peers[addr] != p)
	close(p.ready)
	l.mu.Unlock()
	l.wg.Go(func() {
		if err := p.caller.out.run(); err != nil {
			p.caller.fail(fmt.Errorf("write: %w", err))
		}
	})
	l.wg.Go(p.caller.watch)
	p.caller.fail(p.caller.read())
	l.untrack(conn.raw)
}

func (l *Link) forget(addr string, p *peer) {
	l.mu.Lock()
	if l.peers[addr] == p {
		delete(l.peers, addr)
	}
	l.mu.Unlock()
}

// remaining is how long ctx still lasts, in milliseconds rounded up; 0: for ever.
func remaining(ctx context.Context) uint32 {
	end, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	ms := (time.Until(end) + time.Millisecond - 1) / time.Millisecond
	return uint32(min(max(ms, 1), math.MaxUint32)) //nolint:gosec // bounded on both sides
}
