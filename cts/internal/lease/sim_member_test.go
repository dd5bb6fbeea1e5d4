package lease

import (
	"fmt"
	"slices"
	"time"
)

// A member's part in the protocol, wired to this package as a store wires it.

func (n *node) askForLease() {
	asked := n.clock()
	for _, m := range n.names {
		n.call(m, func(o *node) any { return o.grant(n.name) }, func(g any) {
			if g, ok := g.(Grant); ok {
				n.holder.Granted(asked, g)
			}
		})
	}
}

func (n *node) grant(member string) any {
	need := n.fsm
	switch {
	case n.broken.needless:
		need = 0
	case n.broken.needsCommit:
		need = uint64(n.commit)
	}
	if g, err := n.granter.Grant(member, n.clock(), need); err == nil {
		return g
	}
	return nil
}

func (n *node) askTerms() {
	if n.office == 0 {
		return
	}
	c, _ := latest(n.log)
	sent := n.clock()
	for _, v := range c.voters {
		switch {
		case n.broken.unproven:
			n.granter.Answered(v, sent, sent, Answer{Term: n.office, Config: n.config})
		case v == n.name && n.broken.selfless:
			n.granter.Answered(v, sent, sent, Answer{Term: n.term, Config: n.config, Quiet: time.Hour})
		case v == n.name:
			if a, ok := n.answer(); ok {
				n.granter.Answered(v, sent, n.clock(), a.(Answer))
			}
		default:
			n.call(v, func(o *node) any { a, _ := o.answer(); return a }, func(a any) {
				if a, ok := a.(Answer); ok {
					n.granter.Answered(v, sent, n.clock(), a)
				}
			})
		}
	}
}

func (n *node) answer() (any, bool) {
	config := n.config
	if n.broken.anyConfig {
		config = 0
	}
	a, ok := n.voter.Answer(n.clock(), n.term, config)
	if !ok {
		return nil, false
	}
	return a, true
}

// logout ends a session, named by the index of its end.
func (n *node) logout() {
	if !n.leads {
		return
	}
	term := n.term
	index := n.append(entry{kind: logout})
	n.then[index] = func() { n.announce(term, index) }
}

func (n *node) announce(term, index uint64) {
	if n.log[index-1].term != term {
		return // overwritten
	}
	if n.broken.anyTerm {
		term = 0
	}
	held, ok := n.granter.Holders(n.clock(), term, index)
	switch {
	case n.broken.waitless:
		n.acknowledge(index, n.now)
		return
	case !ok:
		return
	}
	begun := n.now
	waiting := map[string]time.Duration{}
	for _, p := range held {
		waiting[p.Member] = p.Until
	}
	n.deliver(index, begun, waiting)
}

// deliver sends tombstones until all members have one or no lease.
func (n *node) deliver(index uint64, begun time.Duration, waiting map[string]time.Duration) {
	for _, m := range n.names {
		until, ok := waiting[m]
		if ok && until <= n.clock() {
			delete(waiting, m)
		} else if ok {
			n.call(m, func(o *node) any {
				if o.fsm < index {
					o.tombs[index] = true
				}
				return nil
			}, func(any) { delete(waiting, m) })
		}
	}
	if len(waiting) == 0 {
		n.acknowledge(index, begun)
		return
	}
	n.later(5*time.Millisecond, func() { n.deliver(index, begun, waiting) })
}

func (n *node) acknowledge(index uint64, begun time.Duration) {
	n.acked = append(n.acked, index)
	n.waits = append(n.waits, n.now-begun)
	for _, name := range n.names {
		n.nodes[name].check()
	}
}

// check finds a member that reads a session whose end was acknowledged.
func (n *node) check() {
	if n.err != nil || !n.mayRead() {
		return
	}
	n.reads++
	for _, index := range n.acked {
		if n.fsm < index && !n.tombs[index] {
			n.err = fmt.Errorf("at %v %s may read and does not know that %d is ended: %d applied, grants %v of %v, its clock %v",
				n.now, n.name, index, n.fsm, n.holder.grants, n.holder.Term(), n.clock())
			return
		}
	}
}

func (n *node) mayRead() bool {
	if !n.up || n.paused > n.now {
		return false
	}
	return n.broken.leaseless && n.fsm > 0 || n.clock() < n.holder.Until()
}

// change makes one change of the members, if the last one is through.
func (n *node) change() {
	c, at := latest(n.log)
	if !n.leads || int(at) > n.commit || n.commit == 0 || n.log[n.commit-1].term != n.term {
		return
	}
	m := n.names[n.rng.IntN(len(n.names))]
	next := conf{slices.Clone(c.voters), slices.Clone(c.others)}
	switch i := slices.Index(c.voters, m); {
	case !c.has(m):
		next.others = append(next.others, m)
	case i >= 0 && len(c.voters) > 1 && m != n.name:
		next.voters = slices.Delete(next.voters, i, i+1)
		next.others = append(next.others, m)
	case i < 0 && n.rng.IntN(3) > 0:
		j := slices.Index(c.others, m)
		next.others = slices.Delete(next.others, j, j+1)
		next.voters = append(next.voters, m)
	case i < 0:
		n.remove(m)
		return
	default:
		return
	}
	n.append(entry{kind: membership, conf: next})
}

// remove takes a non-voter out when its lease is over.
func (n *node) remove(m string) {
	office := n.office
	if office == 0 || n.office != n.term {
		return
	}
	until := n.granter.Evict(m)
	wait := time.Duration(float64(max(0, until-n.clock()))/n.rate) + 1
	if n.broken.evictless {
		wait = 0
	}
	n.later(wait, func() {
		c, at := latest(n.log)
		i := slices.Index(c.others, m)
		if n.office != office || !n.leads || n.term != office || i < 0 || int(at) > n.commit {
			if n.office == office {
				n.granter.Keep(m)
			}
			return
		}
		n.append(entry{kind: membership, conf: conf{c.voters, slices.Delete(slices.Clone(c.others), i, i+1)}})
	})
}
