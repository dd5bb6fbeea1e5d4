package roster

import (
	"errors"
	"fmt"
)

// ErrUnknown is wrapped when an operator names a server that is not in the
// configuration.
var ErrUnknown = errors.New("no such member")

// RefusedError is why an operator's wish is not granted. Its text says what to do instead.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func refused(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// Removal returns the change by which an operator's wish to remove a member is
// met. Errors: ErrUnknown, *RefusedError.
//
// A living member is not removed: it would be found and added again. It is to
// be stopped first. Of two voters none can be removed, since the other alone
// can decide nothing.
func (p Policy) Removal(s State, id string) (Change, error) {
	v := look(s)
	e, known := v.servers[id]
	switch {
	case !known:
		return nil, fmt.Errorf("remove %s: %w", id, ErrUnknown)
	case id == s.Self:
		return nil, refused("member %s leads the cluster: stop it first, then ask another member to remove it", id)
	case v.lives(id):
		return nil, refused("member %s is alive and would be added again: stop it first, then remove it", id)
	case !s.Committed:
		return nil, errUnderWay()
	}
	if why := v.refuse(e); why != "" {
		return nil, refused("member %s cannot be removed: %s", id, why)
	}
	return Remove{ID: id, Why: "an operator asked for it"}, nil
}

// Promotion returns the change by which an operator's wish to make a member a
// voter is met. It may make the number of voters even, and no higher than
// Voters. Errors: ErrUnknown, *RefusedError.
func (p Policy) Promotion(s State, id string) (Change, error) {
	v := look(s)
	e, known := v.servers[id]
	lag, told := v.Lag[id]
	switch {
	case !known:
		return nil, fmt.Errorf("promote %s: %w", id, ErrUnknown)
	case e.Voter:
		return nil, refused("member %s is a voter already", id)
	case !v.lives(id):
		return nil, refused("member %s is not alive: a voter that is away weakens the cluster", id)
	case !s.Committed:
		return nil, errUnderWay()
	case !told:
		return nil, refused("member %s has not yet told how far it is: try again", id)
	case lag > p.PromoteLag:
		return nil, refused("member %s is %d log entries behind and may be %d: try again when it has caught up", id, lag, p.PromoteLag)
	case v.voters() >= p.Voters:
		return nil, refused("there are %d voters and may be %d: remove one first", v.voters(), p.Voters)
	}
	return AddVoter{ID: id, Address: e.Address}, nil
}

func errUnderWay() error {
	return refused("another change of the members is under way: try again")
}

// refuse says why a server must not be removed, or nothing. The cluster must go
// on without it: a majority of the voters that stay is alive, and two copies are.
func (v view) refuse(gone Server) string {
	if gone.ID == v.Self {
		return "it leads the cluster"
	}
	if !gone.Voter {
		return ""
	}
	voters, alive := 0, 0
	for _, e := range v.sorted {
		if !e.Voter || e.ID == gone.ID {
			continue
		}
		voters++
		if v.lives(e.ID) {
			alive++
		}
	}
	switch {
	case alive < 2:
		return fmt.Sprintf("%d living voter(s) would stay, and two copies are the least", alive)
	case alive <= voters/2:
		return fmt.Sprintf("%d of the %d voters that stay are alive, which is no majority", alive, voters)
	}
	return ""
}
