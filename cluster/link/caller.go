package link

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	tick      = 250 * time.Millisecond
	pingTicks = 2  // between pings while something is expected
	deadTicks = 6  // without a byte while something is expected
	lateTicks = 3  // of these, until the peer counts as silent
	idleTicks = 20 // without a byte before an idle connection is pinged

	// inlineBytes of requests may be unread at the peer when a caller writes its
	// own: any socket's buffer takes them.
	inlineBytes = 4 << 10
)

var (
	errUnwritten = errors.New("connection closed before the request was written")
	errRetired   = errors.New("connection belongs to the time before the cluster id")
)

// caller is one connection that carries calls to a peer.
type caller struct {
	addr    string
	conn    *stream
	slow    time.Duration
	gone    func() // called by fail before any call ends: the next one connects anew
	out     *outbox
	slots   chan struct{} // calls in flight
	done    chan struct{} // closed by fail
	heard   atomic.Uint32 // reads that brought something
	silent  atomic.Bool   // a sign of life is overdue
	retired atomic.Bool

	mu      sync.Mutex
	err     error // why it ended
	last    uint64
	pending map[uint64]*call
	spare   []*call
	// sent counts the bytes of all requests, seen those that the peer has read
	// for certain: it has answered a later one.
	sent, seen uint64
}

// call waits for one answer.
type call struct {
	done chan result
	sent uint64 // with its request
}

type result struct {
	body []byte
	err  error
}

func newCaller(addr string, conn *stream, slow time.Duration, gone func()) *caller {
	return &caller{
		addr:    addr,
		conn:    conn,
		slow:    slow,
		gone:    gone,
		out:     newOutbox(conn, slow, func(tally) {}),
		slots:   make(chan struct{}, maxCalls),
		done:    make(chan struct{}),
		pending: map[uint64]*call{},
	}
}

func (c *caller) call(ctx context.Context, service byte, body []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, &DownError{c.addr, context.Cause(ctx)}
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, &DownError{c.addr, fmt.Errorf("%d calls in flight: %w", maxCalls, context.Cause(ctx))}
	case <-c.done:
		return nil, &DownError{c.addr, errUnwritten}
	}
	defer func() { <-c.slots }()
	id, k := c.begin()
	if k == nil {
		return nil, &DownError{c.addr, errUnwritten}
	}
	var r result
	if !c.submit(k, frame{id: id, kind: frameRequest, sub: service, arg: remaining(ctx), body: body}) {
		r.err = &DownError{c.addr, errUnwritten}
		if c.take(id) == nil {
			<-k.done // fail was faster and has called it lost
		}
	} else {
		select {
		case r = <-k.done:
		case <-ctx.Done():
			r = c.abandon(id, k, context.Cause(ctx))
		}
	}
	c.mu.Lock()
	c.spare = append(c.spare, k)
	c.mu.Unlock()
	return r.body, r.err
}

// submit queues a request, and writes it if that cannot make the caller wait.
func (c *caller) submit(k *call, f frame) bool {
	c.mu.Lock()
	queued := c.out.queue(f)
	c.sent += uint64(frameHead + len(f.body)) //nolint:gosec // a length
	k.sent = c.sent
	inline := c.sent-c.seen <= inlineBytes
	c.mu.Unlock()
	switch {
	case !queued:
	case !inline:
		c.out.rouse()
	default:
		if err := c.out.flush(); err != nil {
			c.fail(fmt.Errorf("write: %w", err))
		}
	}
	return queued
}

// abandon ends a call whose caller waits no longer.
func (c *caller) abandon(id uint64, k *call, cause error) result {
	unsent := c.out.drop(id)
	if c.take(id) == nil {
		r := <-k.done // settled in this moment
		if unsent {
			r = result{err: &DownError{c.addr, cause}}
		}
		return r
	}
	if unsent {
		return result{err: &DownError{c.addr, cause}}
	}
	return result{err: &LostError{c.addr, cause}}
}

// begin registers a new call; nil: the connection has ended.
func (c *caller) begin() (uint64, *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil
	}
	var k *call
	if n := len(c.spare); n > 0 {
		k, c.spare = c.spare[n-1], c.spare[:n-1]
	} else {
		k = &call{done: make(chan result, 1)}
	}
	c.last++
	c.pending[c.last] = k
	return c.last, k
}

// take removes a call; nil: whoever removed it before settles it.
func (c *caller) take(id uint64) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.pending[id]
	delete(c.pending, id)
	return k
}

// answered is take for an answer: the peer has read all up to that request.
func (c *caller) answered(id uint64) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.pending[id]
	delete(c.pending, id)
	if k != nil {
		c.seen = max(c.seen, k.sent)
	}
	return k
}

func (c *caller) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// read settles calls with the answers that come, until the connection breaks.
func (c *caller) read() error {
	r := bufio.NewReaderSize(heardReader{c.conn, &c.heard}, readBuffer)
	var head [frameHead]byte
	for {
		f, err := readFrame(r, &head)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		var out result
		switch f.kind {
		case framePong:
			continue
		case frameAnswer:
			out.body = f.body
		case frameError:
			out.err = &RemoteError{Service: f.sub, Code: f.arg, Text: string(f.body[:min(len(f.body), maxText)])}
		case frameRefusal:
			out.err = &DownError{c.addr, refusal(f.sub)}
		default:
			return fmt.Errorf("read: %w: kind %d to a caller", errFrame, f.kind)
		}
		if k := c.answered(f.id); k != nil {
			k.done <- out
		}
	}
}

func refusal(why byte) error {
	switch why {
	case refusedNoHandler:
		return ErrNoHandler
	case refusedBusy:
		return ErrBusy
	case refusedClosing:
		return ErrClosing
	}
	return fmt.Errorf("request refused for reason %d", why)
}

// fail ends the connection and every call on it, at once. The first cause counts.
func (c *caller) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	pending := c.pending
	c.pending = map[uint64]*call{}
	c.mu.Unlock()
	c.gone()
	close(c.done)
	for _, f := range c.out.close() {
		if k := pending[f.id]; k != nil {
			k.done <- result{err: &DownError{c.addr, fmt.Errorf("%w: %w", errUnwritten, err)}}
			delete(pending, f.id)
		}
	}
	for _, k := range pending {
		k.done <- result{err: &LostError{c.addr, err}}
	}
	_ = c.conn.raw.Close()
}

// watch pings while something is expected of the peer and gives it up when
// nothing at all comes. See doc.go.
func (c *caller) watch() {
	ticker := time.NewTicker(tick * c.slow)
	defer ticker.Stop()
	var seen uint32
	quiet, silent := 0, 0 // ticks without a byte; those of them with something expected
	pinged := false
	for {
		select {
		case <-ticker.C:
		case <-c.done:
			return
		}
		busy := c.inFlight() > 0
		if c.retired.Load() && !busy {
			c.fail(errRetired)
			return
		}
		if heard := c.heard.Load(); heard != seen {
			seen, quiet, silent, pinged = heard, 0, 0, false
			c.silent.Store(false)
		} else {
			quiet++
		}
		if quiet == 0 || !busy && !pinged && quiet < idleTicks {
			continue
		}
		silent++
		if silent >= deadTicks {
			c.fail(ErrSilent)
			return
		}
		c.silent.Store(silent >= lateTicks)
		if !pinged || silent%pingTicks == 0 {
			c.out.put(frame{kind: framePing})
			pinged = true
		}
	}
}

// heardReader counts the reads that bring something.
type heardReader struct {
	r     io.Reader
	heard *atomic.Uint32
}

func (h heardReader) Read(b []byte) (int, error) {
	n, err := h.r.Read(b)
	if n > 0 {
		h.heard.Add(1)
	}
	return n, err
}
