package link

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
)

const maxWaiting = 64 // streams that wait for Accept

// Listen gives the connections of a kind, Gossip or Raft, to its caller, from
// the end of the preamble on. Once for each kind: a second time, or another
// kind, is a fault of the program and panics.
func (l *Link) Listen(k Kind) net.Listener {
	if k != Gossip && k != Raft {
		panic(fmt.Sprintf("link: nobody listens for %v", k))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.takers[k] != nil {
		panic(fmt.Sprintf("link: second listener for %v", k))
	}
	t := &listener{addr: l.Addr(), conns: make(chan net.Conn, maxWaiting), done: make(chan struct{})}
	if l.closed {
		_ = t.Close()
	} else {
		l.takers[k] = t
	}
	return t
}

// listener hands over the streams of one kind.
type listener struct {
	addr  net.Addr
	conns chan net.Conn

	mu     sync.Mutex
	closed bool
	done   chan struct{}
}

// give passes a stream on; false: nobody will take it.
func (t *listener) give(conn net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	select {
	case t.conns <- conn:
		return true
	default:
		return false
	}
}

func (t *listener) open() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.closed
}

func (t *listener) Accept() (net.Conn, error) {
	select {
	case <-t.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

func (t *listener) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	close(t.done)
	for {
		select {
		case conn := <-t.conns:
			_ = conn.Close()
		default:
			return nil
		}
	}
}

func (t *listener) Addr() net.Addr { return t.addr }

// stream is a connection after its preamble.
type stream struct {
	*tls.Conn
	raw net.Conn
	l   *Link
}

func (s *stream) Close() error {
	s.l.untrack(s.raw)
	return s.Conn.Close()
}
