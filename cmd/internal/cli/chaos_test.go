package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sojourn/cmd/internal/chaos"
)

// TestChaosExitCode: the exit code is that of the first promise that any run
// broke, and a missed limit counts less than any of them.
func TestChaosExitCode(t *testing.T) {
	report := func(seed uint64, broken ...string) *chaos.Report {
		r := &chaos.Report{Seed: seed}
		for _, name := range []string{"P1", "P2", "P3", "P4", "P5", "P6"} {
			p := chaos.Promise{Name: name}
			for _, b := range broken {
				if b == name {
					p.Broken = []string{"a journey"}
				}
			}
			r.Promises = append(r.Promises, p)
		}
		if len(broken) > 0 {
			r.Missed = []string{"something"}
		}
		return r
	}
	for name, tc := range map[string]struct {
		reports []*chaos.Report
		want    int
		text    string
	}{
		"all kept":               {[]*chaos.Report{report(1), report(2)}, 0, ""},
		"a promise":              {[]*chaos.Report{report(1), report(2, "P4")}, 14, "1 of 2 runs failed; P4 was broken with --seed 2"},
		"the first of two":       {[]*chaos.Report{report(1, "P6", "P2")}, 12, "P2"},
		"the first of all runs":  {[]*chaos.Report{report(1, "P6"), report(2, "P3"), report(3, "P5")}, 13, "3 of 3 runs failed; P3 was broken with --seed 2"},
		"a limit":                {[]*chaos.Report{report(1), report(2, "time")}, 3, "a limit was missed with --seed 2"},
		"a promise, not a limit": {[]*chaos.Report{report(1, "time"), report(2, "P6")}, 16, "P6 was broken with --seed 2"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := (&chaosFlags{}).verdict(Env{Stdout: &out}, tc.reports)
			var exit exitError
			if tc.want == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &exit) || exit.code != tc.want || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%+v, want %d and %q", err, tc.want, tc.text)
			}
		})
	}
}
