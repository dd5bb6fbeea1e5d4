package bench

import (
	"sync/atomic"
	"time"
)

// Pace bounds one round of one subject. Zero means no bound of that kind; one
// of the two is needed.
type Pace struct {
	Duration time.Duration
	Count    int64 // operations of all workers together
}

// pacer hands out the operations of one round. A closed loop needs no more: the
// next operation may begin when the last has ended.
type pacer struct {
	pace  Pace
	begun time.Time
	given atomic.Int64
}

func newPacer(p Pace, now time.Time) *pacer { return &pacer{pace: p, begun: now} }

// next reports whether one more operation is due at now.
func (p *pacer) next(now time.Time) bool {
	if p.pace.Duration > 0 && now.Sub(p.begun) >= p.pace.Duration {
		return false
	}
	return p.pace.Count <= 0 || p.given.Add(1) <= p.pace.Count
}
