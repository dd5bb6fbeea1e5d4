package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sojourn/cmd/internal/chaos/history"
)

// judge fills the report. Without the final reads nothing is said about what
// they would have shown.
func (r *run) judge(complete bool) {
	ops, steps, end := r.load.History(), r.load.Journeys(), r.load.Now()
	report, members := r.report, len(r.load.targets())
	report.Requests, report.Samples = len(ops)+len(steps), r.load.Samples()
	report.Verdict = history.Check(ops, members)
	report.Journeys = history.CheckJourneys(steps)
	if !complete {
		report.Verdict.Unread, report.Journeys.Stuck = 0, nil
	}
	waits := history.Waits(steps)
	report.Stalls = history.Stalls(waits, 0, end)
	for i := range report.Rows {
		row := &report.Rows[i]
		to := end
		if i+1 < len(report.Rows) {
			to = report.Rows[i+1].At
		}
		row.sum(ops, to)
		row.sumJourneys(steps, waits, report.Journeys.Faults, to)
		row.Stall = r.stalls.longest(row.At, to)
		report.Missed = append(report.Missed, row.missed()...)
	}
	suspects := few(report.Journeys.Suspects())
	if worst := r.scenario.Worst; worst > 0 && report.Stalls.Max > worst {
		suspects = append(suspects, slowest(waits))
	}
	for _, n := range suspects {
		report.Suspects = append(report.Suspects, Suspect{n, history.Tell(steps, n)})
	}
	report.Apart = r.cutOff(ops, steps)
	report.Promises = report.promises()
	for _, p := range report.Promises {
		for _, what := range p.Broken {
			report.Missed = append(report.Missed, p.Name+" "+p.Title+": "+what)
		}
	}
	for _, limit := range []struct {
		what       string
		got, limit time.Duration
	}{
		{"the longest wait for a step", report.Stalls.Max, r.scenario.Worst},
		{"the 99th percentile of waits for steps", report.Stalls.P99, r.scenario.P99},
	} {
		if limit.limit > 0 && limit.got > limit.limit {
			report.Missed = append(report.Missed, fmt.Sprintf("%s was %v, want at most %v", limit.what, brief(limit.got), limit.limit))
		}
	}
	if report.Verdict.Acknowledged == 0 || report.Verdict.LoggedOut == 0 {
		report.Missed = append(report.Missed, "no session was made or none was logged out: nothing was tested")
	}
	if r.load.cfg.Journeys > 0 && report.Journeys.Ended == 0 {
		report.Missed = append(report.Missed, "no journey came to its end: nothing was tested")
	}
}

// slowest is the journey with the longest wait.
func slowest(waits []history.Wait) int {
	return slices.MaxFunc(waits, func(a, b history.Wait) int { return cmp.Compare(a.End-a.Start, b.End-b.Start) }).Journey
}

// Suspect is a journey whose history breaks a promise or a limit, request by
// request.
type Suspect struct {
	Journey int      `json:"journey"`
	History []string `json:"history"`
}

// few is the start of a list of suspects.
func few(list []int) []int { return list[:min(len(list), 5)] }

// Apart is what members said while they were cut off.
type Apart struct {
	// Unavailable counts their answers of 503, Refused those of 401 that broke a
	// promise.
	Unavailable int `json:"unavailable"`
	Refused     int `json:"refused"`
}

// cutOff sums up the answers of members that were cut off.
func (r *run) cutOff(ops []history.Op, steps []history.Step) *Apart {
	if len(r.apart) == 0 {
		return nil
	}
	during := func(member int, start, end time.Duration) bool {
		return slices.ContainsFunc(r.apart, func(a apart) bool {
			return slices.Contains(a.members, member) && a.from <= start && (a.to == 0 || end <= a.to)
		})
	}
	out := &Apart{}
	for _, op := range ops {
		if op.Outcome == history.Unavailable && during(op.Member, op.Start, op.End) {
			out.Unavailable++
		}
	}
	for _, s := range steps {
		if s.Outcome == history.Unavailable && during(s.Member, s.Start, s.End) {
			out.Unavailable++
		}
	}
	for _, op := range r.report.Verdict.Denied {
		if during(op.Member, op.Start, op.End) {
			out.Refused++
		}
	}
	for _, f := range r.report.Journeys.Faults {
		if (f.Kind == history.Lost || f.Kind == history.Repelled) && during(f.Member, f.At, f.At) {
			out.Refused++
		}
	}
	return out
}

// Promise is one of the promises of a cluster, and whether it was kept.
type Promise struct {
	Name  string `json:"name"` // "P1"
	Title string `json:"title"`
	// Seen is what was counted for it, in words.
	Seen string `json:"seen"`
	// Broken says how it was broken; empty when it was kept.
	Broken []string `json:"broken,omitempty"`
}

// OK reports whether the promise was kept.
func (p Promise) OK() bool { return len(p.Broken) == 0 }

// promises judges the promises.
func (r *Report) promises() []Promise {
	v, j := r.Verdict, r.Journeys
	all := []Promise{
		{Name: "P1", Title: "any member", Seen: fmt.Sprintf("%d of %d steps answered by another member than the step before", j.Moved, j.Steps)},
		{Name: "P2", Title: "journeys outlive members", Seen: fmt.Sprintf("%d journeys, %d ended", j.Begun, j.Ended)},
		{Name: "P3", Title: "one outcome", Seen: fmt.Sprintf("%d steps and %d sessions", j.Steps, v.Acknowledged)},
		{Name: "P4", Title: "sessions stay", Seen: fmt.Sprintf("%d acknowledged sessions", v.Acknowledged)},
		{Name: "P5", Title: "gone is gone", Seen: fmt.Sprintf("%d acknowledged logouts", v.LoggedOut)},
		{Name: "P6", Title: "fail closed, say so", Seen: fmt.Sprintf("%d requests", r.Requests)},
	}
	for _, b := range slices.Concat(j.Breaches(), v.Breaches()) {
		i := slices.IndexFunc(all, func(p Promise) bool { return p.Name == b.Promise })
		all[i].Broken = append(all[i].Broken, b.What)
	}
	if r.Apart != nil {
		last := &all[len(all)-1]
		last.Seen += fmt.Sprintf("; members that were cut off answered 503 %d times", r.Apart.Unavailable)
		if r.Apart.Refused > 0 {
			last.Broken = append(last.Broken, fmt.Sprintf("%d times a member that was cut off refused what it should have answered 503", r.Apart.Refused))
		}
	}
	return all
}
