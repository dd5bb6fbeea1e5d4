package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sojourn/cmd/internal/chaos"
	"sojourn/cmd/internal/secret"
	"sojourn/http/client"
)

// The tests in this file run clusters of real processes under load, and judge
// what clients saw. -full runs all scenarios; the gate runs those in which
// members are killed.

// runChaos runs a scenario, prints its report, and fails the test for whatever
// was missed.
func runChaos(t *testing.T, s chaos.Scenario) *chaos.Report {
	t.Helper()
	report := chaosReport(t, s, chaos.LoadConfig{})
	judge(t, report)
	return report
}

// judge fails the test for whatever a report says was missed.
func judge(t *testing.T, report *chaos.Report) {
	t.Helper()
	if !report.OK() {
		t.Errorf("%d promises or limits were missed", len(report.Missed))
	}
}

// chaosReport runs a scenario with this load and prints its report.
func chaosReport(t *testing.T, s chaos.Scenario, load chaos.LoadConfig) *chaos.Report {
	t.Helper()
	if s.Root() {
		needsMachine(t)
	}
	binary, err := build()
	must(t, err)
	dir := t.TempDir()
	text, err := secret.Generate(rand.Reader)
	must(t, err)
	secretFile := filepath.Join(dir, "secret")
	must(t, os.WriteFile(secretFile, []byte(text), 0o600))
	master, err := secret.Parse([]byte(text))
	must(t, err)
	report, err := chaos.Run(t.Context(), chaos.Config{
		Binary: binary, SecretFile: secretFile, Dir: dir,
		Operator: client.OperatorToken(master.OperatorToken().Reveal()),
		Args:     []string{"--set", "limits.minFreeDisk=64MiB"},
		Seed:     uint64(time.Now().UnixNano()), //nolint:gosec // a seed
		Load:     load,
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
	}, s)
	if err != nil {
		t.Error(err)
	}
	var table bytes.Buffer
	must(t, report.WriteTable(&table))
	t.Logf("\n%s", table.String())
	if !report.OK() || t.Failed() {
		showLogs(t, dir)
	}
	return report
}

// logShown is how much of a member's log a failed test shows, in bytes.
const logShown = 16 << 10

func showLogs(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	must(t, err)
	for _, file := range logs {
		text, err := os.ReadFile(file)
		must(t, err)
		t.Logf("the end of %s:\n%s", filepath.Base(file), text[max(0, len(text)-logShown):])
	}
}

// needsMachine skips a test where namespaces and mounts are not to be had.
func needsMachine(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for network namespaces and file systems of its own")
	}
	for _, program := range []string{"ip", "mkfs.ext4", "mount", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs", program)
		}
	}
}

// TestOneMemberUnderLoad: the load finds nothing wrong with a member alone, and
// has as many answers from it as the tests below count on.
func TestOneMemberUnderLoad(t *testing.T) {
	report := runChaos(t, chaos.Scenario{Name: "one member", Members: 1, Steps: []chaos.Step{
		{Act: chaos.Calm, Hold: time.Second, Gap: time.Second, Quiet: true},
		{Act: chaos.Kill, Who: chaos.Leader, Hold: 200 * time.Millisecond},
		{Act: chaos.Restart, Who: chaos.Same, Hold: time.Second},
	}})
	if report.Verdict.Acknowledged < 50 || report.Verdict.LoggedOut < 20 {
		t.Errorf("only %d sessions and %d logouts", report.Verdict.Acknowledged, report.Verdict.LoggedOut)
	}
}

// TestClusterKills: three members, the leader killed with signal 9, then a
// follower.
func TestClusterKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute")
	}
	after := 3 * time.Second
	runChaos(t, chaos.Scenario{Name: "kills", Members: 3, Steps: []chaos.Step{
		{Act: chaos.Calm, Hold: time.Second, Gap: time.Second, Quiet: true},
		{Act: chaos.Kill, Who: chaos.Leader, Hold: after, Gap: 5 * time.Second},
		{Act: chaos.Restart, Who: chaos.Same, Hold: time.Second},
		{Act: chaos.Kill, Who: chaos.Follower, Hold: after, Gap: 5 * time.Second, Quiet: true},
		{Act: chaos.Restart, Who: chaos.Same, Hold: time.Second},
	}})
}

// TestClusterLeaderKills kills the leader twenty times and measures how long
// nobody is served: the promise is under 1.5 s at the 99th percentile.
func TestClusterLeaderKills(t *testing.T) {
	if !*full {
		t.Skip("takes minutes; -full runs it")
	}
	report := runChaos(t, chaos.KillLeader(20))
	text, err := json.Marshal(report.Spreads())
	must(t, err)
	t.Logf("%s", text)
}

// TestClusterScenarios runs all scenarios.
func TestClusterScenarios(t *testing.T) {
	if !*full {
		t.Skip("takes minutes; -full runs it")
	}
	for _, s := range chaos.Scenarios(true) {
		t.Run(s.Name, func(t *testing.T) { runChaos(t, s) })
	}
}

// TestClusterPartition cuts off the leader of three members in network
// namespaces.
func TestClusterPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute")
	}
	all := chaos.Scenarios(false)
	at := slices.IndexFunc(all, func(s chaos.Scenario) bool { return s.Name == "isolated leader" })
	if at < 0 {
		t.Fatalf("no such scenario in %d", len(all))
	}
	runChaos(t, all[at])
}
