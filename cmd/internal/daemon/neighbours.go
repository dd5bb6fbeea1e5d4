package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors"
	"sojourn/cluster"
	"sojourn/cluster/link"
	"sojourn/cluster/placement"
	"sojourn/cmd/internal/config"
	"sojourn/cmd/internal/secret"
	"sojourn/cts"
)

// The versions of what members say to each other that this one speaks.
const (
	oldestProtocol = 1
	protocol       = placement.Protocol
)

// What a call to another member is for.
const (
	callStore    byte = 1
	callJourneys byte = 2
)

// Net is the network below a member.
type Net interface {
	Listen(addr string) (net.Listener, error)
	ListenPacket(addr string) (net.PacketConn, error)
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// osNet is the operating system's network.
type osNet struct{}

func (osNet) Listen(addr string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
}

func (osNet) ListenPacket(addr string) (net.PacketConn, error) {
	return (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", addr)
}

func (osNet) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

// neighbours is the side of a member that faces the others. A member alone has
// one too: its view is itself, and nobody can be called.
type neighbours struct {
	config Config
	link   *link.Link     // nil for a member alone
	udp    net.PacketConn // nil for a member alone
	// gossip and raft are nil for a member alone. Who comes before somebody
	// takes them waits.
	gossip, raft net.Listener

	// alone is a view of this member, until there is a membership.
	alone      atomic.Pointer[placement.View]
	membership atomic.Pointer[cluster.Membership]

	// watching ends with the membership.
	watching sync.WaitGroup

	mu    sync.Mutex              // held while what is below changes
	self  placement.Member        // what the others are told
	known map[string]acquaintance // by store
}

// acquaintance is what is remembered of a member.
type acquaintance struct {
	placement.Member
	seen time.Time // when it was in a view last
}

// maxKnown bounds how many members are remembered.
const maxKnown = 256

// errAlone is the answer to a call that a member alone cannot make.
var errAlone = &link.DownError{Err: errors.New("this member has no cluster address")}

// bind opens the cluster's port, if there is to be one, and takes nobody in yet.
func bind(c Config) (_ *neighbours, err error) {
	n := &neighbours{config: c, known: map[string]acquaintance{}}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	n.self = placement.Member{
		ID: placement.MemberID(fmt.Sprintf("%x", id)), Name: c.Name, Expect: c.Cluster.Expect, Protocol: protocol,
		Starting: true,
	}
	if c.Cluster.Addr != "" {
		if err := n.open(c.Cluster); err != nil {
			return nil, fmt.Errorf("cluster port: %w", err)
		}
	}
	n.note()
	return n, nil
}

// note makes a view of what this member is now.
func (n *neighbours) note() {
	view := placement.NewView(0, n.self)
	n.alone.Store(&view)
}

// open listens on one port for both TCP and UDP.
func (n *neighbours) open(c config.Cluster) error {
	credentials, err := n.credentials(c)
	if err != nil {
		return err
	}
	listener, err := n.listen(c.Addr)
	if err != nil {
		return err
	}
	n.link, err = link.New(link.Config{
		Listener: listener,
		Dial:     n.config.Net.Dial,
		TLS:      credentials,
		Member:   string(n.self.ID),
		Slow:     c.Slow,
		Log:      n.config.Log.With("part", "link"),
	})
	if err != nil {
		return errors.Join(err, listener.Close(), n.udp.Close())
	}
	n.gossip, n.raft = n.link.Listen(link.Gossip), n.link.Listen(link.Raft)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return errors.Join(err, n.close())
	}
	n.self.Address = c.Advertised(port)
	return nil
}

// tries to find a port that is free for both protocols, when the kernel chooses.
const tries = 16

func (n *neighbours) listen(addr string) (net.Listener, error) {
	var faults error
	for range tries {
		listener, err := n.config.Net.Listen(addr)
		if err != nil {
			return nil, err
		}
		n.udp, err = n.config.Net.ListenPacket(listener.Addr().String())
		if err == nil {
			return listener, nil
		}
		faults = errors.Join(err, listener.Close())
		if _, port, _ := net.SplitHostPort(addr); port != "0" {
			break
		}
	}
	return nil, faults
}

func (n *neighbours) credentials(c config.Cluster) (*link.Credentials, error) {
	if c.TLSCert != "" {
		return link.Files(c.TLSCert, c.TLSKey, c.TLSCA)
	}
	return link.Derived(n.config.Secret.Derive(secret.MemberCA), string(n.self.ID), rand.Reader)
}

// join makes this member known: from now on others send it work.
func (n *neighbours) join(ctx context.Context, http net.Addr, store string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.self.HTTP, n.self.Store = http.String(), store
	n.note()
	if n.link == nil {
		return nil
	}
	m, err := cluster.Join(ctx, cluster.Config{
		Self:   n.self,
		Oldest: oldestProtocol,
		Keys:   [][]byte{n.config.Secret.Derive(secret.Gossip)},
		Seeds:  n.config.Cluster.Join,
		Stream: n.gossip,
		DialStream: func(ctx context.Context, addr string) (net.Conn, error) {
			return n.link.Dial(ctx, link.Gossip, addr)
		},
		Packets: n.udp,
		Slow:    n.config.Cluster.Slow,
		Log:     n.config.Log.With("part", "cluster"),
	})
	if err != nil {
		return fmt.Errorf("join the cluster: %w", err)
	}
	n.membership.Store(m)
	n.watching.Go(func() {
		var before placement.View
		for view := range m.Watch(context.Background()) { // ends with the membership
			n.remember(before)
			n.remember(view)
			before = view
		}
	})
	return nil
}

// remember notes who is in a view, or was until now.
func (n *neighbours) remember(v placement.View) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range v.Members() {
		if _, known := n.known[m.Store]; known || len(n.known) < maxKnown {
			n.known[m.Store] = acquaintance{Member: m, seen: time.Now()}
		}
	}
}

// met tells what is remembered of a store's member.
func (n *neighbours) met(store string) (acquaintance, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.known[store]
	return a, ok
}

// view is the members as this one sees them, itself among them.
func (n *neighbours) view() placement.View {
	if m := n.membership.Load(); m != nil {
		return m.View()
	}
	return *n.alone.Load()
}

// announce changes what the others are told of this member.
func (n *neighbours) announce(change func(*placement.Member)) {
	n.mu.Lock()
	change(&n.self)
	n.note()
	n.mu.Unlock()
	if m := n.membership.Load(); m != nil {
		if err := m.Announce(change); err != nil {
			n.config.Log.Error("the others are not told of a change of this member", "err", err)
		}
	}
}

// farewell is how long good-byes may take.
const farewell = time.Second

// close says good-bye to the others and closes the port.
func (n *neighbours) close() error {
	var errs []error
	if m := n.membership.Load(); m != nil {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		if err := m.Leave(ctx); err != nil { // they will notice
			n.config.Log.Info("the others may not know that this member has left", "err", err)
		}
		errs = append(errs, m.Close())
		n.watching.Wait()
	} else if n.udp != nil {
		errs = append(errs, n.udp.Close())
	}
	if n.link != nil {
		errs = append(errs, n.link.Close())
	}
	return errors.Join(errs...)
}

// address is where the others reach this member; empty for a member alone.
func (n *neighbours) address() string { return n.self.Address }

// handle takes calls of a service.
func (n *neighbours) handle(service byte, h link.Handler) {
	if n.link != nil {
		n.link.Handle(service, h)
	}
}

// forStore is the network of the token store; nil for a member alone.
func (n *neighbours) forStore() cts.Network {
	if n.link == nil {
		return nil
	}
	return storeNetwork{n}
}

// call sends a request to one service of a member.
func (n *neighbours) call(ctx context.Context, addr string, service byte, body []byte) ([]byte, error) {
	if n.link == nil {
		return nil, errAlone
	}
	return n.link.Call(ctx, addr, service, body)
}

// notDone reports for certain that what a call asked for did not happen.
func notDone(err error) bool {
	var down *link.DownError
	return errors.As(err, &down)
}

// storeNetwork is what the token store sees of the cluster.
type storeNetwork struct{ *neighbours }

func (n storeNetwork) Listen() net.Listener { return n.raft }

func (n storeNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return n.link.Dial(ctx, link.Raft, addr)
}

func (n storeNetwork) Call(ctx context.Context, addr string, body []byte) ([]byte, error) {
	return n.call(ctx, addr, callStore, body)
}

func (n storeNetwork) Handle(h func(ctx context.Context, from string, body []byte) ([]byte, error)) {
	n.link.Handle(callStore, h)
}

func (n storeNetwork) NotDone(err error) bool { return notDone(err) }

func (n storeNetwork) Joined(id [16]byte) {
	n.link.SetCluster(id)
	n.announce(func(m *placement.Member) { m.Cluster = id })
}

func (n storeNetwork) Peers() []cts.Peer {
	var peers []cts.Peer
	for _, m := range n.view().Members() {
		if m.Store == "" { // this one, before it has joined
			continue
		}
		peers = append(peers, cts.Peer{Store: m.Store, Address: m.Address, Name: m.Name, Cluster: m.Cluster, Expect: m.Expect, Protocol: m.Protocol})
	}
	return peers
}

// journeyPeers is what the journeys see of the cluster.
type journeyPeers struct{ *neighbours }

func (n journeyPeers) Call(ctx context.Context, m placement.Member, body []byte) ([]byte, error) {
	return n.call(ctx, m.Address, callJourneys, body)
}

func (n journeyPeers) NotDone(err error) bool { return notDone(err) }

func (n journeyPeers) Silent(m placement.Member) bool {
	return n.link != nil && n.link.Silent(m.Address)
}

var _ actors.Peers = journeyPeers{}
