package register

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sojourn/cluster/placement"
)

// rules are what the members of a walk go by. A mutant has one of them broken.
type rules struct {
	campaign func(Slot, placement.MemberID) (Slot, Epoch)
	accept   func(Slot, *Record) (Slot, Accepted)
	change   func(*Record, Set) *Record
	settle   func(*Record, bool) *Record // nil: not now
	leave    func(Slot, *Record) Slot    // a stub has come
	adopt    func(Outcome, []*Record) *Record
	// nothing says whether a search that ended so says that there is none.
	nothing   func(State) bool
	early     bool // stubs are told before the settled record is committed
	suspicion bool // who is suspected counts as dead
	late      bool // a death that is learnt counts for what was asked before
}

func sound() rules {
	return rules{
		campaign: func(s Slot, self placement.MemberID) (Slot, Epoch) { return s.Campaign(self) },
		accept:   Slot.Accept,
		change:   Change,
		settle: func(r *Record, committed bool) *Record {
			if !committed || len(r.Prev) == 0 {
				return nil
			}
			return Settle(r)
		},
		leave: func(s Slot, stub *Record) Slot {
			s, _ = s.Accept(stub)
			return s
		},
		adopt:   func(o Outcome, _ []*Record) *Record { return o.Record },
		nothing: func(s State) bool { return s == Nothing },
	}
}

// process is one member: its slot, and what it is about.
type process struct {
	id    placement.MemberID
	slot  Slot
	ended bool
	// knows and suspects are the members that it takes for dead.
	knows, suspects Set

	take  *Takeover
	heard []*Record // of take, with bodies, as they came
	// holders had a record when take began to ask them all.
	holders  []placement.MemberID
	search   bool
	round    *Round
	accepted Set // those that round has heard
}

// message is a call on its way or the answer to one.
type message struct {
	from, to *process
	// The call: a promise for take, or a record for round; round is nil for a
	// stub, which nobody waits for.
	take   *Takeover
	round  *Round
	record *Record
	// The answer, if answer is set.
	answer   bool
	promised Promised
	accepted Accepted
}

// walk is one history of a journey among members. Everything that is not fixed
// by the rules is chosen by pick: a number from 0 to n-1.
type walk struct {
	pick  func(n int) int
	rules rules
	all   []*process
	trace Set
	net   []*message
	nonce int
	quiet bool // nothing ends any more
	err   error

	// written are the records that were accepted anywhere, and by whom.
	written   []*acceptances
	adoptions []adoption
	// committed is the longest body that was decided: the steps so far.
	committed []byte
	log       []func() string // written out only if it is read
}

// acceptances of a record: by each member, and who had ended by then.
type acceptances struct {
	record *Record
	by     map[placement.MemberID]Set
	chosen bool
}

// decided is the rule of majorities and pairs, in the plainest words.
func (a *acceptances) decided(set Set) bool {
	n := 0
	for _, m := range set {
		if _, ok := a.by[m]; ok {
			n++
		}
	}
	return n > len(set)/2 || len(set) == 2 && (a.by[set[0]].Has(set[1]) || a.by[set[1]].Has(set[0]))
}

// adoption is what somebody went on from, and under which epoch.
type adoption struct {
	epoch Epoch
	body  []byte
}

func newWalk(pick func(n int) int, r rules) *walk {
	w := &walk{pick: pick, rules: r}
	for range 3 + pick(4) {
		w.join()
	}
	first := pick(len(w.all))
	for i := range 1 + pick(min(4, len(w.all))) {
		w.trace = append(w.trace, w.all[(first+i)%len(w.all)].id)
	}
	return w
}

func (w *walk) join() *process {
	p := &process{id: placement.MemberID(fmt.Sprintf("m%d", len(w.all)))}
	w.all = append(w.all, p)
	return p
}

func (w *walk) note(format string, args ...any) {
	w.log = append(w.log, func() string { return fmt.Sprintf(format, args...) })
}

func (w *walk) fail(format string, args ...any) {
	if w.err == nil {
		var told strings.Builder
		for _, line := range w.log {
			told.WriteString("\n" + line())
		}
		w.err = fmt.Errorf("%s%s", fmt.Sprintf(format, args...), told.String())
	}
}

// step lets one thing happen.
func (w *walk) step() {
	p := w.all[w.pick(len(w.all))]
	switch action := w.pick(64); {
	case action < 36 && len(w.net) > 0:
		w.deliver()
	case p.ended:
	case action < 37:
		w.campaign(p)
	case action < 40:
		w.begin(p)
	case action < 54:
		w.lead(p)
	case action < 60:
		w.change(p)
	case action < 61:
		p.take, p.round = nil, nil // its time is over
	case action < 62:
		w.learn(p)
	case action < 63 && w.pick(2) == 0:
		w.end(p)
	case len(w.all) < 9 && w.pick(3) == 0:
		w.join()
	}
}

func (w *walk) deliver() {
	// Near the front, as a rule: a network in disorder, but no heap of letters.
	i := w.pick(min(len(w.net), 6))
	m := w.net[i]
	switch fate := w.pick(12); {
	case fate == 0:
		w.net = slices.Delete(w.net, i, i+1)
		w.lost(m)
		return
	case fate == 1: // comes again
	case fate == 2 && w.pick(2) == 0: // late
		w.net = append(slices.Delete(w.net, i, i+1), m)
		return
	default:
		w.net = slices.Delete(w.net, i, i+1)
	}
	w.receive(m)
}

// lost: whoever waits for the answer may be told that it does not come. The
// call may have been heard all the same, and its answer come once more.
func (w *walk) lost(m *message) {
	caller, callee := m.from, m.to
	if m.answer {
		caller, callee = m.to, m.from
	}
	switch {
	case w.pick(2) == 0 || caller.ended:
	case m.take != nil && caller.take == m.take:
		m.take.Failed(callee.id)
		w.proceed(caller)
	case m.round != nil:
		m.round.Failed(callee.id)
	}
}

func (w *walk) receive(m *message) {
	p := m.to
	switch {
	case p.ended:
		w.lost(m)
	case m.answer && m.take != nil:
		if p.take == m.take {
			w.promised(p, m.from, m.promised)
		}
	case m.answer:
		if p.round == m.round {
			m.round.Heard(m.from.id, m.accepted)
			if m.accepted.OK {
				p.accepted = append(p.accepted, m.from.id)
			}
			w.observe(p)
		}
	case m.take != nil:
		var back Promised
		p.slot, back = p.slot.Promise(m.take.Epoch())
		w.net = append(w.net, &message{from: p, to: m.from, take: m.take, answer: true, promised: back})
	case m.round == nil:
		w.note("%s keeps a stub of %v", p.id, m.record)
		p.slot = w.rules.leave(p.slot, m.record)
	default:
		back := w.accept(p, m.record)
		w.net = append(w.net, &message{from: p, to: m.from, round: m.round, answer: true, accepted: back})
	}
}

func (w *walk) accept(p *process, r *Record) Accepted {
	var back Accepted
	p.slot, back = w.rules.accept(p.slot, r)
	if back.OK {
		w.wrote(p, r)
	}
	return back
}

// wrote remembers who has accepted what, and judges what is decided by it.
func (w *walk) wrote(p *process, r *Record) {
	at := slices.IndexFunc(w.written, func(a *acceptances) bool { return a.record.Compare(r) == 0 })
	if at < 0 {
		at = len(w.written)
		w.written = append(w.written, &acceptances{record: r, by: map[placement.MemberID]Set{}})
	}
	a := w.written[at]
	if !bytes.Equal(a.record.Body, r.Body) {
		w.fail("two records of epoch %v, number %d", r.Epoch, r.Seq)
	}
	a.by[p.id] = Set{}
	for _, x := range w.all {
		if x.ended {
			a.by[p.id] = append(a.by[p.id], x.id)
		}
	}
	w.judge()
}

// judge is the check: what is decided, by any majority and whether or not its
// leader knows, is one history that only grows, and whoever leads under a
// later epoch has gone on from it.
func (w *walk) judge() {
	for _, a := range w.written {
		if a.chosen || !a.decided(a.record.Replicas) || len(a.record.Prev) > 0 && !a.decided(a.record.Prev) {
			continue
		}
		a.chosen = true
		w.note("decided: %s in %v", a.record.Body, a.record)
		switch body := a.record.Body; {
		case bytes.HasPrefix(body, w.committed):
			w.committed = body
		case !bytes.HasPrefix(w.committed, body):
			w.fail("decided twice: %q and %q", w.committed, body)
		}
		for _, n := range w.adoptions {
			w.compare(a.record, n)
		}
	}
}

// compare fails if an adoption has rolled back r, which is decided.
func (w *walk) compare(r *Record, n adoption) {
	if r.Epoch.Compare(n.epoch) < 0 && !bytes.HasPrefix(n.body, r.Body) {
		w.fail("%v goes on from %q, but %q is decided", n.epoch, n.body, r.Body)
	}
}

func (w *walk) ended(m placement.MemberID) bool {
	p := w.find(m)
	return p.ended
}

func (w *walk) find(m placement.MemberID) *process {
	for _, p := range w.all {
		if p.id == m {
			return p
		}
	}
	panic("no member " + m)
}

// dead is what p knows, or believes.
func (w *walk) dead(p *process) func(placement.MemberID) bool {
	return func(m placement.MemberID) bool {
		return p.knows.Has(m) || w.rules.suspicion && p.suspects.Has(m)
	}
}

// calm ends the walk in peace: all that is on its way arrives, and whoever
// lives can talk. If enough of the journey is left, anybody can go on with it.
func (w *walk) calm() {
	for n := 0; len(w.net) > 0 && n < 10_000; n++ {
		m := w.net[0]
		w.net = w.net[1:]
		w.receive(m)
	}
	w.quiet = true
	living := w.living()
	if len(living) == 0 || w.err != nil {
		return
	}
	for _, p := range w.all {
		p.take, p.round, p.knows = nil, nil, nil
		for _, x := range w.all {
			if x.ended {
				p.knows = append(p.knows, x.id)
			}
		}
		p.suspects = p.knows
	}
	p := w.find(living[w.pick(len(living))])
	alive := func(m placement.MemberID) bool { return !w.ended(m) }
	var newest *Record
	for _, m := range living {
		if s := w.find(m).slot; s.Record != nil && newer(s.Record, newest) {
			newest = s.Record
		}
	}
	possible := w.trace.majority(w.trace.marked(alive), w.trace.pair(w.ended))
	if newest != nil {
		possible = Quorum(newest, alive, w.ended)
		if possible && newest.Stub() {
			w.fail("all that is left of the journey is %v", newest)
		}
	}
	w.note("calm: %s takes over", p.id)
	t, o := w.inPeace(p)
	switch {
	case possible != (o.State == Adopt):
		w.fail("%s ends in state %d, newest %v, living %v", p.id, o.State, newest, living)
	case o.State == Nothing && newest != nil:
		w.fail("nothing was found, but there is %v", newest)
	case o.State == Adopt:
		w.adopted(p, o)
		for len(w.net) > 0 {
			m := w.net[0]
			w.net = w.net[1:]
			w.receive(m)
		}
		if p.round == nil || !p.round.Committed() {
			w.fail("%s adopted %v as %d and could not commit it", p.id, o.Record, t.Epoch().Counter)
		}
	}
}

// inPeace takes over by calls that succeed at once, or fail for the dead.
func (w *walk) inPeace(p *process) (*Takeover, Outcome) {
	var seen Epoch
	for {
		var e Epoch
		p.slot, e = p.slot.Campaign(p.id, seen)
		t := NewTakeover(p.id, e, w.trace, w.dead(p))
		t.Widen(w.living())
		for ask := t.Ask(); len(ask) > 0 && t.Outcome().State == Asking; ask = t.Ask() {
			for _, m := range ask {
				x := w.find(m)
				if x.ended {
					t.Failed(m)
					continue
				}
				var got Promised
				x.slot, got = x.slot.Promise(e)
				t.Heard(m, got)
			}
		}
		o := t.Outcome()
		if o.State != Fenced {
			return t, o
		}
		seen = o.Epoch
	}
}
