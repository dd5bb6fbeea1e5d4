package simnet

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	firstEphemeral = 40000
	backlog        = 128
	retrySYN       = time.Second
	giveUpConnect  = 127 * time.Second
)

var (
	errRefused   = os.NewSyscallError("connect", syscall.ECONNREFUSED)
	errTimedOut  = os.NewSyscallError("connect", syscall.ETIMEDOUT)
	errPortInUse = os.NewSyscallError("bind", syscall.EADDRINUSE)

	// ErrCrashed is what a crashed Host answers to everything. Network.Host
	// returns the next incarnation.
	ErrCrashed = errors.New("host has crashed")
)

// Host is one incarnation of a host: the network as one process sees it.
type Host struct {
	n *Network
	m *machine

	crashed   bool
	port      int // the next free one
	listeners map[int]*listener
	packets   map[int]*packetConn
}

// Name is what the host was asked for by.
func (h *Host) Name() string { return h.m.name }

// IP is the host's address, the same for all incarnations.
func (h *Host) IP() net.IP { return h.m.ip }

// Addr is the address of a port in the form that Dial takes: 10.0.0.1:7000. The
// form a:7000, with the host's name, is taken as well.
func (h *Host) Addr(port int) string { return net.JoinHostPort(h.m.ip.String(), strconv.Itoa(port)) }

// Listen takes streams on a port; 0: a free one.
func (h *Host) Listen(port int) (net.Listener, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if port == 0 {
		port = h.nextPort()
	}
	addr := &net.TCPAddr{IP: h.m.ip, Port: port}
	if h.crashed {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr, Err: ErrCrashed}
	}
	if h.listeners[port] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr, Err: errPortInUse}
	}
	l := &listener{h: h, addr: addr, changed: newSignal()}
	h.listeners[port] = l
	return l, nil
}

func (h *Host) nextPort() int {
	for {
		h.port++
		if h.listeners[h.port] == nil && h.packets[h.port] == nil {
			return h.port
		}
	}
}

// Dial connects to host:port, where host is a name or an address.
func (h *Host) Dial(ctx context.Context, addr string) (net.Conn, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	c, err := h.dial(ctx, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: textAddr(addr), Err: err}
	}
	return c, nil
}

type textAddr string

func (textAddr) Network() string  { return "tcp" }
func (a textAddr) String() string { return string(a) }

func (h *Host) dial(ctx context.Context, addr string) (*conn, error) {
	m, port, err := h.n.resolve(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, giveUpConnect, errTimedOut)
	defer cancel()
	there, back := h.n.path(h.m.name, m.name), h.n.path(m.name, h.m.name)
	for {
		if err := h.cross(ctx, there); err != nil {
			return nil, err
		}
		var l *listener
		if m.host != nil {
			l = m.host.listeners[port]
		}
		if l == nil {
			if err := h.cross(ctx, back); err != nil {
				return nil, err
			}
			return nil, errRefused
		}
		if len(l.queue) >= backlog {
			if err := h.sleep(ctx, &l.changed, time.Now().Add(retrySYN)); err != nil {
				return nil, err
			}
			continue
		}
		s := h.n.connect(h, m.host, h.nextPort(), port)
		l.queue = append(l.queue, s.ends[1])
		l.changed.broadcast()
		if err := h.cross(ctx, back); err != nil {
			s.ends[0].shut(errReset)
			return nil, err
		}
		return s.ends[0], nil
	}
}

// cross waits for one travel along the path, again after each cut.
func (h *Host) cross(ctx context.Context, p *path) error {
	for {
		p.streams++
		arrives := time.Now().Add(p.travel(forStream, p.streams, 0))
		for time.Now().Before(arrives) {
			if err := h.sleep(ctx, nil, arrives); err != nil {
				return err
			}
		}
		if !p.cut {
			return h.alive(ctx)
		}
		for p.cut {
			if err := h.sleep(ctx, &h.n.healed, time.Time{}); err != nil {
				return err
			}
		}
	}
}

func (h *Host) alive(ctx context.Context) error {
	if h.crashed {
		return ErrCrashed
	}
	if err := ctx.Err(); err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errTimedOut) {
			return cause
		}
		return err
	}
	return nil
}

// sleep gives up the lock until the signal, the time or the end of ctx. Either
// of the first two may be nil or zero.
func (h *Host) sleep(ctx context.Context, s *signal, until time.Time) error {
	var changed chan struct{}
	if s != nil {
		changed = s.ch
	}
	var after <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		after = timer.C
	}
	h.n.mu.Unlock()
	select {
	case <-changed:
	case <-after:
	case <-ctx.Done():
	}
	h.n.mu.Lock()
	return h.alive(ctx)
}

func (n *Network) resolve(addr string) (*machine, int, error) {
	name, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, 0, &net.AddrError{Err: "bad port", Addr: addr}
	}
	m := n.machines[name]
	if m == nil {
		m = n.byIP[name]
	}
	if m == nil {
		return nil, 0, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return m, int(port), nil
}

// Crash ends this incarnation: its listeners are gone, its streams reset, its
// packets lost. Everything asked of the Host afterwards fails.
func (h *Host) Crash() {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if h.crashed {
		return
	}
	h.crashed = true
	h.m.host = nil
	for _, l := range h.listeners {
		l.shut()
	}
	for _, p := range h.packets {
		p.shut()
	}
	for s := range h.n.streams {
		for _, c := range s.ends {
			if c.h == h {
				c.shut(errReset)
			}
		}
	}
}

type listener struct {
	h       *Host
	addr    *net.TCPAddr
	queue   []*conn
	closed  bool
	changed signal
}

func (l *listener) Accept() (net.Conn, error) {
	n := l.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		if l.closed {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
		}
		if len(l.queue) > 0 {
			c := l.queue[0]
			l.queue = l.queue[1:]
			l.changed.broadcast()
			return c, nil
		}
		n.wait(&l.changed, time.Time{})
	}
}

// Close resets the streams that nobody has accepted.
func (l *listener) Close() error {
	l.h.n.mu.Lock()
	defer l.h.n.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	l.shut()
	return nil
}

func (l *listener) shut() {
	l.closed = true
	delete(l.h.listeners, l.addr.Port)
	for _, c := range l.queue {
		c.shut(errReset)
	}
	l.queue = nil
	l.changed.broadcast()
}

func (l *listener) Addr() net.Addr { return l.addr }
