package e2e

import (
	"bytes"
	"testing"
	"time"

	"sojourn/cmd/internal/chaos"
	"sojourn/cmd/internal/chaos/history"
)

// runTrips runs a scenario under a load of journeys of several steps, whose
// clients ask another member each time.
func runTrips(t *testing.T, s chaos.Scenario) *chaos.Report {
	t.Helper()
	report := chaosReport(t, s, chaos.LoadConfig{
		Writers: 4, Readers: 4, Watchers: 1, Journeys: 8, Idle: 40, IdleRest: 3 * time.Second, MaxOps: 3_000_000,
	})
	var card bytes.Buffer
	must(t, report.WriteCard(&card))
	t.Logf("\n%s", card.String())
	if report.Journeys.Ended < 100 {
		t.Errorf("only %d journeys came to their ends", report.Journeys.Ended)
	}
	return report
}

// kills is a scenario of so long in which one member of three is killed with
// signal 9 again and again. It has no limits in time: machines that are short of
// CPU run the gate as well.
func kills(t *testing.T, length time.Duration) chaos.Scenario {
	t.Helper()
	scenarios, err := chaos.Plan{Members: 3, For: length, Every: 8 * time.Second}.Scenarios("kill")
	must(t, err)
	scenarios[0].P99, scenarios[0].Worst = 0, 0
	return scenarios[0]
}

// TestJourneysOutliveKills: no journey is lost or doubled by the loss of a
// member.
func TestJourneysOutliveKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	judge(t, runTrips(t, kills(t, 24*time.Second)))
}

// TestOneReplicaLosesJourneys: with one copy of each journey a lost member costs
// journeys, and the judge says so; so the test above can fail. Nothing else goes
// wrong.
func TestOneReplicaLosesJourneys(t *testing.T) {
	if !*full {
		t.Skip("takes half a minute; -full runs it")
	}
	s := kills(t, 16*time.Second)
	s.Replicas = 1
	report := runTrips(t, s)
	if report.Journeys.Count(history.Lost) == 0 {
		t.Error("no journey was lost")
	}
	for _, p := range report.Promises {
		if p.Name > "P3" && !p.OK() {
			t.Errorf("%s: %q", p.Name, p.Broken)
		}
	}
}

// TestJourneysOutliveFaults runs all scenarios of "sojourn chaos" over five
// members.
func TestJourneysOutliveFaults(t *testing.T) {
	if !*full {
		t.Skip("takes minutes; -full runs it")
	}
	scenarios, err := chaos.Plan{Members: 5, For: time.Minute, Every: 20 * time.Second}.Scenarios("all")
	must(t, err)
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) { judge(t, runTrips(t, s)) })
	}
}
