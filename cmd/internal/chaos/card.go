package chaos

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Card is the report card of a run: one line for each kind of fault.
type Card struct {
	Fault string `json:"fault"`
	Times int    `json:"times"`
	// Journeys counts those that took steps meanwhile, Steps the steps.
	Journeys int `json:"journeys"`
	Steps    int `json:"steps"`
	Lost     int `json:"lost"`
	Doubled  int `json:"doubled"`
	// Worst is the longest wait for a step, P99 the largest 99th percentile of
	// one time.
	Worst time.Duration `json:"worst"`
	P99   time.Duration `json:"p99"`
	// Unavailable counts the answers of 503.
	Unavailable int `json:"unavailable"`
}

// Cards sums up the rows of each kind of step.
func (r *Report) Cards() []Card {
	var all []Card
	at := map[string]int{}
	for _, row := range r.Rows {
		i, known := at[row.Step]
		if !known {
			i, at[row.Step] = len(all), len(all)
			all = append(all, Card{Fault: row.Step})
		}
		c := &all[i]
		c.Times++
		c.Journeys += row.Journeys.Journeys
		c.Steps += row.Journeys.Steps
		c.Lost += row.Lost
		c.Doubled += row.Doubled
		c.Unavailable += row.Unavailable
		c.Worst, c.P99 = max(c.Worst, row.Journeys.Max), max(c.P99, row.Journeys.P99)
	}
	return all
}

// WriteCard writes the report card for people: a line for each kind of fault, one
// for the whole run, and the verdict on each promise.
func (r *Report) WriteCard(w io.Writer) error {
	fmt.Fprintf(w, "%s: %d members, seed %d, %d requests in %v\n", r.Scenario, r.Members, r.Seed, r.Requests, brief(r.Took))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FAULT\tTIMES\tJOURNEYS\tSTEPS\tLOST\tDOUBLED\tLONGEST STALL\tP99\t503")
	line := func(c Card, times string) {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%v\t%v\t%d\n", c.Fault, times, c.Journeys, c.Steps, c.Lost, c.Doubled, brief(c.Worst), brief(c.P99), c.Unavailable)
	}
	total := Card{Fault: "whole run", Journeys: r.Journeys.Begun, Steps: r.Stalls.Steps, Worst: r.Stalls.Max, P99: r.Stalls.P99}
	for _, c := range r.Cards() {
		line(c, fmt.Sprint(c.Times))
		total.Unavailable += c.Unavailable
	}
	for _, row := range r.Rows {
		total.Lost, total.Doubled = total.Lost+row.Lost, total.Doubled+row.Doubled
	}
	line(total, "")
	fmt.Fprintln(t, "\nPROMISE\t\tVERDICT\tSEEN")
	for _, p := range r.Promises {
		verdict := "kept"
		if !p.OK() {
			verdict = "BROKEN"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Name, p.Title, verdict, strings.Join(append([]string{p.Seen}, p.Broken...), "; "))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("chaos: write the report: %w", err)
	}
	for _, m := range r.Missed {
		fmt.Fprintf(w, "MISSED %s\n", m)
	}
	for _, s := range r.Suspects {
		fmt.Fprintf(w, "journey %d:\n  %s\n", s.Journey, strings.Join(s.History, "\n  "))
	}
	for _, s := range r.Samples {
		fmt.Fprintf(w, "sample: %s\n", s)
	}
	return nil
}
