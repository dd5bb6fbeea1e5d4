package register

import "sojourn/cluster/placement"

// Slot is what one member knows of one journey: the acceptor's state. It is a
// value and never mutated in place; whoever stores it replaces it before the
// answer that came with it leaves the member. The zero Slot knows nothing.
//
// A slot may be forgotten a while after its record has expired, and with it
// all that the member promised: not before, not even when the journey is over
// or has moved elsewhere. A process that restarts has forgotten its slots, so
// it is another member.
type Slot struct {
	// Promised is the newest epoch that this member has agreed to. It is never
	// before the Record's.
	Promised Epoch
	Record   *Record
}

// Promised answers Slot.Promise.
type Promised struct {
	OK bool
	// Epoch is what the slot has promised so far: the epoch that was asked for
	// if OK, a newer one if not.
	Epoch Epoch
	// Record is the newest that the member has, possibly a stub; nil for none
	// and if not OK.
	Record *Record
}

// Accepted answers Slot.Accept.
type Accepted struct {
	OK bool
	// Epoch is what the slot has promised so far: the record's own if OK, a
	// newer one if not.
	Epoch Epoch
}

// Promise agrees to accept nothing from before e, unless it has agreed to a
// newer epoch. The same promise again is granted again.
func (s Slot) Promise(e Epoch) (Slot, Promised) {
	if e.Compare(s.Promised) < 0 {
		return s, Promised{Epoch: s.Promised}
	}
	s.Promised = e
	return s, Promised{OK: true, Epoch: e, Record: s.Record}
}

// Accept takes r over, unless the slot has promised a newer epoch. A record
// that is newer stays, and the answer is the same: it has r's changes in it.
func (s Slot) Accept(r *Record) (Slot, Accepted) {
	if r.Epoch.Compare(s.Promised) < 0 {
		return s, Accepted{Epoch: s.Promised}
	}
	s.Promised = r.Epoch
	if newer(r, s.Record) {
		s.Record = r
	}
	return s, Accepted{OK: true, Epoch: r.Epoch}
}

// newer says whether a tells more than b: it is newer, or b is its stub.
func newer(a, b *Record) bool {
	c := a.Compare(b)
	return c > 0 || c == 0 && a != nil && b.Stub() && !a.Stub()
}

// Campaign draws the epoch of a take-over by self, newer than all that the
// slot has promised and that were seen, and promises it. To read the slot and
// to store it is one operation: an epoch is drawn once.
func (s Slot) Campaign(self placement.MemberID, seen ...Epoch) (Slot, Epoch) {
	s.Promised = s.Promised.Next(self, seen...)
	return s, s.Promised
}

// Begin is Campaign for the first member of the journey's first set, which
// needs to ask nobody if its slot knows nothing yet.
func (s Slot) Begin(self placement.MemberID) (Slot, Epoch, bool) {
	if !s.Promised.IsZero() || s.Record != nil {
		return s, Epoch{}, false
	}
	s.Promised = First(self)
	return s, s.Promised, true
}

// Propose is Accept of a record of this very member, before any other is sent
// it. It is refused unless r is the first record under the epoch that the slot
// has promised, or follows the one that is here: two that write at a time
// under one epoch, as an actor and what is left of the one before it, cannot
// both have their way.
func (s Slot) Propose(r *Record) (Slot, Accepted) {
	if r.Epoch != s.Promised || s.Record != nil && s.Record.Epoch == r.Epoch && s.Record.Seq+1 != r.Seq {
		return s, Accepted{Epoch: s.Promised}
	}
	return s.Accept(r)
}

// Leads says whether self, whose slot s is, may write the journey's next
// record: it wrote or adopted the one that is here, and nobody has asked for a
// newer epoch here since. That this holds everywhere is known only when a
// majority has accepted a record.
func (s Slot) Leads(self placement.MemberID) bool {
	return s.Record != nil && !s.Record.Stub() && s.Promised.Member == self && s.Record.Epoch == s.Promised
}
