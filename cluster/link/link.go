package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	connectTimeout = time.Second
	setupTimeout   = time.Second            // handshake and preamble
	drainTimeout   = 500 * time.Millisecond // for answers on their way at Close
	maxHandshakes  = 256
	maxSlow        = 10
)

// Config is what a link needs.
type Config struct {
	// Listener takes the connections of other members. The link closes it.
	Listener net.Listener
	// Dial connects to an address. nil: over TCP, given up after one second.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// TLS says who belongs to the cluster.
	TLS *Credentials
	// Member is the id of this run of this process: 1 to 64 letters, digits, -_.
	Member string
	// Slow multiplies all times, for slow hosts: 1 to 10. 0 is 1.
	Slow int
	Log  *slog.Logger
}

// Handler carries out a request of another member and returns the answer. ctx
// ends when the caller stops waiting, its connection breaks or the link closes.
// The body belongs to the handler, what it returns to the link. Handlers never
// wait for each other; one that panics is logged, its caller gets a RemoteError.
type Handler func(ctx context.Context, from string, body []byte) ([]byte, error)

// Link is one member's end of the connections to all others. Its methods may be
// called from any goroutine.
type Link struct {
	c        Config
	slow     time.Duration
	log      *slog.Logger
	refusals *refusals
	slots    chan struct{} // handshakes under way
	accepted handlers
	hands    hands

	ctx    context.Context // ends with the link
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // every goroutine of the link

	mu      sync.Mutex
	closed  bool
	cluster [clusterLen]byte
	takers  map[Kind]*listener
	conns   map[net.Conn][clusterLen]byte // all that are open, with the peer's cluster
	peers   map[string]*peer              // by address
}

// New begins to accept at once. Connections of a kind without a listener, and
// requests for a service without a handler, are refused.
func New(c Config) (*Link, error) {
	switch {
	case c.Listener == nil:
		return nil, errors.New("link: no listener")
	case c.TLS == nil:
		return nil, errors.New("link: no credentials")
	case c.Log == nil:
		return nil, errors.New("link: no log")
	case c.Slow < 0 || c.Slow > maxSlow:
		return nil, fmt.Errorf("link: slow is %d, need 1 to %d", c.Slow, maxSlow)
	}
	if err := checkMember(c.Member); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	slow := time.Duration(max(c.Slow, 1))
	if c.Dial == nil {
		d := &net.Dialer{Timeout: connectTimeout * slow}
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	l := &Link{
		c:        c,
		slow:     slow,
		log:      c.Log,
		refusals: newRefusals(),
		slots:    make(chan struct{}, maxHandshakes),
		takers:   map[Kind]*listener{},
		conns:    map[net.Conn][clusterLen]byte{},
		peers:    map[string]*peer{},
	}
	l.accepted.services = map[byte]Handler{}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.hands.jobs, l.hands.over = make(chan job), l.ctx.Done()
	l.wg.Go(l.accept)
	return l, nil
}

// Addr is where the link accepts connections.
func (l *Link) Addr() net.Addr { return l.c.Listener.Addr() }

// SetCluster says to which cluster this member belongs from now on. Peers that
// name another one are refused, and those already connected are cut off; a zero
// id, on either side, fits all. Connections for calls that were made under
// another id finish what they carry and are then made anew.
func (l *Link) SetCluster(id [16]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cluster == id {
		return
	}
	l.cluster = id
	for conn, theirs := range l.conns {
		if strangers(id, theirs) {
			_ = conn.Close()
		}
	}
	for addr, p := range l.peers {
		p.retire()
		delete(l.peers, addr)
	}
}

func strangers(a, b [clusterLen]byte) bool {
	var none [clusterLen]byte
	return a != b && a != none && b != none
}

// Handle has h carry out the requests for a service. A second handler for one
// service is a fault of the program and panics.
func (l *Link) Handle(service byte, h Handler) { l.accepted.add(service, h) }

// Dial opens a stream of the given kind to the member at addr, Gossip or Raft.
// Every error is a DownError.
func (l *Link) Dial(ctx context.Context, k Kind, addr string) (net.Conn, error) {
	if k != Gossip && k != Raft {
		return nil, &DownError{addr, fmt.Errorf("no stream is of %v", k)}
	}
	conn, err := l.connect(ctx, k, addr)
	if err != nil {
		return nil, &DownError{addr, err}
	}
	return conn, nil
}

// Close stops accepting, gives answers that are being made half a second to get
// away, breaks all connections (streams that were handed out included) and waits
// until every goroutine of the link has ended, handlers among them.
func (l *Link) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.wg.Wait()
		return nil
	}
	l.closed = true
	takers := l.takers
	l.takers = map[Kind]*listener{}
	l.mu.Unlock()
	err := l.c.Listener.Close()
	for _, t := range takers {
		_ = t.Close()
	}
	l.drain()
	l.cancel(ErrClosed)
	l.mu.Lock()
	for conn := range l.conns {
		_ = conn.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
	if err != nil {
		return fmt.Errorf("close cluster port: %w", err)
	}
	return nil
}

// drain refuses new requests and waits for the answers to those that run.
func (l *Link) drain() {
	l.accepted.stop()
	idle := make(chan struct{})
	l.wg.Go(func() {
		l.accepted.running.Wait()
		close(idle)
	})
	limit := time.NewTimer(drainTimeout * l.slow)
	defer limit.Stop()
	select {
	case <-idle:
	case <-limit.C:
	}
}

// track notes a connection, so that Close breaks it; false: the link is closing.
func (l *Link) track(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.conns[conn] = [clusterLen]byte{}
	return true
}

func (l *Link) untrack(conn net.Conn) {
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
}

// meet notes the peer's cluster and tells ours; false: the two do not go together.
func (l *Link) meet(conn net.Conn, theirs [clusterLen]byte) (ours [clusterLen]byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strangers(l.cluster, theirs) {
		return l.cluster, false
	}
	if _, open := l.conns[conn]; open {
		l.conns[conn] = theirs
	}
	return l.cluster, true
}
