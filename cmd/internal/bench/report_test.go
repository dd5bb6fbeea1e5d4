package bench

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func record(subject string, round int, ops int64, cpu time.Duration) Record {
	r := Record{Subject: subject, Concurrency: 4, Round: round, Ops: ops, Wall: time.Second, CPU: cpu, latency: newHistogram()}
	for i := range ops {
		_ = r.latency.RecordValue(int64(time.Millisecond) * (1 + i%10))
	}
	return r
}

// slower makes each operation of a record take longer.
func slower(r Record, by time.Duration) Record {
	all := newHistogram()
	for _, bar := range r.latency.Distribution() {
		for range bar.Count {
			_ = all.RecordValue(bar.To + int64(by))
		}
	}
	r.latency = all
	return r
}

func TestReport(t *testing.T) {
	subjects := []Subject{
		{Name: "echo", PIDs: []int{1}},
		{Name: "validate", PIDs: []int{2}},
		{Name: "echo-bcrypt", PIDs: []int{1}},
		{Name: "login", PIDs: []int{2}, Less: "echo-bcrypt"},
		{Name: "argon2", PIDs: []int{3}, bare: true},
		{Name: "login-argon2", PIDs: []int{2}, RateOf: "argon2"},
		{Name: "cluster-validate", PIDs: []int{4, 5, 6}, CPUOf: "validate"},
		{Name: "cluster-login", PIDs: []int{4, 5, 6}, CPUOf: "login", Less: "echo-bcrypt"},
		{Name: "cluster-lonely", PIDs: []int{4, 5, 6}, CPUOf: "never run"},
		{Name: "slow", PIDs: []int{4, 5, 6}, CPUOf: "validate", P50Of: "validate"},
		{Name: "slow-lonely", PIDs: []int{4, 5, 6}, CPUOf: "never run", P50Of: "never run"},
		{Name: "lonely", PIDs: []int{2}, Less: "nothing measured"},
		{Name: "never run", PIDs: []int{2}},
	}
	const ms = time.Millisecond
	var records []Record
	for round, slow := range []time.Duration{1, 2, 1} { // the second round's machine is half as fast
		records = append(records,
			record("echo", round, 1000, 20*ms*slow),
			record("validate", round, 1000, 28*ms*slow),
			record("echo-bcrypt", round, 100, 102*ms*slow),
			record("login", round, 100, 110*ms*slow),
			record("argon2", round, 50/int64(slow), time.Second),
			record("login-argon2", round, 48/int64(slow), time.Second),
			record("cluster-validate", round, 1000, 35*ms*slow),
			record("cluster-login", round, 100, 125*ms*slow),
			record("cluster-lonely", round, 1, ms),
			slower(record("slow", round, 1000, 28*ms*slow), 2*ms),
			record("slow-lonely", round, 1, ms),
			record("lonely", round, 1, ms),
		)
	}
	records[3].Errors, records[3].FirstError = 2, errors.New("broken")
	r := NewReport(subjects, records)
	if len(r.Rows) != 12 {
		t.Fatalf("%d rows", len(r.Rows))
	}
	want := map[string]float64{"validate": 1.4, "echo-bcrypt": 51, "login": 5, "login-argon2": 0.96, "cluster-validate": 1.25, "cluster-login": 2.5}
	for _, row := range r.Rows {
		ratio, compared := want[row.Subject]
		switch {
		case compared && row.Ratio == nil:
			t.Errorf("%s has no ratio", row.Subject)
		case compared && (math.Abs(row.Ratio.Median-ratio) > 1e-9 || math.Abs(row.Ratio.Max-row.Ratio.Min) > 1e-9):
			t.Errorf("%s: ratio %+v, want %g in each round", row.Subject, *row.Ratio, ratio)
		case row.Subject == "echo" && (row.Ratio != nil || row.CPU != Spread{0.02, 0.02, 0.04}):
			t.Errorf("echo: %+v", row)
		case row.Subject == "argon2" && row.Ratio != nil:
			t.Errorf("a bare hash is compared with echo: %+v", row)
		case row.Subject == "slow" && (row.Added == nil || row.AddedTo != "validate" || math.Abs(row.Added.Min-2) > 0.01 || math.Abs(row.Added.Max-2) > 0.01):
			t.Errorf("slow by 2 ms: %+v of %q", row.Added, row.AddedTo)
		case row.Subject != "slow" && row.Added != nil:
			t.Errorf("%s is compared by its latency: %+v", row.Subject, row)
		case strings.HasSuffix(row.Subject, "lonely") && row.Ratio != nil:
			t.Errorf("%s has a ratio without what it is compared with: %+v", row.Subject, row)
		}
	}
	echo := r.Rows[0]
	if echo.Ops != 3000 || math.Abs(echo.PerCPU-50_000) > 1e-6 || echo.Rate.Median != 1000 || math.Abs(echo.P50-5) > 0.01 || math.Abs(echo.Max-10) > 0.02 {
		t.Errorf("echo: %+v", echo)
	}
	if r.Errors() != 2 {
		t.Errorf("%d errors, want 2", r.Errors())
	}

	r.Judge([]Demand{{Subject: "validate", Bound: 1.4001}, {Subject: "login", Bound: 4.9}, {Subject: "login-argon2", Bound: 0.95}, {Subject: "cluster-login", Bound: 2.5001}})
	if len(r.Missed) != 1 || !strings.HasPrefix(r.Missed[0], "login at concurrency 4 is 5 times CPU of echo, less the hash of echo-bcrypt") {
		t.Errorf("missed: %q", r.Missed)
	}
	r.Missed = nil
	r.Judge([]Demand{{Subject: "login-argon2", Bound: 0.97}, {Subject: "echo", Bound: 1}, {Subject: "cluster-validate", Bound: 1.2}, {Subject: "slow-lonely", Bound: 9}, {Subject: "slow", Bound: 2.1}})
	if len(r.Missed) != 4 {
		t.Errorf("missed: %q", r.Missed)
	}

	r.Missed = nil
	r.Judge([]Demand{{Subject: "slow", Bound: 1.9}}) // whatever its CPU
	if len(r.Missed) != 1 || !strings.HasPrefix(r.Missed[0], "slow at concurrency 4 has a p50 that is 2 ms above that of validate") {
		t.Errorf("missed: %q", r.Missed)
	}

	r.Missed = nil
	r.Judge([]Demand{{Subject: "cluster-validate", Bound: 1.2, Least: true}, {Subject: "cluster-validate", Bound: 1.3, Least: true}})
	if len(r.Missed) != 1 || !strings.HasPrefix(r.Missed[0], "cluster-validate at concurrency 4 is 1.25 times CPU of validate; 1.3 is demanded") {
		t.Errorf("missed: %q", r.Missed)
	}

	r.Idle = []Idle{{Members: 3, Seconds: 10, Percent: 4.25}}
	var out strings.Builder
	if err := r.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"CPU of echo, less the hash of echo-bcrypt", "rate of argon2", "login: first error: broken", "missed: cluster-validate", "slow: p50 is 2.0",
		"CPU of login, both less the hash of echo-bcrypt", "idle CPU of 3 member(s), all together: 4.25 % of a core, over 10.0 s",
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the table lacks %q:\n%s", text, out.String())
		}
	}
}

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{4, 1}, Spread{2.5, 1, 4}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
	} {
		if got := spreadOf(tc.values); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.values, got, tc.want)
		}
	}
}
