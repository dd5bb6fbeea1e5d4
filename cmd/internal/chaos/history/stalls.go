package history

import (
	"slices"
	"time"
)

// StallFigures sum up how long clients waited for the answers to steps, over a
// stretch of time. Durations travel in nanoseconds.
type StallFigures struct {
	// Journeys counts those that took a step, Steps the steps, beginnings of
	// journeys included.
	Journeys int `json:"journeys"`
	Steps    int `json:"steps"`
	// P50, P99 and Max are of the waits.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

// Wait is the time that a client waited for a step: from the first attempt at it
// to its first acknowledged answer.
type Wait struct {
	Journey    int
	Start, End time.Duration
}

// Waits are those of all steps that were answered. Steps without an answer have
// none: [CheckJourneys] tells what became of them.
func Waits(steps []Step) []Wait {
	type key struct{ journey, number int }
	started, ended := map[key]time.Duration{}, map[key]time.Duration{}
	for _, s := range steps {
		k := key{s.Journey, s.Number}
		if at, ok := started[k]; !ok || s.Start < at {
			started[k] = s.Start
		}
		if at, ok := ended[k]; s.Outcome == OK && (!ok || s.End < at) {
			ended[k] = s.End
		}
	}
	waits := make([]Wait, 0, len(ended))
	for k, end := range ended {
		waits = append(waits, Wait{k.journey, started[k], end})
	}
	return waits
}

// Stalls sums up the waits that lie between two instants at least in part. They
// count in full.
func Stalls(waits []Wait, from, to time.Duration) StallFigures {
	var f StallFigures
	var stalls []time.Duration
	journeys := map[int]bool{}
	for _, w := range waits {
		if w.End <= from || w.Start >= to {
			continue
		}
		journeys[w.Journey] = true
		stalls = append(stalls, w.End-w.Start)
	}
	slices.Sort(stalls)
	f.Journeys, f.Steps = len(journeys), len(stalls)
	f.P50, f.P99, f.Max = Quantile(stalls, 0.5), Quantile(stalls, 0.99), Quantile(stalls, 1)
	return f
}
