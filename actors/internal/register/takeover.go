package register

import "sojourn/cluster/placement"

// Takeover is one member's way to lead a journey under a new epoch. It does
// nothing itself: Ask says whom to send Promise to, Heard and Failed take what
// came of it, Outcome says where it stands. It is used for one epoch and by
// one goroutine.
type Takeover struct {
	self  placement.MemberID
	epoch Epoch
	// first is the set that may begin the journey, candidates are all that may
	// know where it is. Either may be empty.
	first, candidates Set
	dead              func(placement.MemberID) bool
	// judged is what dead said of each member when it first mattered.
	judged map[placement.MemberID]bool

	asked, granted, failed Set
	newest                 *Record
	fence                  Epoch
}

// State is where a take-over stands.
type State uint8

// The states of a take-over. All but Asking are final, but that an answer
// which comes late can still turn Unavailable into another.
const (
	// Asking: somebody is still to be asked or to be heard.
	Asking State = iota
	// Adopt: no older epoch can commit any more, and Outcome.Record is the
	// journey as it stands. It must be written under the new epoch and
	// committed before anything is said of it, for it may not have been.
	Adopt
	// Fenced: a member has promised Outcome.Epoch, which is newer. Another
	// try takes an epoch after that.
	Fenced
	// Unavailable: too few can be asked. It may be otherwise later.
	Unavailable
	// Nothing: all candidates that are not certainly dead have answered, and
	// none knows the journey.
	Nothing
)

// Outcome is what a Takeover has come to.
type Outcome struct {
	State State
	// Record is what to adopt, with its body; nil means that the journey is as
	// it was when it was begun (the implicit record), held by Set.
	Record *Record
	Set    Set
	Epoch  Epoch
}

// NewTakeover asks for a journey of which self has a record, or knows the set
// that may begin it. epoch is what Slot.Campaign gave. first is the set in
// the journey's trace; it may be nil if self has a record, even a stub. dead is
// as in Quorum, and asked of a member once.
func NewTakeover(self placement.MemberID, epoch Epoch, first Set, dead func(placement.MemberID) bool) *Takeover {
	return &Takeover{self: self, epoch: epoch, first: first, dead: dead, judged: map[placement.MemberID]bool{}}
}

// NewSearch asks for a journey that was begun, of which self knows nothing:
// candidates are all that may have heard of it.
func NewSearch(self placement.MemberID, epoch Epoch, candidates Set, dead func(placement.MemberID) bool) *Takeover {
	t := NewTakeover(self, epoch, nil, dead)
	t.Widen(candidates)
	return t
}

// Epoch is the one that is asked for.
func (t *Takeover) Epoch() Epoch { return t.epoch }

// Widen has all candidates asked, beside those that the take-over comes to by
// itself. It goes on where it was Unavailable: the sets that self knew may be
// old, and gone, while the journey lives on with others.
func (t *Takeover) Widen(candidates Set) { t.candidates = candidates }

// Ask returns the members that are to be asked now and were not yet. Self is
// among them unless its own slot was heard before, replica or not: its promise
// is needed too. What is heard may name members that nobody had thought of, so
// Ask is called again after each answer.
func (t *Takeover) Ask() []placement.MemberID {
	var ask []placement.MemberID
	t.each(func(m placement.MemberID) {
		if !t.asked.Has(m) && !t.granted.Has(m) && !t.isDead(m) {
			t.asked = append(t.asked, m)
			ask = append(ask, m)
		}
	})
	return ask
}

// each calls f for all who matter as of now, some perhaps twice.
func (t *Takeover) each(f func(placement.MemberID)) {
	f(t.self)
	known := t.first
	if t.newest != nil {
		known = t.newest.Members()
	}
	for _, m := range known {
		f(m)
	}
	for _, m := range t.candidates {
		f(m)
	}
}

func (t *Takeover) isDead(m placement.MemberID) bool {
	dead, ok := t.judged[m]
	if !ok {
		dead = t.dead != nil && t.dead(m)
		t.judged[m] = dead
	}
	return dead
}

// Heard takes m's answer. One to another epoch is not regarded.
func (t *Takeover) Heard(m placement.MemberID, p Promised) {
	if !p.OK {
		if p.Epoch.Compare(t.epoch) > 0 && p.Epoch.Compare(t.fence) > 0 {
			t.fence = p.Epoch
		}
		return
	}
	if p.Epoch != t.epoch || t.granted.Has(m) {
		return
	}
	t.granted = append(t.granted, m)
	if p.Record != nil && newer(p.Record, t.newest) {
		t.newest = p.Record
	}
}

// Failed says that no answer of m is to be expected. If one comes after all,
// it counts.
func (t *Takeover) Failed(m placement.MemberID) {
	if !t.failed.Has(m) {
		t.failed = append(t.failed, m)
	}
}

// Outcome says where the take-over stands.
func (t *Takeover) Outcome() Outcome {
	switch {
	case !t.fence.IsZero():
		return Outcome{State: Fenced, Epoch: t.fence}
	case t.granted.Has(t.self) && t.decided():
		o := Outcome{State: Adopt, Record: t.newest, Set: t.first, Epoch: t.epoch}
		if t.newest != nil {
			o.Set = t.newest.Replicas
		}
		return o
	}
	waiting, missing := false, false
	count := func(m placement.MemberID) {
		switch {
		case t.granted.Has(m) || t.isDead(m):
		case t.failed.Has(m):
			missing = true
		default:
			waiting = true
		}
	}
	t.each(count)
	for _, m := range t.asked { // an answer may name a set that is not known yet
		count(m)
	}
	switch {
	case waiting:
		return Outcome{State: Asking}
	case len(t.candidates) > 0 && t.newest == nil && !missing:
		return Outcome{State: Nothing}
	}
	return Outcome{State: Unavailable}
}

// Known is the newest record that was heard of, nil for none, and whether all
// who are not certainly dead have promised: those that the take-over came to by
// itself, and the candidates that it was widened to.
func (t *Takeover) Known() (newest *Record, all bool) {
	all = len(t.candidates) > 0
	count := func(m placement.MemberID) { all = all && (t.granted.Has(m) || t.isDead(m)) }
	t.each(count)
	for _, m := range t.asked {
		count(m)
	}
	return t.newest, all
}

// decided says that enough have promised. Who has left a set holds a stub that
// was written when the set after it had the body committed: a majority of that
// one knows the body or something newer, so a stub is never the last word.
func (t *Takeover) decided() bool {
	if t.newest != nil {
		return !t.newest.Stub() && Quorum(t.newest, t.granted.Has, t.isDead)
	}
	return t.first.majority(t.first.marked(t.granted.Has), t.first.pair(t.isDead))
}
