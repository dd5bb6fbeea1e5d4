package session

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"sojourn/actors/realm"
)

// Eviction is a session that ends to make room for another.
type Eviction struct {
	Session Session
	Reason  Reason
}

// Evict says which of a user's other sessions end so that a new one may begin at
// now, the one that it replaces left out of others; or ErrQuota, if none may.
//
// What has reached its longest life counts no more. What seems to have ended by
// idleness does: that it was used may be known elsewhere and not yet here. But it
// is the first to go, before any session that is known to live, and under
// DenyAccess too.
func Evict(q realm.Quota, now time.Time, others []Session) ([]Eviction, error) {
	if q.Limit <= 0 {
		return nil, nil
	}
	var live, lapsed []Session
	for _, x := range others {
		longest := x.MaxExpires()
		switch {
		case !longest.IsZero() && !now.Before(longest):
		case x.Valid(now):
			live = append(live, x)
		default:
			lapsed = append(lapsed, x)
		}
	}
	over := len(live) + len(lapsed) - (q.Limit - 1)
	if over <= 0 {
		return nil, nil
	}
	ends := appendEvictions(nil, IdleTimeout, byEnd, lapsed, over)
	if over -= len(ends); over == 0 {
		return ends, nil
	}
	switch q.Action {
	case realm.DenyAccess:
		return nil, ErrQuota
	case realm.DestroyAllOld:
		return appendEvictions(ends, Destroyed, byAge, live, len(live)), nil
	case realm.DestroyOldest:
		return appendEvictions(ends, Destroyed, byAge, live, over), nil
	default:
		return appendEvictions(ends, Destroyed, byEnd, live, over), nil
	}
}

// appendEvictions adds the first n of some sessions, but no more than there are.
func appendEvictions(ends []Eviction, reason Reason, order func(a, b Session) int, some []Session, n int) []Eviction {
	slices.SortFunc(some, order)
	for _, x := range some[:min(n, len(some))] {
		ends = append(ends, Eviction{Session: x, Reason: reason})
	}
	return ends
}

// byAge has the session first that was created first.
func byAge(a, b Session) int {
	return cmp.Or(a.Created.Compare(b.Created), bytes.Compare(a.ID[:], b.ID[:]))
}

// byEnd has the session first that ends first; what never ends comes last.
func byEnd(a, b Session) int {
	x, y := a.Expires(), b.Expires()
	switch {
	case x.IsZero() != y.IsZero():
		if x.IsZero() {
			return 1
		}
		return -1
	default:
		return cmp.Or(x.Compare(y), byAge(a, b))
	}
}
