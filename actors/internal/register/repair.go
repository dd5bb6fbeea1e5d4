package register

import "sojourn/cluster/placement"

// Standing is how a member stands in the view of whoever asks.
type Standing uint8

// The standings of a member.
const (
	// Absent members are not in the view; they may come back.
	Absent Standing = iota
	// Dead members never come back.
	Dead
	// Leaving members are in the view and drain.
	Leaving
	// Present members are in the view and stay.
	Present
)

// Repair says whether self is to write r again, with Change(r, want) or, if r
// is amid a change, by committing it and Settle. want is the set that the
// journey would get if it began now.
//
// It is so when r is amid a change; when a replica is leaving or dead; when
// one is absent and want has another in its place (a set is not made smaller
// for a member that may come back: of three, any two suffice, of two both are
// needed); or when the set is smaller than want. A set whose members are all
// present stays, whatever the ranks: a newcomer takes a journey over when it
// is asked for it.
//
// Who writes is r's leader, as long as it is in the view, else the first
// replica that is present, by rank, or leaving if none is. Members that have
// different records or views may both act: that costs a round and is safe.
func Repair(r *Record, self placement.MemberID, standing func(placement.MemberID) Standing, want Set) bool {
	return r != nil && !r.Stub() && repairer(r, standing) == self && wanting(r, standing, want)
}

// Wanting says whether r is to be written again, whoever's turn it is.
func Wanting(r *Record, standing func(placement.MemberID) Standing, want Set) bool {
	return r != nil && !r.Stub() && wanting(r, standing, want)
}

func wanting(r *Record, standing func(placement.MemberID) Standing, want Set) bool {
	if len(r.Prev) > 0 {
		return true
	}
	if len(want) == 0 {
		return false
	}
	fresh := 0
	for _, m := range want {
		if !r.Replicas.Has(m) {
			fresh++
		}
	}
	for _, m := range r.Replicas {
		if want.Has(m) {
			continue
		}
		switch standing(m) {
		case Leaving, Dead:
			return true
		case Absent:
			if fresh > 0 {
				return true
			}
		case Present:
		}
	}
	return len(want) > len(r.Replicas)
}

// repairer is who writes r again; empty if nobody is there to do it.
func repairer(r *Record, standing func(placement.MemberID) Standing) placement.MemberID {
	if leader := r.Epoch.Member; standing(leader) >= Leaving {
		return leader
	}
	for _, least := range []Standing{Present, Leaving} {
		for _, m := range r.Members() {
			if standing(m) == least {
				return m
			}
		}
	}
	return ""
}
