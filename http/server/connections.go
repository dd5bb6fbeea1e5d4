package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections counts open connections and knows which of them are idle, the
// one idle longest first.
type connections struct {
	limit int
	plain bool // newcomers understand a plain-text refusal

	mu   sync.Mutex
	open int
	// idle is the sentinel of a ring of waiting connections: those that
	// finished a request and those that sent nothing yet.
	idle conn
}

// conn is a connection with its place in the ring; next is nil when it is not
// waiting.
type conn struct {
	net.Conn
	all        *connections
	prev, next *conn
	fresh      bool // no byte of a request has come
	closed     bool
}

func newConnections(limit int, plain bool) *connections {
	c := &connections{limit: limit, plain: plain}
	c.idle.prev, c.idle.next = &c.idle, &c.idle
	return c
}

// admit counts a connection in. At the limit the one that is idle longest goes;
// admit reports false when there is none.
func (c *connections) admit(raw net.Conn) (*conn, bool) {
	c.mu.Lock()
	var victim *conn
	if c.open >= c.limit {
		victim = c.idle.next
		if victim == &c.idle {
			c.mu.Unlock()
			return nil, false
		}
		victim.leave()
		victim.closed = true
		c.open--
	}
	n := &conn{Conn: raw, all: c, fresh: true}
	c.open++
	c.mu.Unlock()
	if victim != nil {
		_ = victim.Conn.Close()
	}
	return n, true
}

// note follows the states of connections, as net/http tells them.
func (c *connections) note(raw net.Conn, state http.ConnState) {
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	n, ok := raw.(*conn)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		n.fresh = state == http.StateNew
		n.wait()
	case http.StateActive:
		n.fresh = false
		n.leave()
	case http.StateHijacked, http.StateClosed:
		n.leave()
	}
}

// closeFresh closes the connections that have not sent a byte.
func (c *connections) closeFresh() {
	c.mu.Lock()
	var fresh []*conn
	for n := c.idle.next; n != &c.idle; n = n.next {
		if n.fresh {
			fresh = append(fresh, n)
		}
	}
	c.mu.Unlock()
	for _, n := range fresh {
		_ = n.Close()
	}
}

// wait and leave are called with the lock held.
func (n *conn) wait() {
	if n.next != nil || n.closed {
		return
	}
	ring := &n.all.idle
	n.prev, n.next = ring.prev, ring
	ring.prev.next, ring.prev = n, n
}

func (n *conn) leave() {
	if n.next == nil {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
}

// Close closes the connection and counts it out, once.
func (n *conn) Close() error {
	n.all.mu.Lock()
	n.leave()
	if !n.closed {
		n.closed = true
		n.all.open--
	}
	n.all.mu.Unlock()
	return n.Conn.Close()
}

// limitedListener accepts what connections admits and refuses the rest.
type limitedListener struct {
	net.Listener
	conns *connections
}

// refusalTime bounds the write of a refusal, which fits any socket's buffer.
const refusalTime = 100 * time.Millisecond

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if n, ok := l.conns.admit(raw); ok {
			return n, nil
		}
		if l.conns.plain {
			_ = raw.SetWriteDeadline(time.Now().Add(refusalTime))
			_, _ = raw.Write(refusal())
		}
		_ = raw.Close()
	}
}

// refusal is all that a connection over the limit is told.
func refusal() []byte {
	body := refusalBody(http.StatusServiceUnavailable, "Too many connections")
	return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
