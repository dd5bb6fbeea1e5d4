package actors

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// Times of repair. After a change of the view nothing is done for a moment:
// changes come in groups. Then all journeys are looked at, again and again, for
// what was lost on its way and for those that were written under an old view.
// The pause between two looks doubles, up to a limit, which is lower while
// there is something to repair.
const (
	repairDelay    = 100 * time.Millisecond
	repairRetry    = 100 * time.Millisecond
	maxRepairRetry = 2 * time.Second
	repairRound    = 10 * time.Second
	// repairPatience bounds the wait for the answers to a batch: its journeys
	// cannot be answered meanwhile.
	repairPatience = time.Second
	// repairTurn is how long a journey is left to the member whose turn it is:
	// two that take journeys over at a time hinder each other.
	repairTurn = 3 * time.Second
)

// Bounds of repair: how many journeys are written with one message to each
// replica, how many such batches are under way at a time, and how many journeys
// of a batch are taken over at a time.
const (
	repairBatch     = 256
	repairBatches   = 8
	repairTakeovers = 16
	// repairWatch is how many journeys are remembered from one sweep to the
	// next for which it was another member's turn.
	repairWatch = 4096
)

// repairs gives journeys the replicas that they ought to have, when those that
// hold them leave or die.
type repairs struct {
	j *Journeys

	// sweeping is held by one sweep at a time. A channel: who holds it waits
	// for other members.
	sweeping chan struct{}
	// watched are journeys that wanted another member's turn at the last sweep,
	// since when; some of them if they were many. It belongs to who holds sweeping.
	watched map[journey.ID]time.Time

	mu      sync.Mutex
	counted uint64 // the view's version when the figure below was counted
	at      time.Time
	left    int64
}

func newRepairs(j *Journeys) *repairs {
	return &repairs{j: j, sweeping: make(chan struct{}, 1)}
}

// run repairs until Close.
func (r *repairs) run() {
	defer r.j.work.Done()
	look := time.NewTicker(repairDelay)
	defer look.Stop()
	var (
		seen, swept uint64 // versions of the view
		retry       time.Duration
		next        time.Time
	)
	for {
		select {
		case <-look.C:
		case <-r.j.base.Done():
			return
		}
		version := r.j.config.View().Version
		settled := version == seen
		seen = version
		changed := settled && version != swept
		if !changed && time.Now().Before(next) {
			continue
		}
		if changed {
			retry = 0
		}
		swept = version
		limit := repairRound
		if r.sweep(r.j.base) > 0 {
			limit = maxRepairRetry
		}
		retry = min(max(2*retry, repairRetry), limit)
		next = time.Now().Add(retry)
	}
}

// outlook is how the members stand, as repair sees them at one time.
type outlook struct {
	j       *Journeys
	view    placement.View
	leaving placement.MemberID // leaves, whatever the view says
	room    [register.MaxSet]placement.MemberID
}

func (o *outlook) standing(m placement.MemberID) register.Standing {
	if o.j.dead(m) {
		return register.Dead
	}
	switch member, ok := o.view.Member(m); {
	case !ok:
		return register.Absent
	case member.Draining || m == o.leaving:
		return register.Leaving
	}
	return register.Present
}

func (o *outlook) mayAnswer(m placement.MemberID) bool { return !o.j.dead(m) }

// want is the set that a journey would get if it began now. It is valid until
// the next call.
func (o *outlook) want(id journey.ID, rec *register.Record) register.Set {
	b, err := decodeBody(rec.Body)
	if err != nil {
		return nil // of a later version: whoever speaks it repairs it
	}
	return o.view.Replicas(o.room[:0], id, b.replicas)
}

// need is what a journey needs of this member.
type need byte

const (
	nothing need = iota
	// watching: it ought to have other replicas. This member is one of them,
	// and it is the turn of another to write it again, if that one knows of it.
	watching
	// acting: it is this member's turn.
	acting
)

func (o *outlook) need(id journey.ID, h held) need {
	if h.Record == nil || h.over || kindOf(h.Record.Body) == decided {
		return nothing // the end of a journey that succeeded is in the token store
	}
	self, want := o.j.config.Self, o.want(id, h.Record)
	switch {
	case !register.Wanting(h.Record, o.standing, want):
	case !register.Quorum(h.Record, o.mayAnswer, o.j.dead): // nobody can
	case register.Repair(h.Record, self, o.standing, want):
		return acting
	case named(h.Record, self):
		return watching
	}
	return nothing
}

// named reports whether a record is to be held by a member.
func named(r *register.Record, m placement.MemberID) bool { return r.Replicas.Has(m) || r.Prev.Has(m) }

func (r *repairs) outlook() *outlook { return &outlook{j: r.j, view: r.j.config.View()} }

// sweep writes all journeys again that it is this member's turn to write, and
// returns how many copies here still want it, others' turns included. Those
// whose turn it is may not have the record, or a newer one that was lost on its
// way here: what they have not done after a while is done here, some at a time.
func (r *repairs) sweep(ctx context.Context) (left int64) {
	select {
	case r.sweeping <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	defer func() { <-r.sweeping }()
	var (
		missed atomic.Int64
		work   sync.WaitGroup
		free   = make(chan struct{}, repairBatches)
		o      = r.outlook()
	)
	give := func(batch []journey.ID) {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			missed.Add(int64(len(batch)))
			return
		}
		work.Go(func() {
			missed.Add(r.repair(ctx, batch, acting))
			<-free
		})
	}
	var (
		ours, others []journey.ID
		watched      int64
		before       = r.watched
	)
	r.watched = map[journey.ID]time.Time{}
	now := time.Now()
	for shard := range slotShards {
		r.j.slots.each(shard, func(id journey.ID, h held) bool {
			switch o.need(id, h) {
			case acting:
				ours = append(ours, id)
			case watching:
				watched++
				since, known := before[id]
				switch {
				case known && now.Sub(since) >= repairTurn && len(others) < repairBatch:
					others = append(others, id)
				case known:
					r.watched[id] = since
				case len(r.watched) < repairWatch:
					r.watched[id] = now
				}
			case nothing:
			}
			if len(ours) == repairBatch {
				give(ours)
				ours = nil
			}
			return ctx.Err() == nil
		})
	}
	if len(ours) > 0 {
		give(ours)
	}
	work.Wait()
	if len(others) > 0 {
		r.repair(ctx, others, watching)
	}
	return missed.Load() + watched
}

// repair writes some journeys again, and returns how many of them still want
// it: each is written to the set that it is to have, jointly with the one that
// it has, and then once more without that one. Without the second write the old
// set would be needed for ever.
func (r *repairs) repair(ctx context.Context, batch []journey.ID, least need) (left int64) {
	ctx, cancel := context.WithTimeout(ctx, repairPatience)
	defer cancel()
	claimed := make([]journey.ID, 0, len(batch))
	for _, id := range batch {
		if r.j.gateway.claim(id) {
			claimed = append(claimed, id)
			defer r.j.gateway.release(id)
		} else {
			left++ // what its step writes has the new set
		}
	}
	changes, n := r.changes(ctx, claimed, least)
	left += n
	changes, n = r.write(ctx, changes)
	left += n
	var amid, whole []proposal
	before := make(map[journey.ID]register.Set, len(changes))
	for _, c := range changes {
		if len(c.record.Prev) == 0 { // taken over, and found to be in order
			whole = append(whole, c)
			continue
		}
		before[c.id] = c.record.Prev
		amid = append(amid, proposal{id: c.id, record: register.Settle(c.record)})
	}
	settled, n := r.write(ctx, amid)
	r.j.counts.repaired.Add(int64(len(settled)))
	r.release(append(whole, settled...), before) //nolint:contextcheck // nobody waits for it
	return left + n
}

// changes are the records by which journeys get the sets that they are to have,
// and how many cannot be made.
func (r *repairs) changes(ctx context.Context, ids []journey.ID, least need) (list []proposal, left int64) {
	var (
		mu   sync.Mutex
		work sync.WaitGroup
		free = make(chan struct{}, repairTakeovers)
	)
	for _, id := range ids {
		free <- struct{}{}
		work.Go(func() {
			change, err := r.change(ctx, id, least)
			mu.Lock()
			switch {
			case err != nil:
				left++
			case change.record != nil:
				list = append(list, change)
			}
			mu.Unlock()
			<-free
		})
	}
	work.Wait()
	return list, left
}

// change is the record by which a journey gets the set that it is to have, none
// if it has it. One that is led by a member which is no longer there is taken
// over first.
func (r *repairs) change(ctx context.Context, id journey.ID, least need) (proposal, error) {
	o, h := r.outlook(), r.j.slots.get(id)
	if o.need(id, h) < least {
		return proposal{}, nil
	}
	if h.Leads(r.j.config.Self) && len(h.Record.Prev) > 0 { // amid a change: sure of this one first
		return proposal{id: id, record: h.Record, as: repeats}, nil
	}
	rec, epoch := h.Record, h.Record.Epoch
	if !h.Leads(r.j.config.Self) {
		l, err := r.j.takeOver(ctx, quest{id: id, expires: rec.Expires})
		if errors.Is(err, journey.ErrGone) { // as somebody knows who saw its end
			r.j.slots.bury(id)
			return proposal{}, nil
		}
		if err != nil {
			return proposal{}, err
		}
		rec, epoch = l.record, l.epoch
	}
	next := register.Change(rec, slices.Clone(o.want(id, rec)))
	next.Epoch = epoch
	return proposal{id: id, record: next}, nil
}

// write is Journeys.write; it returns those that are committed, in order, and
// how many are not.
func (r *repairs) write(ctx context.Context, list []proposal) (committed []proposal, left int64) {
	for i, err := range r.j.write(ctx, list...) {
		if err != nil {
			left++
		} else {
			committed = append(committed, list[i])
		}
	}
	return committed, left
}

// release tells those that are in the sets before, and not in the settled ones,
// where the journeys went: they need not keep them any more. It does not wait;
// who misses it keeps the journey until it expires.
func (r *repairs) release(settled []proposal, before map[journey.ID]register.Set) {
	var (
		raw     = make([][]byte, len(settled))
		parcels []parcel
		to      = map[placement.MemberID][]int{}
		self    = r.j.config.Self
	)
	stubs := make([]proposal, len(settled))
	for i, p := range settled {
		stub := p.record.WithoutBody()
		stubs[i], raw[i] = proposal{id: p.id, record: stub}, register.AppendRecord(nil, stub)
		if !stub.Replicas.Has(self) {
			r.j.slots.shed(p.id, p.record)
		}
		for _, m := range before[p.id] {
			if m != self && !stub.Replicas.Has(m) {
				to[m] = append(to[m], i)
			}
		}
	}
	for m, which := range to {
		parcels = append(parcels, parcel{to: m, which: which})
	}
	r.j.send(parcels, stubs, raw, func(receipt) {})
}

// outstanding counts the journeys here that ought to have other replicas. It
// looks at all of them, but not more often than it is worth.
func (r *repairs) outstanding() int64 {
	view := r.j.config.View()
	r.mu.Lock()
	if r.counted == view.Version && time.Since(r.at) < repairDelay {
		defer r.mu.Unlock()
		return r.left
	}
	r.mu.Unlock()
	n := r.count("")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted, r.at, r.left = view.Version, time.Now(), n
	return n
}

// count counts the journeys here that ought to have other replicas once leaving
// has left, and if there is such a member, name it.
func (r *repairs) count(leaving placement.MemberID) (n int64) {
	o := r.outlook()
	o.leaving = leaving
	for shard := range slotShards {
		r.j.slots.each(shard, func(id journey.ID, h held) bool {
			if o.need(id, h) > nothing && (leaving == "" || named(h.Record, leaving)) {
				n++
			}
			return true
		})
	}
	return n
}
