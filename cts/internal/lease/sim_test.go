package lease

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const lease = 800 * time.Millisecond

// broken are variants of the protocol: what the simulation leaves out.
type broken struct {
	leaseless   bool // reads without a lease
	waitless    bool // logouts do not wait for holders
	hasty       bool // a new leader does not wait for older leaders' leases
	early       bool // a leader grants before it has applied an entry of its term
	unproven    bool // a leader takes its voters' answers for granted
	forgetful   bool // a restarted voter says "never"
	selfless    bool // a leader counts itself without noting that it answered
	anyConfig   bool // voters do not tell their configuration
	anyTerm     bool // an office of an older term names the holders
	needless    bool // a lease needs nothing
	needsCommit bool // a lease needs raft's commit index
	evictless   bool // a member is removed with its lease
}

// profile says how bad the world is.
type profile struct {
	members  int
	length   time.Duration
	delay    time.Duration // of a message, usually
	slow     float64       // part of the messages that take up to a second
	loss     float64
	campaign time.Duration // how often somebody wants to lead
	fault    time.Duration // how often there is a fault
	change   time.Duration // how often the members change
	logout   time.Duration
	apply    time.Duration // how often what is committed is applied
	notice   time.Duration // how long a process may take to hear that it won or lost an election
}

// sim is a cluster on one real time line; members' clocks run as they like.
type sim struct {
	profile
	broken broken
	rng    *rand.Rand
	now    time.Duration
	events events
	seq    int
	nodes  map[string]*node
	names  []string
	cut    map[[2]string]bool
	calm   bool

	acked     []uint64
	err       error
	elections int
	waits     []time.Duration // of logouts, from applied to acknowledged
	reads     int
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

func (s *sim) at(at time.Duration, do func()) {
	s.seq++
	heap.Push(&s.events, event{at, s.seq, do})
}

func (s *sim) upTo(d time.Duration) time.Duration {
	if s.calm {
		d = min(d, time.Millisecond)
	}
	return time.Duration(s.rng.Int64N(int64(d) + 1))
}

// often is a random time that is mean on average.
func (s *sim) often(mean time.Duration) time.Duration {
	return time.Duration(s.rng.ExpFloat64() * float64(mean))
}

// simulate runs a cluster for a while, then lets it come to rest. It returns
// what went wrong.
func simulate(p profile, b broken, seed uint64) *sim {
	s := &sim{
		profile: p, broken: b, rng: rand.New(rand.NewPCG(seed, 0)),
		nodes: map[string]*node{}, cut: map[[2]string]bool{},
	}
	widest := math.Sqrt(1 + 1.0/driftParts)
	first := conf{}
	for i := range p.members {
		name := string(rune('a' + i))
		s.names = append(s.names, name)
		if i < 3 {
			first.voters = append(first.voters, name)
		} else {
			first.others = append(first.others, name)
		}
		rate := []float64{1 / widest, widest, 1}[s.rng.IntN(3)]
		s.nodes[name] = &node{sim: s, name: name, rate: rate, offset: s.upTo(time.Hour)}
	}
	for _, name := range s.names {
		n := s.nodes[name]
		n.log, n.saved = []entry{{kind: membership, conf: first}}, 1
		n.boot()
	}
	s.often3(p.campaign, func(n *node) { n.campaign() })
	s.often3(p.logout, func(n *node) { n.logout() })
	s.often3(p.change, func(n *node) { n.change() })
	s.often3(p.fault, s.fail)
	s.until(p.length)
	if s.err == nil {
		s.settle()
	}
	return s
}

// until runs to an instant or to the first violation.
func (s *sim) until(end time.Duration) {
	for s.err == nil && len(s.events) > 0 && s.events[0].at <= end {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
	}
	s.now = max(s.now, end)
}

// often3 does something at a random running member, again and again, until it is calm.
func (s *sim) often3(mean time.Duration, do func(*node)) {
	if mean == 0 {
		return
	}
	s.at(s.now+s.often(mean), func() {
		if s.calm {
			return
		}
		if n := s.nodes[s.names[s.rng.IntN(len(s.names))]]; n.up && n.paused <= s.now {
			do(n)
			n.check()
		}
		s.often3(mean, do)
	})
}

// fail has one thing go wrong.
func (s *sim) fail(n *node) {
	for_ := 10*time.Millisecond + s.upTo(2*time.Second)
	switch s.rng.IntN(4) {
	case 0:
		n.paused = s.now + for_
		s.at(n.paused, n.check)
	case 1:
		n.crash()
		run := n.run
		s.at(s.now+for_, func() {
			if n.run == run {
				n.boot()
			}
		})
	case 2: // one is cut off
		s.part(for_, func(m string) bool { return m == n.name })
	case 3: // two sides, perhaps one way only
		side := map[string]bool{n.name: true, s.names[s.rng.IntN(len(s.names))]: true}
		s.part(for_, func(m string) bool { return side[m] })
	}
}

func (s *sim) part(for_ time.Duration, side func(string) bool) {
	oneWay := s.rng.IntN(3) == 0
	var links [][2]string
	for _, a := range s.names {
		for _, b := range s.names {
			if side(a) && !side(b) || !oneWay && !side(a) && side(b) {
				links = append(links, [2]string{a, b})
			}
		}
	}
	for _, l := range links {
		s.cut[l] = true
	}
	s.at(s.now+for_, func() {
		for _, l := range links {
			delete(s.cut, l)
		}
	})
}

// settle ends all faults and asks for a cluster in which all members read.
func (s *sim) settle() {
	s.calm, s.loss, s.slow, s.delay = true, 0, 0, time.Millisecond
	clear(s.cut)
	for _, name := range s.names {
		n := s.nodes[name]
		n.paused = 0
		if !n.up {
			n.boot()
		}
	}
	s.until(s.now + 3*time.Second)
	for range 100 { // no leader by now: in a fixed order, two could keep outbidding each other
		if s.err != nil || s.leader() != nil {
			break
		}
		s.nodes[s.names[s.rng.IntN(len(s.names))]].campaign()
		s.until(s.now + 300*time.Millisecond)
	}
	s.until(s.now + 3*time.Second)
	l := s.leader()
	if s.err != nil {
		return
	}
	if l == nil {
		s.err = fmt.Errorf("no leader at rest")
		return
	}
	c, _ := latest(l.log)
	for _, m := range slices.Concat(c.voters, c.others) {
		if n := s.nodes[m]; !n.mayRead() {
			s.err = fmt.Errorf("at rest %s may not read: %d applied, grants %v", m, n.fsm, n.holder.grants)
		}
	}
}

// leader returns who leads in the highest term, if it has a majority behind it.
func (s *sim) leader() *node {
	var l *node
	for _, name := range s.names {
		if n := s.nodes[name]; n.leads && (l == nil || n.term > l.term) {
			l = n
		}
	}
	if l == nil {
		return nil
	}
	c, _ := latest(l.log)
	if !c.majority(func(v string) bool { return s.nodes[v].term == l.term }) || l.commit < len(l.log) {
		return nil
	}
	return l
}

func (n *node) clock() time.Duration { return n.offset + time.Duration(float64(n.now)*n.rate) }

// later runs something in this process after some real time, or when it wakes.
func (n *node) later(d time.Duration, do func()) {
	run := n.run
	var try func()
	try = func() {
		switch {
		case n.run != run:
		case n.paused > n.now:
			n.at(n.paused, try)
		default:
			do()
			n.check()
		}
	}
	n.at(n.now+d, try)
}

// every runs something each d of the node's clock.
func (n *node) every(d time.Duration, do func()) {
	n.later(time.Duration(float64(d)/n.rate), func() {
		do()
		n.every(d, do)
	})
}

// call sends a message and hands back the answer, unless one of them is lost.
func (n *node) call(to string, ask func(*node) any, done func(any)) {
	o := n.nodes[to]
	there, back, run := n.travel(n.name, to), n.travel(to, n.name), n.run
	if there < 0 {
		return
	}
	n.at(n.now+there, func() {
		if !o.up || n.cut[[2]string{n.name, to}] {
			return
		}
		o.later(0, func() {
			answer := ask(o)
			if back < 0 {
				return
			}
			n.at(n.now+back, func() {
				if n.run == run && !n.cut[[2]string{to, n.name}] {
					n.later(0, func() { done(answer) })
				}
			})
		})
	})
}

// travel is how long a message takes; below zero it is lost.
func (s *sim) travel(from, to string) time.Duration {
	switch {
	case s.rng.Float64() < s.loss || s.cut[[2]string{from, to}]:
		return -1
	case s.rng.Float64() < s.slow:
		return s.upTo(time.Second)
	default:
		return s.upTo(2 * s.delay)
	}
}
