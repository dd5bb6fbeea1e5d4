package sim

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var mutants = flag.Int("mutants", 0, "check that broken builds are caught, within so many seeds each")

// What the simulation says of a broken build: of sessions that members call
// valid after their logout, of journeys of which the members do not agree.
const (
	undead = "were valid after their acknowledged logout"
	torn   = "journeys (were (lost|doubled|rolled back|refused)|have a history that nothing explains)"
)

// TestMutantsAreCaught builds the cluster without one of its mechanisms and
// wants TestSimulatedFaults to fail for what that mechanism is there for.
func TestMutantsAreCaught(t *testing.T) {
	if *mutants == 0 {
		t.Skip("builds and runs everything anew; -mutants 200 does it")
	}
	for name, m := range map[string]struct{ file, text, instead, says string }{
		"reads without a lease": {
			"cts/leases.go",
			"return until == forever || int64(l.clock()) < until",
			"return until != 0",
			undead,
		},
		"no wait for members": {
			"cts/barrier.go",
			"if len(holders) == 0 {",
			"if len(holders) >= 0 {",
			undead,
		},
		"a new leader that does not wait": {
			"cts/internal/lease/granter.go",
			"g.leading, g.term, g.notBefore = true, term, now+g.timing.Wait()",
			"g.leading, g.term, g.notBefore = true, term, Never",
			undead,
		},
		"no epoch is checked": {
			"actors/internal/register/slot.go",
			"if r.Epoch.Compare(s.Promised) < 0 {",
			"if false {",
			torn,
		},
		"a refusal without a quorum": {
			"actors/remote.go",
			"return &session.UnavailableError{Reason: envelope.ErrCutOff.Error(), RetryAfter: time.Second, Unknown: true}",
			"return journey.ErrGone",
			torn,
		},
		"a set is changed in one step": {
			"actors/internal/register/record.go",
			"n.Prev = r.Replicas",
			"n.Prev = nil",
			torn,
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runMutant(t, m.file, m.text, m.instead)
			t.Logf("%s", tail(out))
			if err == nil {
				t.Fatalf("not caught in %d seeds", *mutants)
			}
			if !regexp.MustCompile(m.says).Match(out) {
				t.Errorf("it failed, but says nothing like %q", m.says)
			}
		})
	}
}

// runMutant runs the simulation with one text of one file replaced.
func runMutant(t *testing.T, file, text, instead string) ([]byte, error) {
	t.Helper()
	root, err := filepath.Abs("../../../..")
	must(t, err)
	path := filepath.Join(root, file)
	source, err := os.ReadFile(path)
	must(t, err)
	if n := strings.Count(string(source), text); n != 1 {
		t.Fatalf("%s has %d times what is to be replaced: %s", file, n, text)
	}
	dir := t.TempDir()
	mutant, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	must(t, os.WriteFile(mutant, []byte(strings.Replace(string(source), text, instead, 1)), 0o600))
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutant}})
	must(t, err)
	must(t, os.WriteFile(overlay, replaced, 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-failfast", "-count", "1", //nolint:gosec // this module's own test
		"-run", "TestSimulatedFaults", ".", "-seeds", strconv.Itoa(*mutants), "-store", "In-Memory")
	return cmd.CombinedOutput()
}

// tail is the end of an output.
func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }
