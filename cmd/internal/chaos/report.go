package chaos

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sojourn/cmd/internal/chaos/history"
)

// Report is what a run found. Durations travel in nanoseconds.
type Report struct {
	Scenario string `json:"scenario"`
	Members  int    `json:"members"`
	Seed     uint64 `json:"seed"`
	// Formed is the time from the start of the first process until all members
	// were ready, Took that of the whole run.
	Formed time.Duration `json:"formed"`
	Took   time.Duration `json:"took"`
	Rows   []Row         `json:"rows"`
	// Requests counts them all, final reads included.
	Requests int             `json:"requests"`
	Verdict  history.Verdict `json:"verdict"`
	// Journeys is the verdict on journeys of several steps, Stalls how long their
	// clients waited.
	Journeys history.JourneyVerdict `json:"journeys"`
	Stalls   history.StallFigures   `json:"stalls"`
	// Apart is set when members were cut off.
	Apart *Apart `json:"apart,omitempty"`
	// Suspects are the first journeys whose history breaks a promise.
	Suspects []Suspect `json:"suspects,omitempty"`
	Promises []Promise `json:"promises"`
	// Missed says which promises and limits did not hold; empty when all did.
	Missed []string `json:"missed,omitempty"`
	// Samples are answers that no client should get, in words.
	Samples []string `json:"samples,omitempty"`
}

// Row is a step and what clients saw from its beginning to that of the next.
type Row struct {
	Step    string   `json:"step"`
	Members []string `json:"members,omitempty"`
	// At is when it began, on the clock of the load.
	At time.Duration `json:"at"`
	// Figures are those of each kind of request.
	Figures []history.Figures `json:"figures"`
	// Journeys are the waits for steps of journeys. Lost and Doubled count the
	// journeys of which a fault came to light; what was refused or rolled back
	// counts as lost here.
	Journeys history.StallFigures `json:"journeys"`
	Lost     int                  `json:"lost"`
	Doubled  int                  `json:"doubled"`
	// Unavailable counts the answers of 503 to steps of journeys, those to
	// watchers left out.
	Unavailable int `json:"unavailable"`
	// Stall is the longest time for which this process got no CPU: on a host
	// that is short of it, gaps are the host's as well.
	Stall  time.Duration `json:"stall"`
	limits Step
}

// sum fills in the figures of a row that ends at an instant.
func (r *Row) sum(ops []history.Op, to time.Duration) {
	for _, kind := range history.Kinds() {
		r.Figures = append(r.Figures, history.Summarize(ops, kind, r.At, to))
	}
}

// sumJourneys does so for journeys of several steps.
func (r *Row) sumJourneys(steps []history.Step, waits []history.Wait, faults []history.Fault, to time.Duration) {
	r.Journeys = history.Stalls(waits, r.At, to)
	within := func(at time.Duration) bool { return r.At <= at && at < to }
	lost, doubled := map[int]bool{}, map[int]bool{}
	for _, f := range faults {
		switch {
		case !within(f.At):
		case f.Kind == history.Doubled:
			doubled[f.Journey] = true
		default:
			lost[f.Journey] = true
		}
	}
	r.Lost, r.Doubled = len(lost), len(doubled)
	for _, s := range steps {
		if s.Outcome == history.Unavailable && !s.Watch && within(s.End) {
			r.Unavailable++
		}
	}
}

// missed are the limits of the step that did not hold.
func (r *Row) missed() []string {
	var out []string
	for _, f := range r.Figures {
		if limit := r.limits.Gap; limit > 0 && f.Gap > limit {
			out = append(out, fmt.Sprintf("%s: for %v no %s succeeded, want at most %v", r.label(), brief(f.Gap), f.Name, limit))
		}
		if r.limits.Quiet && f.Failed > 0 {
			out = append(out, fmt.Sprintf("%s: of %d requests to %s %d failed beyond their connections: %s", r.label(), f.Attempts, f.Name, f.Failed, outcomes(f)))
		}
	}
	return out
}

func (r *Row) label() string {
	if len(r.Members) == 0 {
		return r.Step
	}
	return r.Step + " (" + strings.Join(r.Members, " ") + ")"
}

// outcomes lists what became of requests, without those that succeeded.
func outcomes(f history.Figures) string {
	var parts []string
	for _, o := range history.Outcomes() {
		if n := f.Outcomes[o]; n > 0 && o != history.OK && o != history.Gone {
			parts = append(parts, fmt.Sprint(n, " ", o))
		}
	}
	return strings.Join(parts, ", ")
}

// OK reports whether every promise and limit held.
func (r *Report) OK() bool { return len(r.Missed) == 0 }

// Spread are the extremes of the gaps that a step left over its rounds.
type Spread struct {
	Step  string        `json:"step"`
	Kind  string        `json:"kind"`
	Count int           `json:"count"`
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// Spreads sums up the gaps of steps that were taken more than once.
func (r *Report) Spreads() []Spread {
	var out []Spread
	for i, row := range r.Rows {
		if slices.ContainsFunc(r.Rows[:i], func(o Row) bool { return o.Step == row.Step }) {
			continue
		}
		for _, kind := range history.Kinds() {
			var gaps []time.Duration
			for _, other := range r.Rows {
				if other.Step == row.Step {
					gaps = append(gaps, other.Figures[kind].Gap)
				}
			}
			if len(gaps) < 2 {
				continue
			}
			slices.Sort(gaps)
			out = append(out, Spread{
				Step: row.Step, Kind: kind.String(), Count: len(gaps),
				P50: history.Quantile(gaps, 0.5), P99: history.Quantile(gaps, 0.99), Max: gaps[len(gaps)-1],
			})
		}
	}
	return out
}

// WriteTable writes the report for people: a line for each step, the spread of
// repeated ones, and the verdict.
func (r *Report) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s: %d members, seed %d, formed in %v, %d requests in %v\n", r.Scenario, r.Members, r.Seed, brief(r.Formed), r.Requests, brief(r.Took))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := []string{"STEP", "AT", "STALL", "REQUESTS", "SEVERED", "FAILED"}
	for _, kind := range history.Kinds() {
		head = append(head, strings.ToUpper(kind.String())+" GAP", "P99")
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, row := range r.Rows {
		attempts, severed, failed := 0, 0, 0
		var cells []string
		for _, f := range row.Figures {
			attempts, severed, failed = attempts+f.Attempts, severed+f.Severed, failed+f.Failed
			cells = append(cells, brief(f.Gap).String(), brief(f.P99).String())
		}
		fmt.Fprintf(t, "%s\t%v\t%v\t%d\t%d\t%d\t%s\n", row.label(), brief(row.At), brief(row.Stall), attempts, severed, failed, strings.Join(cells, "\t"))
	}
	for _, s := range r.Spreads() {
		fmt.Fprintf(t, "%s, %d times: gap of %s\tp50 %v\tp99 %v\tmax %v\n", s.Step, s.Count, s.Kind, brief(s.P50), brief(s.P99), brief(s.Max))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("chaos: write the report: %w", err)
	}
	v := r.Verdict
	fmt.Fprintf(w, "sessions acknowledged %d, lost %d; logged out %d, valid after that %d; journeys doubled %d; turned away wrongly %d; not linearizable %d\n",
		v.Acknowledged, len(v.Lost), v.LoggedOut, len(v.Undead), len(v.Doubled), len(v.Denied), len(v.Illegal))
	for _, m := range r.Missed {
		fmt.Fprintf(w, "MISSED %s\n", m)
	}
	for _, s := range r.Samples {
		fmt.Fprintf(w, "sample: %s\n", s)
	}
	return nil
}

// brief rounds for people.
func brief(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
