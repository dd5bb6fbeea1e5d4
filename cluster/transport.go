package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// A datagram is at most this long; memberlist keeps its own within 1400.
const maxPacket = 1 << 16

// transport carries memberlist's datagrams and streams over what Config gives.
// memberlist goes on using it for a moment after its end, so no channel is
// ever closed.
type transport struct {
	self       netip.AddrPort
	packets    net.PacketConn
	stream     net.Listener
	dialStream func(ctx context.Context, addr string) (net.Conn, error)
	notes      *notes

	received chan *memberlist.Packet
	accepted chan net.Conn
	ctx      context.Context // ends with Shutdown
	cancel   context.CancelCauseFunc
	loops    sync.WaitGroup

	dialing context.Context // ends with hangUp
	hang    context.CancelCauseFunc
	mu      sync.Mutex
	conns   map[*conn]struct{}
	hungUp  bool
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

func newTransport(self netip.AddrPort, c Config, n *notes) *transport {
	t := &transport{
		self: self, packets: c.Packets, stream: c.Stream, dialStream: c.DialStream, notes: n,
		received: make(chan *memberlist.Packet), accepted: make(chan net.Conn),
		conns: map[*conn]struct{}{},
	}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.dialing, t.hang = context.WithCancelCause(t.ctx)
	t.loops.Go(t.receive)
	t.loops.Go(t.accept)
	return t
}

func (t *transport) receive() {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := t.packets.ReadFrom(buf)
		if err != nil {
			if !t.again(err, "gossip packets cannot be read") {
				return
			}
			continue
		}
		p := &memberlist.Packet{Buf: slices.Clone(buf[:n]), From: from, Timestamp: time.Now()}
		select {
		case t.received <- p:
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *transport) accept() {
	for {
		c, err := t.stream.Accept()
		if err != nil {
			if !t.again(err, "gossip streams cannot be accepted") {
				return
			}
			continue
		}
		tracked, err := t.track(c)
		if err != nil {
			continue
		}
		select {
		case t.accepted <- tracked:
		case <-t.ctx.Done():
			return
		}
	}
}

// again says that a loop may go on after err, which it does after a pause.
func (t *transport) again(err error, text string) bool {
	if t.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	t.notes.seldom(slog.LevelWarn, text, text, "err", err)
	pause := time.NewTimer(100 * time.Millisecond)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-t.ctx.Done():
		return false
	}
}

// FinalAdvertiseAddr is the address of Config.Self, resolved.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.self.Addr().AsSlice(), int(t.self.Port()), nil
}

// WriteTo is WriteToAddress for a peer without a name.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress sends one datagram.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	to, err := netip.ParseAddrPort(a.Addr)
	if err != nil {
		return time.Time{}, fmt.Errorf("send packet: %w", err)
	}
	_, err = t.packets.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return time.Now(), err
}

// PacketCh gives the datagrams received.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.received }

// StreamCh gives the streams accepted.
func (t *transport) StreamCh() <-chan net.Conn { return t.accepted }

// DialTimeout is DialAddressTimeout for a peer without a name.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a stream. Its deadline is set already: memberlist
// writes the label before it sets one, and a peer need not read.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.dialing, timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	c, err := t.dialStream(ctx, a.Addr)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return t.track(c)
}

// hangUp closes every stream and opens no more; packets go on.
func (t *transport) hangUp() {
	t.mu.Lock()
	t.hungUp = true
	open := slices.Collect(maps.Keys(t.conns))
	t.mu.Unlock()
	t.hang(net.ErrClosed)
	for _, c := range open {
		// Its peer may have closed it: then that is done.
		_ = c.Close()
	}
}

// Shutdown closes everything that Config gave and every stream, and waits for
// the loops.
func (t *transport) Shutdown() error {
	t.hangUp()
	t.cancel(net.ErrClosed)
	err := errors.Join(t.stream.Close(), t.packets.Close())
	t.loops.Wait()
	return err
}

// track makes hangUp close c, so that nothing of memberlist waits for it.
func (t *transport) track(c net.Conn) (net.Conn, error) {
	tracked := &conn{Conn: c, transport: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hungUp {
		return nil, errors.Join(net.ErrClosed, c.Close())
	}
	t.conns[tracked] = struct{}{}
	return tracked, nil
}

type conn struct {
	net.Conn
	transport *transport
}

func (c *conn) Close() error {
	c.transport.mu.Lock()
	_, open := c.transport.conns[c]
	delete(c.transport.conns, c)
	c.transport.mu.Unlock()
	if !open {
		return nil
	}
	return c.Conn.Close()
}
