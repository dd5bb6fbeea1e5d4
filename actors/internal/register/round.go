package register

import "sojourn/cluster/placement"

// Quorum says whether those that are had decide r: more than half of its
// Replicas, and more than half of Prev if it is set.
//
// dead says which members are certainly dead: their process has ended and is
// known to have. It counts in a set of two only: there the other one is enough,
// if it was asked when the death was known. Else an answer that one of a pair
// gave long ago, and the death of the other, would make a majority of two that
// are both gone. Nil means that none is known.
func Quorum(r *Record, have, dead func(placement.MemberID) bool) bool {
	return r.Replicas.majority(r.Replicas.marked(have), r.Replicas.pair(dead)) &&
		(len(r.Prev) == 0 || r.Prev.majority(r.Prev.marked(have), r.Prev.pair(dead)))
}

// Round counts who has accepted one record. Its methods are for one goroutine.
type Round struct {
	record                 *Record
	accepted, failed, dead tally
	fence                  Epoch
}

// tally marks members of Replicas and of Prev.
type tally struct{ now, prev marks }

// NewRound starts to count for r. dead is as in Quorum, and asked now, so a
// round begins before anybody is asked, this very member too: an answer to an
// earlier round of the same record does not count.
func NewRound(r *Record, dead func(placement.MemberID) bool) Round {
	return Round{record: r, dead: tally{r.Replicas.pair(dead), r.Prev.pair(dead)}}
}

// Heard counts m's answer.
func (n *Round) Heard(m placement.MemberID, a Accepted) {
	if !a.OK {
		if a.Epoch.Compare(n.fence) > 0 {
			n.fence = a.Epoch
		}
		n.Failed(m)
		return
	}
	n.record.Replicas.mark(&n.accepted.now, m)
	n.record.Prev.mark(&n.accepted.prev, m)
}

// Failed says that no answer of m is to be expected.
func (n *Round) Failed(m placement.MemberID) {
	n.record.Replicas.mark(&n.failed.now, m)
	n.record.Prev.mark(&n.failed.prev, m)
}

// Committed says that the record is decided: it may be answered, and every
// later leader adopts it or one that follows it.
func (n *Round) Committed() bool { return n.decided(n.accepted) }

// Fenced says whether a member has promised a newer epoch, and the newest that
// was told. A record can be committed in spite of it; its writer leads no
// longer, whether or not it is.
func (n *Round) Fenced() (Epoch, bool) { return n.fence, !n.fence.IsZero() }

// Hopeless says that this round cannot commit any more, whoever answers yet.
// The record may be committed all the same: an answer may be lost on its way.
func (n *Round) Hopeless() bool {
	return !n.decided(tally{n.accepted.now | ^n.failed.now, n.accepted.prev | ^n.failed.prev})
}

func (n *Round) decided(by tally) bool {
	r := n.record
	return r.Replicas.majority(by.now, n.dead.now) && (len(r.Prev) == 0 || r.Prev.majority(by.prev, n.dead.prev))
}
