package lease

import (
	"maps"
	"slices"
	"time"
)

// The raft of the simulation: terms, votes and logs as raft has them, with
// whole logs in its messages and elections that anybody may begin at any time.

type kind int

const (
	internal kind = iota // raft's own entry, which no state machine sees
	barrier              // a command without effect
	logout
	membership
)

type entry struct {
	term uint64
	kind kind
	conf conf
}

type conf struct{ voters, others []string }

func (c conf) has(m string) bool { return slices.Contains(c.voters, m) || slices.Contains(c.others, m) }

func (c conf) majority(yes func(string) bool) bool {
	n := 0
	for _, v := range c.voters {
		if yes(v) {
			n++
		}
	}
	return n > len(c.voters)/2
}

// latest returns the newest configuration in a log, and its index.
func latest(log []entry) (conf, uint64) {
	for i, e := range slices.Backward(log) {
		if e.kind == membership {
			return e.conf, uint64(i + 1)
		}
	}
	return conf{}, 0
}

func lastTerm(log []entry) uint64 {
	if len(log) == 0 {
		return 0
	}
	return log[len(log)-1].term
}

// node is a member: what is on its disk, and what is in its memory.
type node struct {
	*sim
	name   string
	rate   float64       // of its clock
	offset time.Duration // of its clock

	term  uint64
	voted string
	log   []entry
	saved int // entries that are applied for certain after a restart

	run     int // counts restarts
	up      bool
	paused  time.Duration // until then it does nothing
	leads   bool
	votes   map[string]bool
	match   map[string]int
	commit  int
	applied int // entries
	fsm     uint64
	config  uint64 // index of the latest applied configuration
	office  uint64 // the term that the granter is told of
	tombs   map[uint64]bool
	then    map[uint64]func() // when an index is applied
	granter *Granter
	holder  *Holder
	voter   *Voter
}

// boot starts a process on the node's disk.
func (n *node) boot() {
	n.run++
	n.up, n.leads, n.paused, n.office = true, false, 0, 0
	n.commit, n.applied, n.fsm = 0, 0, 0
	n.tombs, n.then = map[uint64]bool{}, map[uint64]func(){}
	t := Timing{Lease: lease}
	n.granter, n.holder = NewGranter(t, n.name), NewHolder(t)
	_, n.config = latest(n.log[:n.saved])
	start := n.clock()
	if n.broken.forgetful {
		start -= time.Hour
	}
	n.voter = NewVoter(start, n.config)
	n.advance(n.saved)
	n.every(t.Renew(), n.askForLease)
	n.every(t.Round(), n.askTerms)
	n.every(25*time.Millisecond, n.replicate)
	n.every(n.apply, func() { n.advance(n.commit) })
}

func (n *node) crash() {
	n.run++
	n.up = false
	n.saved = n.rng.IntN(n.applied + 1)
}

func (n *node) sees(term uint64) {
	if term > n.term {
		n.term, n.voted = term, ""
		n.resign()
	}
}

func (n *node) resign() {
	if !n.leads {
		return
	}
	n.leads = false
	lost := n.term
	n.later(n.upTo(n.notice), func() {
		if n.office != 0 && n.office < lost {
			n.office = 0
			n.granter.Lost()
		}
	})
}

func (n *node) campaign() {
	c, _ := latest(n.log)
	if !slices.Contains(c.voters, n.name) {
		return
	}
	n.sees(n.term + 1)
	n.voted, n.votes = n.name, map[string]bool{n.name: true}
	term, last, length := n.term, lastTerm(n.log), len(n.log)
	for _, v := range c.voters {
		if v == n.name {
			continue
		}
		n.call(v, func(o *node) any {
			o.sees(term)
			fresh := last > lastTerm(o.log) || last == lastTerm(o.log) && length >= len(o.log)
			if o.term != term || !fresh || o.voted != "" && o.voted != n.name {
				return o.term
			}
			o.voted = n.name
			return nil
		}, func(refused any) {
			if higher, ok := refused.(uint64); ok {
				n.sees(higher)
			} else if n.term == term {
				n.votes[v] = true
				n.win(term)
			}
		})
	}
	n.win(term)
}

func (n *node) win(term uint64) {
	c, _ := latest(n.log)
	if n.leads || n.term != term || n.voted != n.name || !c.majority(func(v string) bool { return n.votes[v] }) {
		return
	}
	n.leads, n.match, n.then = true, map[string]int{}, map[uint64]func(){}
	n.append(entry{kind: internal})
	n.append(entry{kind: barrier})
	n.elections++
	n.later(n.upTo(n.notice), func() {
		if !n.leads || n.term != term {
			return
		}
		n.office = term
		now := n.clock()
		if n.broken.hasty {
			now -= n.granter.timing.Wait()
		}
		n.granter.Elected(term, now)
		n.configured()
		if n.broken.early {
			n.granter.Ready(term)
		}
		n.ready()
	})
}

func (n *node) append(e entry) uint64 {
	e.term = n.term
	n.log = append(n.log, e)
	if e.kind == membership {
		n.configured()
	}
	n.replicate()
	n.count()
	return uint64(len(n.log))
}

func (n *node) replicate() {
	if !n.leads {
		return
	}
	c, _ := latest(n.log)
	term, log, commit := n.term, slices.Clip(n.log), n.commit
	for _, m := range slices.Concat(c.voters, c.others) {
		if m == n.name {
			continue
		}
		n.call(m, func(o *node) any {
			o.sees(term)
			if o.term != term {
				return o.term
			}
			if k := len(log); len(o.log) < k || o.log[k-1].term != log[k-1].term {
				o.log = log
			}
			o.commit = max(o.commit, min(commit, len(log)))
			return nil
		}, func(refused any) {
			if higher, ok := refused.(uint64); ok {
				n.sees(higher)
			} else if n.leads && n.term == term {
				n.match[m] = max(n.match[m], len(log))
				n.count()
			}
		})
	}
}

// count moves the commit index of a leader.
func (n *node) count() {
	c, _ := latest(n.log)
	n.match[n.name] = len(n.log)
	for k := len(n.log); k > n.commit && n.log[k-1].term == n.term; k-- {
		if c.majority(func(v string) bool { return n.match[v] >= k }) {
			n.commit = k
			return
		}
	}
}

// advance applies up to some entry.
func (n *node) advance(to int) {
	if to <= n.applied {
		return
	}
	for n.applied < to {
		e := n.log[n.applied]
		n.applied++
		switch index := uint64(n.applied); e.kind {
		case membership:
			n.config = index
		case barrier, logout:
			n.fsm = index
			delete(n.tombs, index)
		case internal:
		}
	}
	n.holder.Applied(n.fsm)
	n.configured()
	n.ready()
	for _, index := range slices.Sorted(maps.Keys(n.then)) {
		if index <= n.fsm {
			n.later(n.upTo(20*time.Millisecond), n.then[index])
			delete(n.then, index)
		}
	}
}

// ready tells the granter of its own term's first command.
func (n *node) ready() {
	for k := n.applied; n.leads && k > 0 && n.log[k-1].term == n.term; k-- {
		if n.log[k-1].kind != internal && n.log[k-1].kind != membership {
			n.granter.Ready(n.term)
			return
		}
	}
}

func (n *node) configured() {
	c, at := latest(n.log)
	index := n.config
	if n.broken.anyConfig {
		index = 0
	}
	n.granter.Configured(Configuration{Index: index, Committed: at == n.config, Voters: c.voters, Nonvoters: c.others})
}
