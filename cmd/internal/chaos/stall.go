package chaos

import (
	"context"
	"time"
)

// stalls are the times at which this process did not run though it wanted to.
type stalls []stall

type stall struct{ at, length time.Duration }

// stallTick is how often the process wants to run, and stallLeast what is noted.
const (
	stallTick  = 5 * time.Millisecond
	stallLeast = 10 * time.Millisecond
)

// watch notes stalls until ctx ends, on the clock that now reads.
func (s *stalls) watch(ctx context.Context, now func() time.Duration) {
	tick := time.NewTicker(stallTick)
	defer tick.Stop()
	for last := now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := now()
		if late := at - last - stallTick; late >= stallLeast {
			*s = append(*s, stall{at, late})
		}
		last = at
	}
}

// longest is the longest stall that ended between two instants.
func (s *stalls) longest(from, to time.Duration) time.Duration {
	var longest time.Duration
	for _, one := range *s {
		if from <= one.at && one.at < to {
			longest = max(longest, one.length)
		}
	}
	return longest
}
