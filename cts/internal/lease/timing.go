package lease

import "time"

// Timing gives all durations of the protocol, from one. All members of a
// cluster must have the same.
type Timing struct {
	Lease time.Duration // D, the life of a lease; more than zero. 800 ms is usual
}

// driftParts is the allowed difference of two clocks' rates: one part in so many.
const driftParts = 20

// Verify is V: how old the proof of leadership may be when a lease is granted.
func (t Timing) Verify() time.Duration { return t.Lease / 2 }

// Renew is how often a member asks for a new lease.
func (t Timing) Renew() time.Duration { return t.Lease / 4 }

// Round is how often a leader asks the voters for their terms.
func (t Timing) Round() time.Duration { return t.Verify() / 5 }

// Bound is how long after granting a leader must take the lease for held.
func (t Timing) Bound() time.Duration { return slower(t.Lease) }

// Wait is how long after the last proof of an older leader a lease of its may
// be held: it may grant for V more, and the lease lives for D.
func (t Timing) Wait() time.Duration { return slower(t.Verify() + t.Lease) }

// slower is the longest that this clock may show while another shows d.
func slower(d time.Duration) time.Duration { return d + d/driftParts + 1 }

// quicker is the least that this clock may show while another shows d.
func quicker(d time.Duration) time.Duration {
	return max(0, d-d/(driftParts+1)-1)
}
