// Package cluster knows which members there are: processes that find each
// other from a few addresses and one key, notice when one dies, and hand out
// what they see as immutable views.
//
// Underneath is memberlist (SWIM gossip). Nothing of it shows: its callbacks
// end in a table, the table publishes views, and readers take the latest.
// DESIGN.md says what is promised and what was measured.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"sojourn/cluster/placement"
)

const (
	// KeySize is the length of a key in bytes: AES-256-GCM.
	KeySize = 32
	// MaxKeys is how many keys a member holds: the one in use and, while keys
	// change, the one before or after it.
	MaxKeys = 2
	// MaxSlow is the largest timing multiplier.
	MaxSlow = 10

	// label is authenticated with every message. Clusters are told apart by
	// their keys and ids; this tells our gossip from anybody else's.
	label = "sojourn"
)

// Config is what Join needs. All fields are required unless they say so.
type Config struct {
	// Self is this member. ID must be fresh for each start of a process, at
	// most 64 bytes; Address must be one at which the others reach Stream and
	// Packets. A host name in it is looked up once, by Join.
	Self placement.Member
	// Oldest is the oldest protocol between members that this one speaks; Self
	// has the newest. Zero means no other than that.
	Oldest int
	// Keys are one or two keys of KeySize bytes. The first encrypts.
	Keys [][]byte
	// Seeds are HOST:PORT of other members, at most MaxMembers, possibly this
	// one among them. Absent ones are tried every second times Slow, and host
	// names are looked up each time. None: this member waits to be found.
	Seeds []string
	// Stream and DialStream carry the exchange of whole states and the second
	// opinion on a member that misses packets. DialStream gets IP:PORT.
	// Close closes Stream.
	Stream     net.Listener
	DialStream func(ctx context.Context, addr string) (net.Conn, error)
	// Packets is UDP on the port of Address. Close closes it.
	Packets net.PacketConn
	// Slow multiplies all times, for machines that are too slow for the usual
	// ones: 1 to 10, zero is 1.
	Slow int
	// Lookup gives the IP addresses of a host name. Nil is Go's resolver.
	Lookup func(ctx context.Context, host string) ([]string, error)
	Log    *slog.Logger
}

// Membership is this process's part in the cluster. Its methods may be called
// at any time from any goroutine.
type Membership struct {
	config  Config
	slow    time.Duration
	table   *table
	notes   *notes
	tries   tries
	carrier *transport
	ring    *memberlist.Keyring
	list    *memberlist.Memberlist

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	logged sync.WaitGroup // the goroutine of notes, the last to end

	life   sync.Mutex
	closed bool
	calls  sync.WaitGroup // into memberlist

	// update is held by one UpdateNode at a time, which reads without a lock,
	// and by changes of keys. A channel: who holds it waits for timers.
	update chan struct{}
}

// ErrClosed is what methods return after Close.
var ErrClosed = errors.New("membership is closed")

// Join starts to take part. It returns at once: the seeds are met in the
// background. ctx bounds only the lookup of Self.Address. When Join fails the
// caller closes Stream and Packets; they may be closed already.
func Join(ctx context.Context, c Config) (*Membership, error) {
	if c.Lookup == nil {
		c.Lookup = net.DefaultResolver.LookupHost
	}
	if c.Slow == 0 {
		c.Slow = 1
	}
	if c.Oldest == 0 {
		c.Oldest = c.Self.Protocol
	}
	self := record{member: c.Self, oldest: c.Oldest, started: time.Now()}
	if err := c.validate(self); err != nil {
		return nil, fmt.Errorf("join cluster: %w", err)
	}
	found, err := resolve(ctx, c.Lookup, c.Self.Address)
	if err != nil {
		return nil, fmt.Errorf("join cluster: look up own address: %w", err)
	}
	address := found[0]
	if address.Addr().IsUnspecified() {
		return nil, fmt.Errorf("join cluster: own address %s is not one that others can reach", c.Self.Address)
	}
	keys := make([][]byte, len(c.Keys))
	for i, k := range c.Keys {
		keys[i] = slices.Clone(k)
	}
	ring, err := memberlist.NewKeyring(keys, keys[0])
	if err != nil {
		return nil, fmt.Errorf("join cluster: %w", err)
	}

	m := &Membership{config: c, slow: time.Duration(c.Slow), notes: newNotes(c.Log), ring: ring, update: make(chan struct{}, 1)}
	m.tries.known = map[string]*try{}
	m.table = newTable(self, address.String(), m.notes)
	m.ctx, m.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	m.logged.Go(func() { m.notes.run(m.ctx) })
	m.carrier = newTransport(address, c, m.notes)
	m.list, err = memberlist.Create(m.settings())
	if err != nil {
		m.cancel(err)
		return nil, errors.Join(fmt.Errorf("join cluster: %w", err), m.carrier.Shutdown())
	}
	m.calls.Go(m.rejoin)
	return m, nil
}

// validate reports all faults at once.
func (c Config) validate(self record) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if err := self.check(); err != nil {
		fault("self: %w", err)
	}
	if len(c.Keys) < 1 || len(c.Keys) > MaxKeys {
		fault("%d keys, want 1 to %d", len(c.Keys), MaxKeys)
	}
	for i, k := range c.Keys {
		if len(k) != KeySize {
			fault("key %d has %d bytes, want %d", i, len(k), KeySize)
		}
	}
	if len(c.Seeds) > MaxMembers {
		fault("%d seeds, at most %d", len(c.Seeds), MaxMembers)
	}
	for _, s := range c.Seeds {
		if err := checkAddress(s); err != nil {
			fault("seed: %w", err)
		}
	}
	if c.Stream == nil || c.DialStream == nil || c.Packets == nil || c.Log == nil {
		fault("Stream, DialStream, Packets and Log are required")
	}
	if c.Slow < 1 || c.Slow > MaxSlow {
		fault("slow %d, want 1 to %d", c.Slow, MaxSlow)
	}
	return errors.Join(faults...)
}

// settings are those of DESIGN.md, "Detection".
func (m *Membership) settings() *memberlist.Config {
	slow := m.slow
	c := memberlist.DefaultLANConfig()
	c.Name = string(m.config.Self.ID)
	c.Transport, c.Keyring, c.Label = m.carrier, m.ring, label
	c.BindPort, c.AdvertisePort = int(m.carrier.self.Port()), int(m.carrier.self.Port())
	c.ProbeInterval, c.ProbeTimeout = 500*time.Millisecond*slow, 300*time.Millisecond*slow
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = 4, 2
	c.GossipInterval, c.GossipToTheDeadTime = 100*time.Millisecond*slow, 30*time.Second*slow
	c.TCPTimeout, c.PushPullInterval = 2*time.Second*slow, 10*time.Second*slow
	c.EnableCompression = false // a ping does not shrink, and states are small
	c.Delegate, c.Events, c.Alive, c.Merge, c.Ping = m.table, m.table, m.table, m.table, m.table
	c.Logger = log.New(m.notes, "", 0)
	return c
}

// View is the member set as this member sees it now. Self is always in it.
func (m *Membership) View() placement.View { return m.table.latest().view }

// Watch yields the current view, and after each change the latest one: a slow
// reader misses views in between, never the last. It ends with ctx or Close.
func (m *Membership) Watch(ctx context.Context) iter.Seq[placement.View] {
	return func(yield func(placement.View) bool) {
		for {
			p := m.table.latest()
			if !yield(p.view) {
				return
			}
			select {
			case <-p.over:
			case <-ctx.Done():
				return
			case <-m.ctx.Done():
				return
			}
		}
	}
}

// Announce changes what this member tells of itself: its own view has it at
// once, the others' within a few gossip intervals of 100 ms times Slow. Changes
// to ID and Address are ignored. It fails, and changes nothing, when a field is
// over its bound.
func (m *Membership) Announce(change func(*placement.Member)) error {
	if err := m.table.change(func(r *record) { change(&r.member) }); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	if !m.enter() {
		return ErrClosed
	}
	defer m.calls.Done()
	// The update is queued whether or not one waits for it to be sent.
	_ = m.push(time.Nanosecond)
	return nil
}

// Leave tells the others that this member goes, so that they do not take it
// for dead. First it is draining to them, then gone. It returns when both have
// been sent, at most two seconds times Slow later. The membership lasts until
// Close, and keeps answering the others.
func (m *Membership) Leave(ctx context.Context) error {
	if err := m.table.change(func(r *record) { r.member.Draining, r.leaving = true, true }); err != nil {
		return fmt.Errorf("leave cluster: %w", err)
	}
	if !m.enter() {
		return ErrClosed
	}
	done := make(chan error, 1)
	go func() {
		defer m.calls.Done()
		// Word that is late is still sent; each wait is a bound.
		err := m.push(time.Second * m.slow)
		done <- errors.Join(err, m.list.Leave(time.Second*m.slow))
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("leave cluster: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("leave cluster: %w", context.Cause(ctx))
	}
}

// push sends this member's metadata; it waits for that at most d.
func (m *Membership) push(d time.Duration) error {
	m.update <- struct{}{}
	defer func() { <-m.update }()
	return m.list.UpdateNode(d)
}

// AddKey accepts messages under another key from now on. To change keys: add
// the new one on every member, then use it on every member, then remove the
// old one on every member. It fails for a key of another size than KeySize,
// and when MaxKeys are held already.
func (m *Membership) AddKey(key []byte) error {
	if len(key) != KeySize {
		return fmt.Errorf("add key: it has %d bytes, want %d", len(key), KeySize)
	}
	m.update <- struct{}{}
	defer func() { <-m.update }()
	ring := m.ring
	held := ring.GetKeys()
	known := slices.ContainsFunc(held, func(k []byte) bool { return string(k) == string(key) })
	if !known && len(held) >= MaxKeys {
		// memberlist removes the last key of its ring without touching what
		// readers hold, any other key not. With two keys it is the last.
		return fmt.Errorf("add key: %d keys are held already, remove the old one first", MaxKeys)
	}
	return ring.AddKey(slices.Clone(key))
}

// UseKey encrypts with a key that was added before.
func (m *Membership) UseKey(key []byte) error {
	m.update <- struct{}{}
	defer func() { <-m.update }()
	return m.ring.UseKey(key)
}

// RemoveKey accepts no message under key any more. It fails for the key in
// use; a key that is not held is no error.
func (m *Membership) RemoveKey(key []byte) error {
	m.update <- struct{}{}
	defer func() { <-m.update }()
	return m.ring.RemoveKey(key)
}

// leaving is true from Leave on.
func (m *Membership) leaving() bool {
	m.table.mu.Lock()
	defer m.table.mu.Unlock()
	return m.table.self.leaving
}

// enter counts a call that uses memberlist; false after Close.
func (m *Membership) enter() bool {
	m.life.Lock()
	defer m.life.Unlock()
	if m.closed {
		return false
	}
	m.calls.Add(1)
	return true
}

// Close stops taking part without a word, as if the process had died; Leave
// first, unless that is meant. It waits for a Leave that is under way. A probe
// that memberlist has in the air ends by itself, within its interval.
func (m *Membership) Close() error {
	m.life.Lock()
	again := m.closed
	m.closed = true
	m.life.Unlock()
	if again {
		return nil
	}
	m.cancel(ErrClosed)
	m.carrier.hangUp()
	m.calls.Wait()
	err := m.list.Shutdown()
	m.logged.Wait()
	return err
}

// resolve gives the addresses behind HOST:PORT, IPv4 first.
func resolve(ctx context.Context, lookup func(context.Context, string) ([]string, error), address string) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	hosts, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, h := range hosts {
		a, err := netip.ParseAddrPort(net.JoinHostPort(h, port))
		if err != nil {
			return nil, err
		}
		out = append(out, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no address for %s", host)
	}
	slices.SortStableFunc(out, func(a, b netip.AddrPort) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return out, nil
}
