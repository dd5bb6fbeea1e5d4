package identity

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// failAt counts failures at the given minutes after noon.
func failAt(i Identity, p realm.Lockout, minutes ...int) Identity {
	for _, m := range minutes {
		i = Apply(i, CountFailure{At: noon().Add(time.Duration(m) * time.Minute), Policy: p})
	}
	return i
}

func TestCountFailure(t *testing.T) {
	policy := realm.Lockout{Failures: 3, Window: 5 * time.Minute, Duration: 10 * time.Minute, Multiplier: 2}
	forever := policy
	forever.Duration = 0
	endless := policy
	endless.Window = 0
	never := policy
	never.Failures = 0

	for name, tc := range map[string]struct {
		policy  realm.Lockout
		minutes []int
		count   int
		until   int // minutes after noon, 0 for none
		status  Status
	}{
		"first":                         {policy, []int{0}, 1, 0, ""},
		"one before the lock":           {policy, []int{0, 1}, 2, 0, ""},
		"locks":                         {policy, []int{0, 1, 2}, 0, 12, ""},
		"last moment of the window":     {policy, []int{0, 1, 5}, 0, 15, ""},
		"window over":                   {policy, []int{0, 1, 6}, 1, 0, ""},
		"window starts again":           {policy, []int{0, 6, 7, 8}, 0, 18, ""},
		"second lock is twice as long":  {policy, []int{0, 1, 2, 20, 21, 22}, 0, 42, ""},
		"third lock is four times":      {policy, []int{0, 1, 2, 20, 21, 22, 50, 51, 52}, 0, 92, ""},
		"without duration inactivates":  {forever, []int{0, 1, 2}, 3, 0, Inactive},
		"without window never forgets":  {endless, []int{0, 1000, 2000}, 0, 2010, ""},
		"without a limit counts only":   {never, []int{0, 1, 2, 3}, 4, 0, ""},
		"below the limit stays counted": {endless, []int{0, 9000}, 2, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := failAt(Identity{Name: "demo"}, tc.policy, tc.minutes...)
			var until time.Time
			if tc.until != 0 {
				until = noon().Add(time.Duration(tc.until) * time.Minute)
			}
			if got.Failures.Count != tc.count || !got.Failures.Until.Equal(until) || got.Status != tc.status {
				t.Fatalf("after failures at %v: %+v, status %q; want count %d, until %s, status %q",
					tc.minutes, got.Failures, got.Status, tc.count, until, tc.status)
			}
		})
	}
}

func TestLockTimeIsBounded(t *testing.T) {
	p := realm.Lockout{Duration: time.Hour, Multiplier: 1 << 20}
	for _, earlier := range []int{0, 1, 2, 10, 1000} {
		if d := lockTime(p, earlier); d < time.Hour || d > 365*24*time.Hour {
			t.Fatalf("lock number %d lasts %s", earlier+1, d)
		}
	}
}

func TestLocked(t *testing.T) {
	until := noon().Add(time.Minute)
	for name, tc := range map[string]struct {
		identity Identity
		at       time.Time
		want     bool
	}{
		"active":            {Identity{Status: Active}, noon(), false},
		"no status":         {Identity{}, noon(), false},
		"inactive":          {Identity{Status: Inactive}, noon(), true},
		"under a lock":      {Identity{Failures: Failures{Until: until}}, noon(), true},
		"at the lock's end": {Identity{Failures: Failures{Until: until}}, until, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.identity.Locked(tc.at); got != tc.want {
				t.Fatalf("Locked = %t", got)
			}
		})
	}
}

func TestStatusAndFailures(t *testing.T) {
	locked := failAt(Identity{}, realm.Lockout{Failures: 1, Duration: time.Hour}, 0)
	if got := Apply(locked, SetStatus{Active}); got.Locked(noon()) || got.Failures != (Failures{}) {
		t.Errorf("activating keeps the lock: %+v", got)
	}
	if got := Apply(locked, SetStatus{Inactive}); got.Failures != locked.Failures || got.Status != Inactive {
		t.Errorf("inactivating: %+v", got)
	}
	if got := Apply(locked, ClearFailures{}); got.Failures != (Failures{}) {
		t.Errorf("clearing: %+v", got)
	}
	inactive := Identity{Status: Inactive}
	if got := Apply(inactive, ClearFailures{}); got.Status != Inactive {
		t.Errorf("clearing failures activates")
	}
}

func TestReplaceHashKeepsANewerPassword(t *testing.T) {
	if got := Apply(Identity{Hash: "old"}, ReplaceHash{From: "old", To: "new"}); got.Hash != "new" {
		t.Errorf("hash %q", string(got.Hash))
	}
	if got := Apply(Identity{Hash: "changed meanwhile"}, ReplaceHash{From: "old", To: "new"}); got.Hash != "changed meanwhile" {
		t.Errorf("hash %q", string(got.Hash))
	}
}

// TestChangesShareNothing applies random changes and wants that what was there
// before is untouched, and that every change equals a naive model on fields.
func TestChangesShareNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := Identity{
			Name:       "demo",
			Attributes: map[string][]string{"mail": {"a@example.com"}, "cn": {"A"}},
			Retries:    map[string]int{"n1": 2},
		}
		attributes, retries := maps.Clone(before.Attributes), maps.Clone(before.Retries)
		now := before
		logins := 0
		model := maps.Clone(attributes)
		counters := maps.Clone(retries)
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				now = Apply(now, CountLogin{})
				logins++
			case 1:
				node := rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node")
				count := rapid.IntRange(0, 3).Draw(t, "count")
				now = Apply(now, SetRetries{Node: node, Count: count})
				counters[node] = count
				maps.DeleteFunc(counters, func(_ string, n int) bool { return n == 0 })
			case 2:
				name := rapid.SampledFrom([]string{"mail", "cn", "sn"}).Draw(t, "attribute")
				values := rapid.SliceOfN(rapid.String(), 0, 2).Draw(t, "values")
				now = Apply(now, SetAttributes{map[string][]string{name: values}})
				model[name] = slices.Clone(values)
				maps.DeleteFunc(model, func(_ string, v []string) bool { return len(v) == 0 })
			}
		}
		if now.LoginCount != logins || !maps.Equal(now.Retries, counters) || !maps.EqualFunc(now.Attributes, model, slices.Equal) {
			t.Fatalf("now %+v, model %d %v %v", now, logins, counters, model)
		}
		if !reflect.DeepEqual(before.Attributes, attributes) || !maps.Equal(before.Retries, retries) {
			t.Fatalf("the value before changed: %+v", before)
		}
	})
}

// TestLockedAccountsAreNotCounted: a lock does not grow by what it refuses.
func TestLockedAccountsAreNotCounted(t *testing.T) {
	at := time.Unix(1000, 0)
	count := CountFailure{At: at, Policy: realm.Lockout{Failures: 2, Duration: time.Minute, Multiplier: 2}}
	for name, i := range map[string]Identity{
		"inactive":     {Status: Inactive},
		"under a lock": {Failures: Failures{Until: at.Add(time.Second), Locks: 1}},
	} {
		if got := Apply(i, count); !reflect.DeepEqual(got, i) {
			t.Errorf("%s: %+v became %+v", name, i, got)
		}
	}
}
