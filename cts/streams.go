package cts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/hclogslog"
)

const (
	// transportTimeout bounds each of raft's requests but snapshots, for which it
	// grows with their size.
	transportTimeout = 2 * time.Second
	// transportPool is how many idle streams are kept for each member.
	transportPool = 3
)

// newTransport connects raft with other members, and with nobody over a network
// of nobody. raft closes it.
func (s *Store) newTransport() *transport {
	c := s.config
	return &transport{open: map[*pipeline]struct{}{}, NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		ServerAddressProvider: addresses{c.Network},
		Logger:                hclogslog.New(c.Log),
		Stream: &streams{
			network: c.Network, listener: c.Network.Listen(), address: s.ownAddress(),
			open: map[net.Conn]struct{}{}, closed: make(chan struct{}),
		},
		MaxPool: transportPool, MaxRPCsInFlight: 2, Timeout: s.slow(transportTimeout),
	})}
}

// slow is how long d is on this machine.
func (s *Store) slow(d time.Duration) time.Duration { return d * time.Duration(s.config.Slow) }

// addresses tells where members are now: the configuration only has where they
// were when they were taken in.
type addresses struct{ network Network }

var errNotAlive = errors.New("not alive")

// ServerAddr implements raft.ServerAddressProvider.
func (a addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	for _, p := range a.network.Peers() {
		if p.Store == string(id) {
			return raft.ServerAddress(p.Address), nil
		}
	}
	return "", errNotAlive
}

// streams is a raft.StreamLayer. Closed, it closes all that it has opened: raft
// leaves streams behind that others have opened.
type streams struct {
	network  Network
	listener net.Listener // nil for nobody
	address  string
	closed   chan struct{}

	mu   sync.Mutex
	open map[net.Conn]struct{}
	over bool
}

// Accept implements net.Listener.
func (s *streams) Accept() (net.Conn, error) {
	if s.listener == nil {
		<-s.closed
		return nil, net.ErrClosed
	}
	c, err := s.listener.Accept()
	if err != nil {
		return nil, fmt.Errorf("accept raft's stream: %w", err)
	}
	return s.keep(c)
}

// Dial implements raft.StreamLayer.
func (s *streams) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	c, err := s.network.Dial(ctx, string(address))
	if err != nil {
		return nil, fmt.Errorf("raft's stream: %w", err)
	}
	return s.keep(c)
}

// keep remembers an open stream until it is closed.
func (s *streams) keep(c net.Conn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, errors.Join(net.ErrClosed, c.Close())
	}
	s.open[c] = struct{}{}
	return kept{c, s}, nil
}

type kept struct {
	net.Conn
	of *streams
}

// Close implements net.Conn.
func (c kept) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// Close implements net.Listener.
func (s *streams) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	s.over = true
	close(s.closed)
	var faults []error
	if s.listener != nil {
		faults = append(faults, s.listener.Close())
	}
	for c := range s.open {
		faults = append(faults, c.Close())
	}
	return errors.Join(faults...)
}

// Addr implements net.Listener.
func (s *streams) Addr() net.Addr { return address(s.address) }

// address is a net.Addr.
type address string

// Network implements net.Addr.
func (address) Network() string { return "tcp" }

func (a address) String() string { return string(a) }
