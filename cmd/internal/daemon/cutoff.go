package daemon

import (
	"slices"
	"time"
)

// cutOffTime is for how long a member takes itself for cut off, or not, before it
// looks again: each start asks.
const cutOffTime = 20 * time.Millisecond

// glance is what a member saw at one time.
type glance struct {
	at     time.Time
	cutOff bool
}

// cutOff reports whether this member sees no majority of those that vote, or did
// a moment ago.
func (d *Daemon) cutOff() bool {
	now := time.Now()
	if last := d.seen.Load(); last != nil && now.Sub(last.at) < cutOffTime {
		return last.cutOff
	}
	cutOff := d.lacksMajority()
	d.seen.Store(&glance{now, cutOff})
	return cutOff
}

func (d *Daemon) lacksMajority() bool {
	_, voters := d.store.Configured()
	view := d.near.view()
	seen := 0
	for _, m := range view.Members() {
		if slices.Contains(voters, m.Store) {
			seen++
		}
	}
	return len(voters) > 0 && 2*seen <= len(voters)
}
