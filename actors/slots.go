package actors

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// slots is what this member holds of journeys as one of their replicas: what it
// promised and the newest record that it accepted, by the rules of package
// register. A journey between two requests is its record, as bytes, and little
// else.
//
// It is bounded: a journey that would wait beyond maxWaiting is not begun, and
// a copy that another member sends is refused a quarter beyond it, so that
// journeys already begun go first; of ended ones beyond maxEnded the oldest are
// forgotten (the session that one created still names it).
type slots struct {
	maxWaiting, maxEnded int64

	waiting, ended atomic.Int64
	shards         [slotShards]slotShard
	names          names

	// due lists, by the second, journeys whose slot is to be looked at then.
	mu  sync.Mutex
	due map[int64][]journey.ID
}

const slotShards = 64

type slotShard struct {
	sync.RWMutex
	byID map[journey.ID]slot
	// over holds journeys that are over for good and whose last reply is kept
	// no longer, as the second from which they need not be known.
	over map[journey.ID]int64
}

// slot is never changed, only replaced.
type slot struct {
	record []byte // encoded; nil for none
	// promise is set when it is another than that of the record.
	promise *promise
	kind    bodyKind // of the record's body; zero for none
	// certain says that a majority has accepted the record.
	certain bool
	// fat, when not zero, is the second of Unix time from which the record need
	// not have the state that its client carries.
	fat uint32
}

type promise struct {
	epoch   register.Epoch
	expires int64
}

// replyGrace is how long the last reply of a journey can be asked for again:
// longer than clients retry on a broken connection. After it the journey is
// only known to be over.
const replyGrace = time.Minute

// slotGrace is how long after the end of a journey its slot is kept: a member
// that forgets earlier than another one, whose clock is late, could promise
// what it must not.
const slotGrace = time.Minute

// held is a slot as register knows it.
type held struct {
	register.Slot
	certain, over bool
}

func newSlots(maxWaiting, maxEnded int64) *slots {
	s := &slots{maxWaiting: maxWaiting, maxEnded: maxEnded, due: map[int64][]journey.ID{}}
	s.names.known = map[string]placement.MemberID{}
	for i := range s.shards {
		s.shards[i].byID = map[journey.ID]slot{}
		s.shards[i].over = map[journey.ID]int64{}
	}
	return s
}

func (s *slots) shard(id journey.ID) *slotShard { return &s.shards[id[1]%slotShards] }

// get returns what is held of a journey.
func (s *slots) get(id journey.ID) held {
	shard := s.shard(id)
	shard.RLock()
	kept := shard.byID[id]
	_, over := shard.over[id]
	shard.RUnlock()
	h := s.open(kept)
	h.over = over
	return h
}

// open decodes a slot. Its record was checked when it was accepted.
func (s *slots) open(kept slot) held {
	h := held{certain: kept.certain}
	if kept.record != nil {
		r, err := register.ReadRecord(kept.record, s.names.name)
		if err != nil {
			panic("a record that was accepted cannot be read")
		}
		h.Record, h.Promised = r, r.Epoch
	}
	if kept.promise != nil {
		h.Promised = kept.promise.epoch
	}
	return h
}

// full reports whether no further journey may begin to wait here.
func (s *slots) full() bool { return s.waiting.Load() >= s.maxWaiting }

// promise promises an epoch, if that is possible.
func (s *slots) promise(id journey.ID, e register.Epoch, expires int64) envelope.Promised {
	shard := s.shard(id)
	shard.Lock()
	if _, over := shard.over[id]; over {
		shard.Unlock()
		return envelope.Promised{Over: true}
	}
	before := shard.byID[id]
	next, said := s.open(before).Promise(e)
	after := before
	if said.OK && (next.Record == nil || next.Promised != next.Record.Epoch) {
		after.promise = &promise{next.Promised, expires}
		shard.byID[id] = after
	}
	shard.Unlock()
	s.count(before, after)
	if before.empty() && !after.empty() {
		s.plan(endOf(expires), id)
	}
	return envelope.Promised{OK: said.OK, Epoch: said.Epoch, Record: before.record}
}

// campaign promises an epoch of this member's own, newer than all it knows of,
// and returns it with what is held. Nothing is promised for what is over.
func (s *slots) campaign(id journey.ID, self placement.MemberID, expires int64, seen ...register.Epoch) (register.Epoch, held) {
	shard := s.shard(id)
	shard.Lock()
	if _, over := shard.over[id]; over {
		shard.Unlock()
		return register.Epoch{}, held{over: true}
	}
	before := shard.byID[id]
	h := s.open(before)
	next, e := h.Campaign(self, seen...)
	h.Slot = next
	after := before
	after.promise = &promise{e, expires}
	shard.byID[id] = after
	shard.Unlock()
	s.count(before, after)
	if before.empty() {
		s.plan(endOf(expires), id)
	}
	return e, h
}

// accept keeps a record that another member wrote, if that is possible, as the
// bytes raw.
func (s *slots) accept(id journey.ID, r *register.Record, raw []byte, now time.Time) envelope.Accepted {
	return s.keep(id, r, raw, foreign, false, now)
}

// propose keeps a record that this member wrote, if it still leads the journey
// and r follows the record that is here. first says that r begins the journey,
// and nobody has been asked; certain, that no other replica has to accept it.
func (s *slots) propose(id journey.ID, r *register.Record, raw []byte, first, certain bool, now time.Time) envelope.Accepted {
	as := follows
	if first {
		as = begins
	}
	return s.keep(id, r, raw, as, certain, now)
}

func (s *slots) keep(id journey.ID, r *register.Record, raw []byte, as role, certain bool, now time.Time) envelope.Accepted {
	kind, lean := kindOf(r.Body), uint32(0)
	if fat(r.Body) {
		lean = uint32(now.Add(replyGrace).Unix() + 1) //nolint:gosec // until the year 2106
	}
	shard := s.shard(id)
	shard.Lock()
	if _, over := shard.over[id]; over {
		shard.Unlock()
		return envelope.Accepted{Over: true}
	}
	before := shard.byID[id]
	if before.record == nil && as == foreign && kind == waits && s.waiting.Load() >= s.maxWaiting+s.maxWaiting/4 {
		shard.Unlock()
		return envelope.Accepted{Full: true}
	}
	was := s.open(before)
	next, said := as.take(was.Slot, r)
	if !said.OK {
		shard.Unlock()
		return envelope.Accepted{Epoch: said.Epoch}
	}
	after := before
	after.promise = nil
	if next.Record == r {
		after.record, after.kind, after.certain, after.fat = raw, kind, certain, lean
	}
	if next.Record.Epoch != next.Promised {
		after.promise = &promise{next.Promised, r.Expires}
	}
	shard.byID[id] = after
	shard.Unlock()
	s.count(before, after)
	if after.kind > waits && before.kind <= waits || after.fat != before.fat && after.fat != 0 {
		s.plan(now.Add(replyGrace).Unix()+1, id)
	}
	if was.Record == nil || was.Record.Expires != r.Expires {
		s.plan(endOf(r.Expires), id)
	}
	return envelope.Accepted{OK: true}
}

// take has a slot keep a record, by the rule for what it is.
func (as role) take(h register.Slot, r *register.Record) (register.Slot, register.Accepted) {
	switch as {
	case begins:
		begun, _, ok := h.Begin(r.Epoch.Member)
		if !ok {
			return h, register.Accepted{Epoch: h.Promised}
		}
		return begun.Propose(r)
	case follows:
		return h.Propose(r)
	case repeats, foreign:
	}
	return h.Accept(r)
}

// knows reports whether anything is held of a journey.
func (s *slots) knows(id journey.ID) bool {
	shard := s.shard(id)
	shard.RLock()
	defer shard.RUnlock()
	_, kept := shard.byID[id]
	_, over := shard.over[id]
	return kept || over
}

// settle notes that a majority has accepted a record.
func (s *slots) settle(id journey.ID, r *register.Record) {
	shard := s.shard(id)
	shard.Lock()
	defer shard.Unlock()
	kept, ok := shard.byID[id]
	if ok && !kept.certain && kept.record != nil && s.open(kept).Record.Compare(r) == 0 {
		kept.certain = true
		shard.byID[id] = kept
	}
}

// shed gives up the body of a journey that has moved to others, if r is still
// what is held of it: its settled record, which a majority has.
func (s *slots) shed(id journey.ID, r *register.Record) {
	shard := s.shard(id)
	shard.Lock()
	before := shard.byID[id]
	h := s.open(before)
	if h.Record == nil || h.Record.Stub() || h.Record.Compare(r) != 0 {
		shard.Unlock()
		return
	}
	after := before
	after.record, after.kind, after.fat = register.AppendRecord(nil, h.Record.WithoutBody()), 0, 0
	shard.byID[id] = after
	shard.Unlock()
	s.count(before, after)
}

// bury notes that a journey is over for good, as another member knows.
func (s *slots) bury(id journey.ID) {
	shard := s.shard(id)
	shard.Lock()
	before, ok := shard.byID[id]
	h := s.open(before)
	if !ok || h.Record == nil {
		shard.Unlock()
		return
	}
	delete(shard.byID, id)
	shard.over[id] = endOf(h.Record.Expires)
	shard.Unlock()
	s.counter(before).Add(-1)
	s.ended.Add(1)
}

func (k slot) empty() bool { return k.record == nil && k.promise == nil }

// count moves a slot from one counter to another.
func (s *slots) count(before, after slot) {
	if !before.empty() {
		s.counter(before).Add(-1)
	}
	if !after.empty() {
		s.counter(after).Add(1)
	}
}

func (s *slots) counter(k slot) *atomic.Int64 {
	if k.kind == waits {
		return &s.waiting
	}
	return &s.ended
}

// plan wants id looked at in a second of Unix time.
func (s *slots) plan(second int64, id journey.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due[second] = append(s.due[second], id)
}

// sweep drops what need not be known any more. It is called about once a
// second.
func (s *slots) sweep(now time.Time) {
	for _, id := range s.take(now.Unix()) {
		if again := s.expire(id, now.Unix()); again != 0 {
			s.plan(again, id)
		}
	}
	for s.ended.Load() > s.maxEnded {
		if !s.forgetSome() {
			return
		}
	}
}

func (s *slots) take(second int64) []journey.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []journey.ID
	for at, list := range s.due {
		if at <= second {
			ids = append(ids, list...)
			delete(s.due, at)
		}
	}
	return ids
}

// expire looks at a slot, and says when to look again if nothing else does.
func (s *slots) expire(id journey.ID, now int64) (again int64) {
	shard := s.shard(id)
	shard.Lock()
	defer shard.Unlock()
	kept, ok := shard.byID[id]
	if !ok {
		if end, over := shard.over[id]; over && end <= now {
			delete(shard.over, id)
			s.ended.Add(-1)
		}
		return 0
	}
	h := s.open(kept)
	var end int64
	if h.Record != nil {
		end = endOf(h.Record.Expires)
	}
	if p := kept.promise; p != nil && endOf(p.expires) > end {
		end = endOf(p.expires)
		again = end
	}
	switch {
	case end <= now:
		delete(shard.byID, id)
		s.counter(kept).Add(-1)
		return 0
	case kept.kind == decided, kept.kind == failed && kept.certain:
		delete(shard.byID, id)
		shard.over[id] = end
	case kept.kind == failed, kept.kind == suspends:
		kept.record = withoutReply(h.Record)
		shard.byID[id] = kept
	case kept.fat != 0 && int64(kept.fat) <= now:
		kept.record, kept.fat = withoutReply(h.Record), 0
		shard.byID[id] = kept
	}
	return again
}

// endOf is the second in which the slot of a journey that expires is dropped.
func endOf(expires int64) int64 { return expires + int64(slotGrace/time.Second) + 1 }

// withoutReply is the record of a journey that ended, or that its client carries,
// less the reply: smaller, and the same to the register.
func withoutReply(r *register.Record) []byte {
	b, err := decodeBody(r.Body)
	if err != nil {
		panic("the body of a record that was accepted cannot be read")
	}
	b.end, b.state = nil, nil
	shorter := *r
	shorter.Body = b.encode()
	return register.AppendRecord(nil, &shorter)
}

// forgetSome drops the ended journeys of the second that is due first; false
// when there is nothing left to drop.
func (s *slots) forgetSome() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range slices.Sorted(maps.Keys(s.due)) {
		var kept []journey.ID
		forgot := false
		for _, id := range s.due[at] {
			if s.forget(id) {
				forgot = true
			} else {
				kept = append(kept, id)
			}
		}
		if len(kept) == 0 {
			delete(s.due, at)
		} else {
			s.due[at] = kept
		}
		if forgot {
			return true
		}
	}
	return false
}

func (s *slots) forget(id journey.ID) bool {
	shard := s.shard(id)
	shard.Lock()
	defer shard.Unlock()
	if _, ok := shard.over[id]; ok {
		delete(shard.over, id)
		s.ended.Add(-1)
		return true
	}
	if kept, ok := shard.byID[id]; ok && kept.kind > waits {
		delete(shard.byID, id)
		s.ended.Add(-1)
		return true
	}
	return false
}

// each calls f for what is held in one of the slotShards, until it returns
// false. Slots may change meanwhile: those that come or go may be missed.
func (s *slots) each(shard int, f func(id journey.ID, h held) bool) {
	sh := &s.shards[shard]
	sh.RLock()
	all := maps.Clone(sh.byID)
	sh.RUnlock()
	for id, kept := range all {
		if !f(id, s.open(kept)) {
			return
		}
	}
}

// names keeps one string for each member that records name. It holds few more
// than there are members.
type names struct {
	mu    sync.RWMutex
	known map[string]placement.MemberID
}

// maxNames bounds the names that are kept; then they are learnt again.
const maxNames = 1024

// name implements register.Names.
func (n *names) name(encoded []byte) placement.MemberID {
	n.mu.RLock()
	id, ok := n.known[string(encoded)]
	n.mu.RUnlock()
	if ok {
		return id
	}
	id = register.Member(encoded)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known) >= maxNames {
		clear(n.known)
	}
	n.known[string(encoded)] = id
	return id
}
