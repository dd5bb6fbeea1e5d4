package chaos

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/cmd/internal/chaos/history"
)

func TestPlan(t *testing.T) {
	five := Plan{Members: 5, For: 10 * time.Minute, Every: 20 * time.Second}
	for name, tc := range map[string]struct {
		plan  Plan
		names []string
		want  []string
		err   string
	}{
		"one":           {five, []string{"kill"}, []string{"kill"}, ""},
		"some":          {five, []string{"roll", "leave"}, []string{"leave", "roll"}, ""},
		"kills":         {five, []string{"kills"}, []string{"kill", "kill-two"}, ""},
		"no such":       {five, []string{"kill", "flood"}, nil, `no scenario "flood"`},
		"too few":       {Plan{Members: 3, For: time.Minute, Every: time.Second}, []string{"all"}, nil, `"kill-two" needs 5 members`},
		"enough of one": {Plan{Members: 1, For: time.Minute, Every: time.Second}, []string{"join"}, []string{"join"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			scenarios, err := tc.plan.Scenarios(tc.names...)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, want %s", err, tc.err)
				}
				return
			}
			must(t, err)
			var got []string
			for _, s := range scenarios {
				got = append(got, s.Name)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if all, err := five.Scenarios("all"); err != nil || len(all) != len(Described()) {
		t.Errorf("%d of %d scenarios, %v", len(all), len(Described()), err)
	}
}

// TestPlannedRounds: faults come as often as was asked, unless they take longer,
// and with the replicas that were asked for.
func TestPlannedRounds(t *testing.T) {
	for name, tc := range map[string]struct {
		plan             Plan
		scenario         string
		rounds, replicas int
	}{
		"every 20 s":             {Plan{Members: 5, For: 10 * time.Minute, Every: 20 * time.Second}, "kill", 30, 0},
		"a fault of half a time": {Plan{Members: 5, For: 10 * time.Minute, Every: 20 * time.Second}, "freeze", 20, 0},
		"at least one":           {Plan{Members: 5, For: time.Second, Every: 20 * time.Second}, "leave", 1, 0},
		"at most two joins":      {Plan{Members: 5, For: 10 * time.Minute, Every: 20 * time.Second}, "join", 2, 0},
		"replicas of a scenario": {Plan{Members: 5, For: time.Minute, Every: 20 * time.Second}, "kill-two", 3, 5},
		"replicas of a plan":     {Plan{Members: 5, For: time.Minute, Every: 20 * time.Second, Replicas: 1}, "kill-two", 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := tc.plan.Scenarios(tc.scenario)
			must(t, err)
			if s[0].Rounds != tc.rounds || s[0].Replicas != tc.replicas || s[0].Every != tc.plan.Every {
				t.Errorf("%+v", s[0])
			}
		})
	}
}

// TestJudge: the report of a history has its rows, promises, limits and
// suspects.
func TestJudge(t *testing.T) {
	step := func(journey, number, member int, o history.Outcome, at, took time.Duration) history.Step {
		s := history.Step{Journey: journey, Number: number, Of: 1, Gave: uint64(number), Member: member, Outcome: o, Start: at, End: at + took} //nolint:gosec // small
		if o == history.OK {
			s.Reply = history.Reply{Page: history.Last}
			if number == 1 {
				s.Reply = history.Reply{Page: history.Session, Shown: 5}
			}
		}
		return s
	}
	l, err := NewLoad(LoadConfig{Bases: []string{"http://a/am", "http://b/am"}, Journeys: 1})
	must(t, err)
	l.begun = time.Now().Add(-time.Second)
	l.steps = []history.Step{
		step(1, 0, 0, history.OK, 0, 2*ms), step(1, 1, 1, history.OK, 10*ms, 30*ms),
		step(2, 0, 0, history.OK, 110*ms, ms), step(2, 1, 1, history.Unavailable, 120*ms, ms), step(2, 1, 1, history.Unauthorized, 130*ms, ms),
	}
	r := &run{
		load: l, scenario: Scenario{Worst: 20 * ms, P99: time.Minute},
		report: &Report{Scenario: "made up", Rows: []Row{{Step: "calm", At: 0}, {Step: "isolate", At: 100 * ms}}},
		apart:  []apart{{members: []int{1}, from: 115 * ms}},
	}
	r.judge(true)
	broken := map[string]int{}
	for _, p := range r.report.Promises {
		broken[p.Name] = len(p.Broken)
	}
	if broken["P2"] != 1 || broken["P6"] != 1 || broken["P1"]+broken["P3"]+broken["P4"]+broken["P5"] != 0 {
		t.Errorf("%+v", r.report.Promises)
	}
	want := []Card{
		{Fault: "calm", Times: 1, Journeys: 1, Steps: 2, Worst: 30 * ms, P99: 30 * ms},
		{Fault: "isolate", Times: 1, Journeys: 1, Steps: 1, Lost: 1, Worst: ms, P99: ms, Unavailable: 1},
	}
	if got := r.report.Cards(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	var card strings.Builder
	must(t, r.report.WriteCard(&card))
	for _, want := range []string{
		"isolate    1      1         1      1     0        1ms            1ms   1",
		"whole run         2         3      1     0        30ms           30ms  1",
		"BROKEN   2 journeys, 1 ended; 1 of 2 journeys were lost, such as journey 2 lost at step 1 by member 1",
		"answered 503 1 times; 1 times a member that was cut off refused",
		"MISSED the longest wait for a step was 30ms, want at most 20ms",
		"journey 2:\n  110ms to 111ms, member 0, step 0 of 1",
	} {
		if !strings.Contains(card.String(), want) {
			t.Errorf("no %q in\n%s", want, card.String())
		}
	}
}
