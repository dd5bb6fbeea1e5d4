package lease

import (
	"math"
	"slices"
	"time"
)

// Never is an instant before all others: no lease.
const Never = time.Duration(math.MinInt64)

// maxGrants bounds what a Holder remembers. With a grant every Renew, five are
// alive at once.
const maxGrants = 8

// Grant is the leader's answer to a member that asks for a lease.
type Grant struct {
	Term uint64
	Need uint64 // the index that the member must have applied before it reads
}

// Holder knows until when this member may answer reads. A lease whose Need is
// applied stays usable while newer ones wait for theirs.
type Holder struct {
	timing  Timing
	applied uint64
	dropped time.Duration // grants asked for until then are void
	term    uint64
	grants  []held // by until and by need, both rising
}

type held struct {
	until time.Duration
	need  uint64
}

// NewHolder returns a Holder without a lease that has applied nothing.
func NewHolder(t Timing) *Holder { return &Holder{timing: t, dropped: Never} }

// Granted takes a grant. asked is an instant read before the request was sent:
// the lease counts from there, so a slow network only shortens it.
func (h *Holder) Granted(asked time.Duration, g Grant) {
	if asked <= h.dropped {
		return
	}
	h.term = max(h.term, g.Term)
	n := held{until: asked + h.timing.Lease, need: g.Need}
	kept := h.grants[:0]
	for _, o := range h.grants {
		if o.until <= n.until && o.need >= n.need || o.until <= asked {
			continue // the new one is as good, or it has ended
		}
		kept = append(kept, o)
	}
	h.grants = kept
	at := 0
	for at < len(h.grants) && h.grants[at].until < n.until {
		at++
	}
	if at < len(h.grants) && h.grants[at].need <= n.need {
		return // a late answer, and we have a better one
	}
	h.grants = append(h.grants, held{})
	copy(h.grants[at+1:], h.grants[at:])
	h.grants[at] = n
	if len(h.grants) > maxGrants { // the oldest is the likeliest to be usable, the newest lasts longest
		h.grants = append(h.grants[:1], h.grants[2:]...)
	}
}

// Applied notes the index up to which this member's state machine has applied,
// readers seeing all of it.
func (h *Holder) Applied(index uint64) { h.applied = index }

// Until returns the instant before which this member may answer reads, or
// Never. It changes only in Granted, Applied and Drop, so it can be kept in an
// atomic and compared with the clock on each read.
func (h *Holder) Until() time.Duration {
	for _, g := range slices.Backward(h.grants) {
		if g.need <= h.applied {
			return g.until
		}
	}
	return Never
}

// Term is the highest term in which a lease was granted, 0 if none was.
func (h *Holder) Term() uint64 { return h.term }

// Drop gives up all leases, and those that were asked for until now and are not
// yet granted. For a member that may not trust its clock or its state.
func (h *Holder) Drop(now time.Duration) {
	h.grants, h.dropped = nil, now
}
