package cts

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
)

// A cluster is members in one process, on a simulated network and in virtual
// time. What gossip would say, it says at once.
type cluster struct {
	t   testing.TB
	net *simnet.Network
	dir string

	expect int
	change func(*Config) // of a member's configuration; may be nil

	mu      sync.Mutex
	members map[string]*member // by host
	cut     map[[2]string]bool // hosts that gossip does not see each other
	old     map[string]int     // hosts that say that they run an earlier release, and its protocol
}

type member struct {
	*Store
	host    *simnet.Host
	network *simNetwork
}

// inCluster runs a test in a bubble, on a cluster with members of those names.
func inCluster(t *testing.T, expect int, names string, test func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, time.Millisecond, expect, names)
		defer c.closeAll()
		test(t, c)
	})
}

func newCluster(t testing.TB, latency time.Duration, expect int, names string) *cluster {
	t.Helper()
	c := &cluster{
		t: t, net: simnet.New(1, simnet.Options{Latency: latency}), dir: t.TempDir(), expect: expect,
		members: map[string]*member{}, cut: map[[2]string]bool{},
	}
	for _, name := range names {
		c.start(string(name))
	}
	return c
}

// start starts a member on the folder of its name.
func (c *cluster) start(name string) *member {
	c.t.Helper()
	m, err := c.open(name, name)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *cluster) open(name, folder string) (*member, error) {
	host := c.net.Host(name)
	n := &simNetwork{of: c, host: host, expect: c.expect}
	config := Config{
		Dir: filepath.Join(c.dir, folder), DiskMin: 64 << 20, DiskFree: func(string) (uint64, error) { return 1 << 40, nil },
		Log:     slog.New(slog.NewTextHandler(c.t.Output(), nil)).With("member", name),
		Network: n, Address: host.Addr(raftPort), Name: name, Join: true, Expect: c.expect,
		Boottime: func() time.Duration { return time.Duration(time.Now().UnixNano()) },
		boot:     func() (string, error) { return "same", nil },
	}
	if c.change != nil {
		c.change(&config)
	}
	n.expect = config.Expect
	s, err := Start(config)
	if err != nil {
		return nil, err
	}
	m := &member{Store: s, host: host, network: n}
	c.mu.Lock()
	defer c.mu.Unlock()
	n.store = s.ID()
	c.members[name] = m
	return m, nil
}

// stop closes a member.
func (c *cluster) stop(name string) {
	c.t.Helper()
	m := c.leave(name)
	if err := m.Close(); err != nil {
		c.t.Error(err)
	}
	m.host.Crash()
}

// kill ends a member without a word to anybody.
func (c *cluster) kill(name string) {
	m := c.leave(name)
	m.host.Crash()
	if err := m.Close(); err != nil {
		c.t.Error(err)
	}
}

func (c *cluster) leave(name string) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[name]
	delete(c.members, name)
	return m
}

func (c *cluster) closeAll() {
	var closing sync.WaitGroup
	for _, name := range c.names() {
		closing.Go(func() { c.stop(name) })
	}
	closing.Wait()
}

func (c *cluster) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range c.members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// isolate cuts a member off from the others, and gossip notices.
func (c *cluster) isolate(name string) {
	for _, other := range c.names() {
		if other == name {
			continue
		}
		c.net.Cut(name, other)
		c.mu.Lock()
		c.cut[[2]string{name, other}], c.cut[[2]string{other, name}] = true, true
		c.mu.Unlock()
	}
}

func (c *cluster) heal() {
	c.net.Heal()
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.cut)
}

// leader waits for the member that leads, writes and reads, among the given.
func (c *cluster) leader(names ...string) (string, *member) {
	c.t.Helper()
	if len(names) == 0 {
		names = c.names()
	}
	var found string
	c.until("a leader", func() bool {
		for _, name := range names {
			if m := c.member(name); m.writes.term.Load() != 0 && m.Ready() == nil {
				found = name
				return true
			}
		}
		return false
	})
	return found, c.member(found)
}

func (c *cluster) member(name string) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.members[name]
}

// others are the names of all members but one.
func (c *cluster) others(name string) []string {
	return slices.DeleteFunc(c.names(), func(n string) bool { return n == name })
}

func (c *cluster) until(what string, is func() bool) {
	c.t.Helper()
	for begin := time.Now(); !is(); {
		if time.Since(begin) > time.Minute {
			c.t.Fatalf("no %s", what)
		}
		time.Sleep(10 * time.Millisecond) // virtual but in benchmarks
	}
}

// formed waits until all members vote and answer.
func (c *cluster) formed(voters int) {
	c.t.Helper()
	c.until("cluster", func() bool {
		for _, name := range c.names() {
			m := c.member(name)
			config, _ := m.configuration()
			n := 0
			for _, server := range config.Servers {
				if server.Suffrage == 0 {
					n++
				}
			}
			if n != voters || len(config.Servers) != len(c.names()) || m.Ready() != nil {
				return false
			}
		}
		return true
	})
}

const (
	raftPort = 1
	callPort = 2
)

// simNetwork is a Network on a simulated host. A call is a stream of its own.
type simNetwork struct {
	of      *cluster
	host    *simnet.Host
	store   string
	expect  int
	mu      sync.Mutex
	cluster [16]byte
	// lose, when set, says which calls are lost: their answers never come.
	lose func(to string, body []byte) bool
}

func (n *simNetwork) Listen() net.Listener {
	l, err := n.host.Listen(raftPort)
	if err != nil {
		panic(err)
	}
	return l
}

func (n *simNetwork) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return n.host.Dial(ctx, addr)
}

type notDoneError struct{ error }

func (n *simNetwork) NotDone(err error) bool {
	_, ok := errors.AsType[notDoneError](err)
	return ok
}

func (n *simNetwork) Call(ctx context.Context, addr string, body []byte) ([]byte, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, notDoneError{err}
	}
	n.mu.Lock()
	lose := n.lose
	n.mu.Unlock()
	if lose != nil && lose(addr, body) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c, err := n.host.Dial(ctx, net.JoinHostPort(host, fmt.Sprint(callPort)))
	if err != nil {
		return nil, notDoneError{err}
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := send(c, body); err != nil {
		return nil, err
	}
	return receive(c)
}

func send(c net.Conn, body []byte) error {
	_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func receive(c net.Conn) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(c, body)
	return body, err
}

func (n *simNetwork) Handle(h func(ctx context.Context, from string, body []byte) ([]byte, error)) {
	l, err := n.host.Listen(callPort)
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go n.serve(c, h)
		}
	}()
}

func (n *simNetwork) serve(c net.Conn, h func(ctx context.Context, from string, body []byte) ([]byte, error)) {
	defer c.Close()
	body, err := receive(c)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // the caller gives up
		defer cancel()
		_, _ = c.Read(make([]byte, 1))
	}()
	if answer, err := h(ctx, c.RemoteAddr().String(), body); err == nil {
		_ = send(c, answer)
	}
}

func (n *simNetwork) Peers() []Peer {
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	var all []Peer
	for name, m := range n.of.members {
		if n.of.cut[[2]string{n.host.Name(), name}] || m.network.store == "" {
			continue
		}
		m.network.mu.Lock()
		all = append(all, Peer{
			Store: m.network.store, Address: m.host.Addr(raftPort), Name: name, Cluster: m.network.cluster, Expect: m.network.expect,
			Protocol: newest,
		})
		if protocol, old := n.of.old[name]; old {
			all[len(all)-1].Protocol = protocol
		}
		m.network.mu.Unlock()
	}
	return all
}

func (n *simNetwork) Joined(cluster [16]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cluster = cluster
}
