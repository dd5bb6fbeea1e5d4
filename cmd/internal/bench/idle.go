package bench

import (
	"context"
	"time"
)

// Idle is what a server uses that nobody asks.
type Idle struct {
	Members int `json:"members"`
	// Seconds is how long it was watched.
	Seconds float64 `json:"seconds"`
	// Percent of one core, all members together.
	Percent float64 `json:"percentOfCore"`
}

// MeasureIdle watches servers for a while, all of them during the same time.
func MeasureIdle(ctx context.Context, watch time.Duration, servers ...Server) ([]Idle, error) {
	before, err := cpuOfEach(servers)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	select {
	case <-time.After(watch):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	after, err := cpuOfEach(servers)
	if err != nil {
		return nil, err
	}
	watched := time.Since(begun).Seconds()
	out := make([]Idle, len(servers))
	for i, s := range servers {
		out[i] = Idle{Members: len(s.Members), Seconds: watched, Percent: 100 * (after[i] - before[i]).Seconds() / watched}
	}
	return out, nil
}

func cpuOfEach(servers []Server) ([]time.Duration, error) {
	out := make([]time.Duration, len(servers))
	for i, s := range servers {
		var err error
		if out[i], err = cpuOf(s.PIDs()); err != nil {
			return nil, err
		}
	}
	return out, nil
}
