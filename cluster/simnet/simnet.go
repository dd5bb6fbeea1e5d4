package simnet

import (
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	defaultBuffer = 256 << 10
	hostsPerNet   = 250
)

// Options are the network's properties while no fault is on.
type Options struct {
	Latency time.Duration // one way between two hosts
	Jitter  time.Duration // upper bound of what chance adds to it
	Buffer  int           // bytes that a stream holds in each direction; 0: 256 KiB
}

// Network is a set of hosts and the paths between them. Its methods may be
// called from any goroutine of the bubble that it was made in.
type Network struct {
	seed uint64
	o    Options

	mu       sync.Mutex // guards everything reachable from here
	machines map[string]*machine
	byIP     map[string]*machine
	paths    map[direction]*path
	streams  map[*stream]struct{}
	healed   signal
}

type direction struct{ from, to string }

// path is one direction between two hosts.
type path struct {
	n     *Network
	key   uint64 // root of its draws
	local bool   // within one host: no latency, no faults

	cut     bool
	delay   time.Duration
	loss    float64
	streams uint64 // numbers given out
	packets uint64
}

// machine is where a host's incarnations live.
type machine struct {
	name string
	ip   net.IP
	host *Host // the incarnation that runs; nil: none
}

// New makes a network. seed decides all that is left to chance.
func New(seed uint64, o Options) *Network {
	if o.Latency < 0 || o.Jitter < 0 || o.Buffer < 0 {
		panic(fmt.Sprintf("simnet: negative option in %+v", o))
	}
	if o.Buffer == 0 {
		o.Buffer = defaultBuffer
	}
	return &Network{
		seed:     seed,
		o:        o,
		machines: map[string]*machine{},
		byIP:     map[string]*machine{},
		paths:    map[direction]*path{},
		streams:  map[*stream]struct{}{},
		healed:   newSignal(),
	}
}

// Host returns the running incarnation of a host, starting one if there is none.
// A host gets its address when its name is first used: 10.0.0.1, 10.0.0.2, ...
func (n *Network) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.machine(name)
	if m.host == nil {
		m.host = &Host{n: n, m: m, listeners: map[int]*listener{}, packets: map[int]*packetConn{}, port: firstEphemeral}
	}
	return m.host
}

func (n *Network) machine(name string) *machine {
	m := n.machines[name]
	if m == nil {
		i := len(n.machines)
		m = &machine{name: name, ip: net.IPv4(10, 0, byte(i/hostsPerNet), byte(1+i%hostsPerNet)).To4()} //nolint:gosec // small numbers
		n.machines[name] = m
		n.byIP[m.ip.String()] = m
	}
	return m
}

func (n *Network) path(from, to string) *path {
	d := direction{from, to}
	p := n.paths[d]
	if p == nil {
		p = &path{n: n, key: pathKey(n.seed, from, to), local: from == to}
		n.paths[d] = p
	}
	return p
}

// Cut stops all traffic between two hosts, both ways.
func (n *Network) Cut(a, b string) {
	n.CutOneWay(a, b)
	n.CutOneWay(b, a)
}

// CutOneWay stops all traffic from one host to another.
func (n *Network) CutOneWay(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.path(from, to)
	if p.local || p.cut {
		return
	}
	p.cut = true
	now := time.Now()
	for s := range n.streams {
		for _, h := range s.halves {
			if h.path == p {
				h.hold(now)
			}
		}
	}
}

// Heal ends every fault: cuts, delays and losses.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.paths {
		p.delay, p.loss = 0, 0
	}
	for _, p := range n.paths {
		n.heal(p)
	}
}

// HealBetween ends every fault between two hosts.
func (n *Network) HealBetween(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range []*path{n.path(a, b), n.path(b, a)} {
		p.delay, p.loss = 0, 0
		n.heal(p)
	}
}

func (n *Network) heal(p *path) {
	if !p.cut {
		return
	}
	p.cut = false
	now := time.Now()
	for s := range n.streams {
		for _, h := range s.halves {
			if h.path == p {
				h.release(now)
			}
			if h.back == p {
				h.acknowledge()
			}
		}
		s.changed.broadcast()
	}
	n.healed.broadcast()
}

// Delay adds d to the latency between two hosts, both ways. 0 ends it.
func (n *Network) Delay(a, b string, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.path(a, b).delay, n.path(b, a).delay = d, d
}

// Loss has packets between two hosts vanish with probability p. 0 ends it.
// Streams are not touched: cut them instead.
func (n *Network) Loss(a, b string, p float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.path(a, b).loss, n.path(b, a).loss = p, p
}

// Break resets the streams between two hosts, as a firewall does that restarts.
func (n *Network) Break(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.streams {
		from, to := s.ends[0].h.m.name, s.ends[1].h.m.name
		if from == a && to == b || from == b && to == a {
			for _, h := range s.halves {
				h.end(errReset)
			}
			s.changed.broadcast()
		}
	}
}

// signal wakes whoever waits for a change. Network.mu guards it.
type signal struct{ ch chan struct{} }

func newSignal() signal { return signal{make(chan struct{})} }

func (s *signal) broadcast() {
	close(s.ch)
	s.ch = make(chan struct{})
}

// wait gives up the lock until the signal, or until a time unless that is zero.
func (n *Network) wait(s *signal, until time.Time) {
	ch := s.ch
	n.mu.Unlock()
	defer n.mu.Lock()
	if until.IsZero() {
		<-ch
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ch:
	case <-timer.C:
	}
}

// sooner returns the earlier of two times, of which either may be zero: never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func expired(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }
