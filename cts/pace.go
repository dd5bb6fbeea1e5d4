package cts

import (
	"math"
	"time"
)

const (
	// gatherTime is how long a command waits at most for those of other writers to
	// come, beside the entries before; and only if commands are less than closely
	// apart.
	gatherTime = 6 * time.Millisecond
	closely    = time.Millisecond
	// Fewer than many writers are never held up, and enough commands never are.
	many   = 3
	enough = 64
)

// pace says how many writers there are, as the entries of the last moments show
// it, and so for how many commands the next entry waits.
type pace struct {
	writers float64       // who had a command waiting or on its way at one time
	every   time.Duration // how far apart commands are
	last    time.Time
}

// flown notes an entry of n commands, with the most that were waiting or on their
// way at one time since the entry before.
func (p *pace) flown(now time.Time, n, most int) {
	const weight = 4
	apart := min(now.Sub(p.last)/time.Duration(n), 2*closely)
	p.last = now
	p.every += (apart - p.every) / weight
	p.writers = max(float64(most), p.writers*(weight-1)/weight)
}

// gathers is how many commands, those on their way included, are all that is to be
// expected. It is one where too few writers meet, or commands are too far apart.
func (p *pace) gathers() int {
	writers := int(math.Round(p.writers))
	if writers < many || p.every >= closely {
		return 1
	}
	return min(writers, enough)
}
