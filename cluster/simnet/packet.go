package simnet

import (
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	maxPacket  = 65507 // UDP's over IPv4
	maxPackets = 4096  // on their way to one socket or unread in it
)

var errMessageSize = os.NewSyscallError("sendto", syscall.EMSGSIZE)

// Packets sends and takes packets on a port; 0: a free one.
func (h *Host) Packets(port int) (net.PacketConn, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if port == 0 {
		port = h.nextPort()
	}
	addr := &net.UDPAddr{IP: h.m.ip, Port: port}
	if h.crashed {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: addr, Err: ErrCrashed}
	}
	if h.packets[port] != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: addr, Err: errPortInUse}
	}
	p := &packetConn{h: h, addr: addr, changed: newSignal()}
	h.packets[port] = p
	return p, nil
}

type packet struct {
	data []byte
	from *net.UDPAddr
	at   time.Time
}

type packetConn struct {
	h                     *Host
	addr                  *net.UDPAddr
	queue                 []packet // by arrival
	closed                bool
	readUntil, writeUntil time.Time
	changed               signal
}

func (p *packetConn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Addr: p.addr, Err: err}
}

func (p *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n := p.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		now := time.Now()
		if p.closed {
			return 0, nil, p.fail("read", net.ErrClosed)
		}
		if expired(p.readUntil, now) {
			return 0, nil, p.fail("read", os.ErrDeadlineExceeded)
		}
		next := time.Time{}
		if len(p.queue) > 0 {
			first := p.queue[0]
			if !first.at.After(now) {
				p.queue = slices.Delete(p.queue, 0, 1)
				return copy(b, first.data), first.from, nil
			}
			next = first.at
		}
		n.wait(&p.changed, sooner(next, p.readUntil))
	}
}

// WriteTo never waits: the packet is on its way or lost.
func (p *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	n := p.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	switch {
	case p.closed:
		return 0, p.fail("write", net.ErrClosed)
	case expired(p.writeUntil, now):
		return 0, p.fail("write", os.ErrDeadlineExceeded)
	case len(b) > maxPacket:
		return 0, p.fail("write", errMessageSize)
	}
	m, port, err := n.resolve(to.String())
	if err != nil {
		return 0, p.fail("write", err)
	}
	way := n.path(p.h.m.name, m.name)
	way.packets++
	if way.cut || m.host == nil || way.draw(forLoss, 0, way.packets) < way.loss {
		return len(b), nil
	}
	socket := m.host.packets[port]
	if socket == nil || len(socket.queue) >= maxPackets {
		return len(b), nil
	}
	at := now.Add(way.travel(forPacket, 0, way.packets))
	socket.deliver(packet{data: slices.Clone(b), from: p.addr, at: at})
	return len(b), nil
}

// deliver puts a packet behind all that arrive no later.
func (p *packetConn) deliver(x packet) {
	i := len(p.queue)
	for i > 0 && p.queue[i-1].at.After(x.at) {
		i--
	}
	p.queue = slices.Insert(p.queue, i, x)
	p.changed.broadcast()
}

func (p *packetConn) Close() error {
	p.h.n.mu.Lock()
	defer p.h.n.mu.Unlock()
	if p.closed {
		return p.fail("close", net.ErrClosed)
	}
	p.shut()
	return nil
}

func (p *packetConn) shut() {
	p.closed = true
	p.queue = nil
	delete(p.h.packets, p.addr.Port)
	p.changed.broadcast()
}

func (p *packetConn) LocalAddr() net.Addr { return p.addr }

func (p *packetConn) SetDeadline(t time.Time) error      { return p.setDeadlines(&t, &t) }
func (p *packetConn) SetReadDeadline(t time.Time) error  { return p.setDeadlines(&t, nil) }
func (p *packetConn) SetWriteDeadline(t time.Time) error { return p.setDeadlines(nil, &t) }

func (p *packetConn) setDeadlines(read, write *time.Time) error {
	p.h.n.mu.Lock()
	defer p.h.n.mu.Unlock()
	if p.closed {
		return p.fail("set", net.ErrClosed)
	}
	if read != nil {
		p.readUntil = *read
	}
	if write != nil {
		p.writeUntil = *write
	}
	p.changed.broadcast()
	return nil
}
