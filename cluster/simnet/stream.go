package simnet

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

var (
	errReset = os.NewSyscallError("read", syscall.ECONNRESET)
	errPipe  = os.NewSyscallError("write", syscall.EPIPE)
)

// stream is a connection: two ends, and two halves that carry bytes between
// them. halves[i] carries what ends[i] writes.
type stream struct {
	ends    [2]*conn
	halves  [2]*half
	changed signal // anything that a reader or writer of it may wait for
}

// half carries the bytes of one direction.
type half struct {
	path, back *path
	number     uint64 // among the streams of the path
	pieces     []piece
	sent       uint64 // pieces so far
	last       time.Time
	used       int // bytes of the buffer, those not acknowledged included
	unacked    int // bytes that were read while acknowledgements could not pass
}

// piece is what one write put on its way, or the end of the half.
type piece struct {
	data    []byte
	end     error // io.EOF or errReset; nil: data
	at      time.Time
	arrived bool // certainly, a cut came later
}

func (n *Network) connect(from, to *Host, fromPort, toPort int) *stream {
	s := &stream{changed: newSignal()}
	out, back := n.path(from.m.name, to.m.name), n.path(to.m.name, from.m.name)
	out.streams++
	s.halves[0] = &half{path: out, back: back, number: 2 * out.streams}
	s.halves[1] = &half{path: back, back: out, number: 2*out.streams + 1}
	a := &net.TCPAddr{IP: from.m.ip, Port: fromPort}
	b := &net.TCPAddr{IP: to.m.ip, Port: toPort}
	s.ends[0] = &conn{n: n, h: from, s: s, out: s.halves[0], in: s.halves[1], local: a, remote: b}
	s.ends[1] = &conn{n: n, h: to, s: s, out: s.halves[1], in: s.halves[0], local: b, remote: a}
	n.streams[s] = struct{}{}
	return s
}

// send puts a piece on its way, behind all others.
func (h *half) send(p piece) {
	h.sent++
	p.at = time.Now().Add(h.path.travel(forStream, h.number, h.sent))
	if p.at.Before(h.last) {
		p.at = h.last
	}
	h.last = p.at
	h.pieces = append(h.pieces, p)
	h.used += len(p.data)
}

// end closes the half for good. Bytes sent before arrive before it.
func (h *half) end(err error) { h.send(piece{end: err}) }

// hold marks what has arrived when a cut begins.
func (h *half) hold(now time.Time) {
	for i := range h.pieces {
		if !h.pieces[i].at.After(now) {
			h.pieces[i].arrived = true
		}
	}
}

// release sends again what a cut has held.
func (h *half) release(now time.Time) {
	h.sent++
	again := now.Add(h.path.travel(forStream, h.number, h.sent))
	for i := range h.pieces {
		if p := &h.pieces[i]; !p.arrived && p.at.Before(again) {
			p.at = again
		}
	}
	if h.last.Before(again) {
		h.last = again
	}
}

// acknowledge tells the writer of bytes read during a cut.
func (h *half) acknowledge() {
	h.used -= h.unacked
	h.unacked = 0
}

// head returns the next piece if it is there, else when it will be; zero: unknown.
func (h *half) head(now time.Time) (*piece, time.Time) {
	if len(h.pieces) == 0 {
		return nil, time.Time{}
	}
	p := &h.pieces[0]
	if p.arrived || !h.path.cut && !p.at.After(now) {
		return p, time.Time{}
	}
	if h.path.cut {
		return nil, time.Time{}
	}
	return nil, p.at
}

// reset tells whether a reset has arrived, else when one will; zero: unknown.
func (h *half) reset(now time.Time) (bool, time.Time) {
	for i := range h.pieces {
		p := &h.pieces[i]
		if !errors.Is(p.end, errReset) {
			continue
		}
		if p.arrived || !h.path.cut && !p.at.After(now) {
			return true, time.Time{}
		}
		if !h.path.cut {
			return false, p.at
		}
	}
	return false, time.Time{}
}

// consume takes up to len(b) bytes off the first piece.
func (h *half) consume(b []byte) int {
	p := &h.pieces[0]
	k := copy(b, p.data)
	p.data = p.data[k:]
	if len(p.data) == 0 {
		h.pieces[0] = piece{}
		h.pieces = h.pieces[1:]
	}
	if h.back.cut {
		h.unacked += k
	} else {
		h.used -= k
	}
	return k
}

// conn is one end of a stream.
type conn struct {
	n             *Network
	h             *Host
	s             *stream
	out, in       *half
	local, remote *net.TCPAddr

	closed, finished      bool // Close, CloseWrite
	readUntil, writeUntil time.Time
}

func (c *conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

func (c *conn) peer() *conn {
	if c.s.ends[0] == c {
		return c.s.ends[1]
	}
	return c.s.ends[0]
}

func (c *conn) Read(b []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for {
		now := time.Now()
		if c.closed {
			return 0, c.fail("read", net.ErrClosed)
		}
		if expired(c.readUntil, now) {
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		}
		if len(b) == 0 {
			return 0, nil
		}
		p, at := c.in.head(now)
		switch {
		case p == nil:
			c.n.wait(&c.s.changed, sooner(at, c.readUntil))
		case errors.Is(p.end, io.EOF):
			return 0, io.EOF
		case p.end != nil:
			return 0, c.fail("read", p.end)
		default:
			k := c.in.consume(b)
			c.s.changed.broadcast()
			return k, nil
		}
	}
}

func (c *conn) Write(b []byte) (written int, err error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for {
		now := time.Now()
		reset, at := c.in.reset(now)
		switch {
		case c.closed:
			return written, c.fail("write", net.ErrClosed)
		case expired(c.writeUntil, now):
			return written, c.fail("write", os.ErrDeadlineExceeded)
		case c.finished || reset:
			return written, c.fail("write", errPipe)
		case len(b) == 0:
			return written, nil
		}
		space := c.n.o.Buffer - c.out.used
		if c.peer().closed {
			c.rebound()
			space = len(b) // nobody reads it
		}
		if space <= 0 {
			c.n.wait(&c.s.changed, sooner(at, c.writeUntil))
			continue
		}
		k := min(space, len(b))
		if !c.peer().closed {
			c.out.send(piece{data: append([]byte(nil), b[:k]...)})
			c.s.changed.broadcast()
		}
		written += k
		b = b[k:]
	}
}

// rebound has the closed peer's host answer bytes with a reset, once.
func (c *conn) rebound() {
	if c.out.path.cut {
		return // they do not get there
	}
	for _, p := range c.in.pieces {
		if errors.Is(p.end, errReset) {
			return
		}
	}
	c.in.end(errReset)
	last := &c.in.pieces[len(c.in.pieces)-1]
	last.at = last.at.Add(c.out.path.travel(forStream, c.out.number, c.out.sent+1))
	c.in.last = last.at
	c.s.changed.broadcast()
}

func (c *conn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	end := io.EOF
	if p, _ := c.in.head(time.Now()); p != nil && p.end == nil {
		end = errReset // bytes that nobody will read
	}
	c.shut(end)
	return nil
}

// shut closes this end and tells the other how.
func (c *conn) shut(end error) {
	if c.closed {
		return
	}
	c.closed = true
	if !c.finished || errors.Is(end, errReset) {
		c.out.end(end)
	}
	c.in.pieces, c.in.used, c.in.unacked = nil, 0, 0
	if c.peer().closed {
		delete(c.n.streams, c.s)
	}
	c.s.changed.broadcast()
}

// CloseWrite ends the outgoing half; the peer reads io.EOF.
func (c *conn) CloseWrite() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	if !c.finished {
		c.finished = true
		c.out.end(io.EOF)
		c.s.changed.broadcast()
	}
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error      { return c.setDeadlines(&t, &t) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.setDeadlines(&t, nil) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

func (c *conn) setDeadlines(read, write *time.Time) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	if read != nil {
		c.readUntil = *read
	}
	if write != nil {
		c.writeUntil = *write
	}
	c.s.changed.broadcast()
	return nil
}
