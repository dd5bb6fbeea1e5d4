package register

import (
	"cmp"
	"math/bits"
	"slices"

	"sojourn/cluster/placement"
)

// Epoch is the number under which one member writes a journey's records. No
// two members share one, and a member uses one for one take-over only: it
// draws it with Slot.Campaign. The zero Epoch is before all others.
type Epoch struct {
	Counter uint64
	// Member wrote, or means to write, under this epoch. It orders epochs of
	// one counter.
	Member placement.MemberID
}

// firstTakeover is the lowest counter of a take-over. Counter 1 belongs to the
// one member that may begin without asking (First): whatever is lower than its
// epoch must not exist.
const firstTakeover = 2

// First is the epoch under which the first member of a journey's first set
// begins it without asking anybody. Nobody else may use counter 1.
func First(self placement.MemberID) Epoch { return Epoch{Counter: 1, Member: self} }

// IsZero says that nobody has promised or written anything.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// Compare orders epochs: negative if e is before o.
func (e Epoch) Compare(o Epoch) int {
	if c := cmp.Compare(e.Counter, o.Counter); c != 0 {
		return c
	}
	return cmp.Compare(e.Member, o.Member)
}

// Next is an epoch of self that comes after e and all that were seen.
func (e Epoch) Next(self placement.MemberID, seen ...Epoch) Epoch {
	top := e.Counter
	for _, s := range seen {
		top = max(top, s.Counter)
	}
	return Epoch{Counter: max(top+1, firstTakeover), Member: self}
}

// Set is the members that hold a journey, sorted by rank; none stands in it
// twice. It is never mutated.
type Set []placement.MemberID

// Has says whether m is in s.
func (s Set) Has(m placement.MemberID) bool { return slices.Contains(s, m) }

// Same says whether s and o have the same members, in any order.
func (s Set) Same(o Set) bool {
	if len(s) != len(o) {
		return false
	}
	for _, m := range s {
		if !o.Has(m) {
			return false
		}
	}
	return true
}

// marks are some members of a set: bit i is its member i.
type marks uint32

// MaxSet is how many members a set may have.
const MaxSet = 32

func (s Set) marked(have func(placement.MemberID) bool) marks {
	var had marks
	for i, m := range s {
		if have(m) {
			had |= 1 << i
		}
	}
	return had
}

// mark adds m to the marks if it is in s.
func (s Set) mark(had *marks, m placement.MemberID) {
	for i, x := range s {
		if x == m {
			*had |= 1 << i
		}
	}
}

// pair marks those of s that are certainly dead, if s is a pair: elsewhere it
// does not matter.
func (s Set) pair(dead func(placement.MemberID) bool) marks {
	if len(s) != 2 || dead == nil {
		return 0
	}
	return s.marked(dead)
}

// majority says whether the marked are more than half of s. Of a pair, one is
// enough if the other was certainly dead before it was asked: whatever was
// decided, both have accepted or this one alone.
func (s Set) majority(had, dead marks) bool {
	had &= 1<<len(s) - 1
	n := bits.OnesCount32(uint32(had))
	return 2*n > len(s) || len(s) == 2 && n == 1 && dead&^had != 0
}
