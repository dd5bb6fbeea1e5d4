package roster

import (
	"fmt"
	"slices"
)

// Newcomer is a member as the search for the first one sees it.
type Newcomer struct {
	Store     string
	Expect    int  // how many members it was told to expect; below 2 it takes no part in a search
	InCluster bool // it has a cluster id
}

// WaitingError is why a member may not try to begin a cluster now. It is meant for the log.
type WaitingError string

func (w WaitingError) Error() string { return string(w) }

// Ballot is whom a candidate asks for promises, itself included, and how many
// it must have.
type Ballot struct {
	Ask  []string // in order of their ids
	Need int
}

// Bootstrap decides whether self may try to begin a cluster. join says that it
// was told of other members; alive are those that are seen, self among them or
// not. The error is a WaitingError.
func Bootstrap(self Newcomer, join bool, alive []Newcomer) (Ballot, error) {
	if self.InCluster {
		return Ballot{}, WaitingError("this member is in a cluster")
	}
	alive = slices.DeleteFunc(slices.Clone(alive), func(p Newcomer) bool { return p.Store == self.Store })
	if i := slices.IndexFunc(alive, func(p Newcomer) bool { return p.InCluster }); i >= 0 {
		return Ballot{}, WaitingError("there is a cluster: waiting to be added to it; member " + alive[i].Store + " belongs to it")
	}
	if self.Expect < 2 {
		if join {
			return Ballot{}, WaitingError("waiting for a cluster to join; to begin one, start all of its first members with the same --expect")
		}
		return Ballot{Ask: []string{self.Store}, Need: 1}, nil
	}
	ask := []string{self.Store}
	for _, p := range alive {
		switch {
		case p.Expect < 2:
		case p.Expect != self.Expect:
			return Ballot{}, WaitingError(fmt.Sprintf("member %s expects %d members, this one %d: they must be told the same", p.Store, p.Expect, self.Expect))
		default:
			ask = append(ask, p.Store)
		}
	}
	slices.Sort(ask)
	ask = slices.Compact(ask)
	if len(ask) < self.Expect {
		return Ballot{}, WaitingError(fmt.Sprintf("%d of the %d expected members are here", len(ask), self.Expect))
	}
	if ask[0] != self.Store {
		return Ballot{}, WaitingError("member " + ask[0] + " is to begin the cluster")
	}
	return Ballot{Ask: ask, Need: self.Expect}, nil
}

// Promise is to whom a member has promised that it may begin the cluster. It
// must be on disk before anybody is told of it. The zero value is none.
type Promise struct {
	To string `json:",omitempty"`
}

// Request is a candidate's question for a promise.
type Request struct {
	Candidate string
	Expect    int
	Have      []string // who has promised to the candidate
}

// HeldError is why a member does not give its promise.
type HeldError struct{ Reason string }

func (e *HeldError) Error() string { return e.Reason }

// Give returns the promise of self after a request, its own too. The caller holds
// one lock from before it reads p until the new promise is on disk, and the same from Won until
// self has a cluster id. The error is a *HeldError.
func (p Promise) Give(self Newcomer, r Request) (Promise, error) {
	switch {
	case r.Candidate == "":
		return p, &HeldError{"a candidate without a name"}
	case self.InCluster:
		return p, &HeldError{"member " + self.Store + " is in a cluster"}
	case max(r.Expect, 1) != max(self.Expect, 1):
		return p, &HeldError{fmt.Sprintf("member %s expects %d members, the candidate %d: they must be told the same", self.Store, self.Expect, r.Expect)}
	case r.Expect < 2 && r.Candidate != self.Store:
		return p, &HeldError{"member " + self.Store + " takes no part in beginning a cluster: it was not told how many members to expect"}
	case p.To == "" || p.To == r.Candidate:
		return Promise{To: r.Candidate}, nil
	case r.Candidate < p.To && (p.To == self.Store || slices.Contains(r.Have, p.To)):
		return Promise{To: r.Candidate}, nil // p.To cannot win: it has promised to this candidate
	default:
		return p, &HeldError{fmt.Sprintf("member %s has promised to let %s begin the cluster; if that one is gone for good, empty the data folder of %s, which holds nothing yet", self.Store, p.To, self.Store)}
	}
}

// Won reports whether self, whose promise p is, may bootstrap with the promises
// of the members in have.
func (p Promise) Won(self Newcomer, have []string) bool {
	if self.InCluster || p.To != self.Store {
		return false
	}
	all := append(slices.Clone(have), self.Store)
	slices.Sort(all)
	return len(slices.Compact(all)) >= max(self.Expect, 1)
}
