package register

import (
	"fmt"
	"slices"
)

// campaign: anybody may suspect anything, and take over at any time.
func (w *walk) campaign(p *process) {
	var e Epoch
	p.slot, e = w.rules.campaign(p.slot, p.id)
	p.heard, p.holders, p.search, p.round = nil, nil, w.pick(3) == 0, nil
	for _, x := range w.all {
		if x.slot.Record != nil {
			p.holders = append(p.holders, x.id)
		}
	}
	if p.search {
		p.take = NewSearch(p.id, e, w.living(), w.dead(p))
	} else {
		p.take = NewTakeover(p.id, e, w.trace, w.dead(p))
	}
	w.note("%s takes over as %d (search %v)", p.id, e.Counter, p.search)
	w.promised(p, p, Promised{OK: true, Epoch: e, Record: p.slot.Record})
}

func (w *walk) living() Set {
	var s Set
	for _, p := range w.all {
		if !p.ended {
			s = append(s, p.id)
		}
	}
	return s
}

func (w *walk) promised(p, from *process, got Promised) {
	if got.Record != nil && !got.Record.Stub() && got.OK {
		p.heard = append(p.heard, got.Record)
	}
	p.take.Heard(from.id, got)
	w.proceed(p)
}

// proceed asks whom p's take-over wants asked, and ends it if it is at its end.
func (w *walk) proceed(p *process) {
	for _, m := range p.take.Ask() {
		w.net = append(w.net, &message{from: p, to: w.find(m), take: p.take})
	}
	o := p.take.Outcome()
	switch {
	case o.State == Asking:
		return
	case o.State == Adopt:
		w.adopted(p, o)
		return
	case o.State == Unavailable && !p.search && w.pick(2) == 0:
		p.search = true
		p.take.Widen(w.living())
		w.proceed(p)
		return
	case p.search && w.rules.nothing(o.State):
		for _, m := range p.holders {
			if !w.ended(m) {
				w.fail("%s found nothing, but %s knew", p.id, m)
			}
		}
	}
	p.take = nil
}

func (w *walk) adopted(p *process, o Outcome) {
	found := w.rules.adopt(o, p.heard)
	p.take = nil
	var r *Record
	if found == nil {
		r = Begin(o.Epoch, o.Set, w.want())
		r.Body = w.more(p, nil)
		w.note("%s begins with %s", p.id, r.Body)
		found = &Record{}
	} else {
		w.note("%s adopts %s of %v", p.id, found.Body, found)
		if r = found.Next(o.Epoch); w.pick(2) == 0 {
			r = w.rules.change(found, w.want())
			r.Epoch = o.Epoch
		}
	}
	n := adoption{o.Epoch, found.Body}
	w.adoptions = append(w.adoptions, n)
	for _, a := range w.written {
		if a.chosen {
			w.compare(a.record, n)
		}
	}
	w.propose(p, r)
}

// more is a body with one step more, like no other.
func (w *walk) more(p *process, body []byte) []byte {
	w.nonce++
	return fmt.Appendf(slices.Clone(body), "%s.%d ", p.id, w.nonce)
}

// want is a set for the journey: of any one, two or three, or five.
func (w *walk) want() Set {
	from, all := Set{}, !w.quiet && w.pick(8) == 0
	for _, p := range w.all {
		if all || !p.ended {
			from = append(from, p.id)
		}
	}
	if len(from) == 0 {
		return w.trace
	}
	at, n := w.pick(len(from)), []int{3, 2, 3, 2, 1, 5}[w.pick(6)]
	var s Set
	for i := range min(n, len(from)) {
		s = append(s, from[(at+i)%len(from)])
	}
	return s
}

func (w *walk) begin(p *process) {
	if p.id != w.trace[0] {
		return
	}
	slot, e, ok := p.slot.Begin(p.id)
	if !ok {
		return
	}
	p.slot = slot
	r := Begin(e, w.trace, w.want())
	r.Body = w.more(p, nil)
	w.note("%s begins at once with %s", p.id, r.Body)
	w.propose(p, r)
}

// propose writes a record of p's.
func (w *walk) propose(p *process, r *Record) {
	slot, own := p.slot.Propose(r)
	if !own.OK {
		return
	}
	p.slot = slot
	w.wrote(p, r)
	w.send(p, r, own)
}

func (w *walk) send(p *process, r *Record, own Accepted) {
	n := NewRound(r, w.dead(p))
	p.round, p.accepted = &n, Set{p.id}
	n.Heard(p.id, own)
	for _, m := range r.Members() {
		if m != p.id {
			w.net = append(w.net, &message{from: p, to: w.find(m), round: p.round, record: r})
		}
	}
	w.observe(p)
}

// observe compares what a leader believes to be decided with what is.
func (w *walk) observe(p *process) {
	if !p.round.Committed() {
		return
	}
	for _, a := range w.written {
		if a.record.Compare(p.round.record) == 0 && !a.chosen {
			w.fail("%s believes that %v is decided", p.id, a.record)
		}
	}
}

// lead has a leader write its record again, if it is not sure of it, or the
// next, or what ends a change.
func (w *walk) lead(p *process) {
	if !p.slot.Leads(p.id) || p.take != nil {
		return
	}
	r := p.slot.Record
	sure := p.round != nil && p.round.record == r && p.round.Committed()
	if next := w.rules.settle(r, sure); next != nil && w.pick(4) > 0 {
		w.note("%s settles in %v", p.id, next.Replicas)
		w.propose(p, next)
		if w.rules.early {
			w.tell(p, next)
		}
		return
	}
	switch choice := w.pick(8); {
	case choice == 0 && !sure:
		w.send(p, r, w.accept(p, r))
	case choice < 4 && sure && len(r.Prev) == 0:
		w.tell(p, r)
	case sure || choice == 1: // a leader may go on before it is sure
		next := r.Next(r.Epoch)
		next.Body = w.more(p, r.Body)
		w.note("%s proposes %s", p.id, next.Body)
		w.propose(p, next)
	}
}

// tell has all that do not hold r, which is settled, keep its stub.
func (w *walk) tell(p *process, r *Record) {
	for _, x := range w.all {
		if x != p && !r.Replicas.Has(x.id) {
			w.net = append(w.net, &message{from: p, to: x, record: r.WithoutBody()})
		}
	}
}

func (w *walk) change(p *process) {
	if !p.slot.Leads(p.id) || p.take != nil {
		return
	}
	next := w.rules.change(p.slot.Record, w.want())
	if w.pick(2) == 0 {
		next.Body = w.more(p, p.slot.Record.Body)
	}
	w.note("%s moves it from %v to %v (with %s)", p.id, next.Prev, next.Replicas, next.Body)
	w.propose(p, next)
}

// learn tells p of a death, or of one that is none.
func (w *walk) learn(p *process) {
	x := w.all[w.pick(len(w.all))]
	if p.suspects = append(p.suspects, x.id); x.ended {
		p.knows = append(p.knows, x.id)
	}
	if w.rules.late && p.round != nil { // counts again, with the answers that it has
		n := NewRound(p.round.record, w.dead(p))
		for _, m := range p.accepted {
			n.Heard(m, Accepted{OK: true, Epoch: n.record.Epoch})
		}
		*p.round = n
		w.observe(p)
	}
}

func (w *walk) end(p *process) {
	w.note("%s ends", p.id)
	p.ended, p.take, p.round = true, nil, nil
}
