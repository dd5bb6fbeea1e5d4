package session_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// minutesOld is a session that was created so many minutes before start, used so
// many minutes before, and lives two hours, half an hour idle.
func minutesOld(n byte, created, used int) session.Session {
	s := session.New(session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute},
		session.Principal{}, start.Add(-time.Duration(created)*time.Minute))
	s.ID = session.ID{n}
	return s.Touched(start.Add(-time.Duration(used) * time.Minute))
}

func TestEvict(t *testing.T) {
	const (
		next  = realm.DestroyNextExpiring
		old   = realm.DestroyOldest
		all   = realm.DestroyAllOld
		deny  = realm.DenyAccess
		fails = "denied"
	)
	first := minutesOld(1, 100, 0)  // the oldest, ends in 20 minutes by its longest life
	second := minutesOld(2, 50, 25) // ends in 5 minutes
	third := minutesOld(3, 10, 10)  // ends in 20 minutes
	idle := minutesOld(4, 60, 30)   // has just ended by idleness, as far as is known here
	over := minutesOld(5, 120, 0)   // has just ended by its longest life
	tests := map[string]struct {
		limit  int
		action realm.QuotaAction
		others []session.Session
		want   string
	}{
		"no limit":                         {0, deny, []session.Session{first, second}, "[]"},
		"room":                             {4, deny, []session.Session{first, second, third}, "[]"},
		"next expiring":                    {3, next, []session.Session{first, second, third}, "[2 DESTROY]"},
		"next expiring, two":               {2, next, []session.Session{third, first, second}, "[2 DESTROY 1 DESTROY]"},
		"oldest":                           {3, old, []session.Session{third, second, first}, "[1 DESTROY]"},
		"all others":                       {3, all, []session.Session{first, second, third}, "[1 DESTROY 2 DESTROY 3 DESTROY]"},
		"denied":                           {3, deny, []session.Session{first, second, third}, fails},
		"only one, and it is new":          {1, deny, nil, "[]"},
		"only one":                         {1, deny, []session.Session{first}, fails},
		"the limit was lowered":            {2, old, []session.Session{first, second, third}, "[1 DESTROY 2 DESTROY]"},
		"what is over does not count":      {2, deny, []session.Session{first, over}, "[]"},
		"what is idle goes first":          {2, old, []session.Session{first, idle}, "[4 IDLE_TIMEOUT]"},
		"what is idle makes room":          {2, deny, []session.Session{first, idle}, "[4 IDLE_TIMEOUT]"},
		"what is idle makes too little":    {2, deny, []session.Session{first, second, idle}, fails},
		"what is idle stays with room":     {3, old, []session.Session{first, idle}, "[]"},
		"others live on beside what idles": {3, all, []session.Session{first, second, idle}, "[4 IDLE_TIMEOUT]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ends, err := session.Evict(realm.Quota{Limit: test.limit, Action: test.action}, start, test.others)
			if got := shown(ends, err); got != test.want {
				t.Errorf("ends %s, want %s", got, test.want)
			}
		})
	}
}

func shown(ends []session.Eviction, err error) string {
	if errors.Is(err, session.ErrQuota) && ends == nil {
		return "denied"
	}
	texts := make([]string, len(ends))
	for i, e := range ends {
		texts[i] = fmt.Sprintf("%d %s", e.Session.ID[0], e.Reason)
	}
	return fmt.Sprint(texts)
}

// The slow twin makes room one session at a time, looking through all that are
// left each time.
func slowly(q realm.Quota, now time.Time, others []session.Session) ([]session.Eviction, error) {
	if q.Limit == 0 {
		return nil, nil
	}
	left := slices.DeleteFunc(slices.Clone(others), func(x session.Session) bool {
		return x.Policy.MaxSession > 0 && now.Sub(x.Created) >= x.Policy.MaxSession
	})
	idle := func(x session.Session) bool { return x.Policy.MaxIdle > 0 && now.Sub(x.LastAccess) >= x.Policy.MaxIdle }
	ending := func(x session.Session) time.Duration {
		left := time.Duration(1<<63 - 1)
		if x.Policy.MaxSession > 0 {
			left = x.Policy.MaxSession - now.Sub(x.Created)
		}
		if x.Policy.MaxIdle > 0 {
			left = min(left, x.Policy.MaxIdle-now.Sub(x.LastAccess))
		}
		return left
	}
	sooner := func(a, b session.Session) bool {
		if idle(a) != idle(b) {
			return idle(a)
		}
		if (idle(a) || q.Action == realm.DestroyNextExpiring) && ending(a) != ending(b) {
			return ending(a) < ending(b)
		}
		if !a.Created.Equal(b.Created) {
			return a.Created.Before(b.Created)
		}
		return string(a.ID[:]) < string(b.ID[:])
	}
	var ends []session.Eviction
	for destroying := false; len(left) >= q.Limit || destroying && len(left) > 0; {
		victim := 0
		for i := range left {
			if sooner(left[i], left[victim]) {
				victim = i
			}
		}
		x := left[victim]
		left = slices.Delete(left, victim, victim+1)
		if idle(x) {
			ends = append(ends, session.Eviction{Session: x, Reason: session.IdleTimeout})
			continue
		}
		if q.Action == realm.DenyAccess {
			return nil, session.ErrQuota
		}
		destroying = q.Action == realm.DestroyAllOld
		ends = append(ends, session.Eviction{Session: x, Reason: session.Destroyed})
	}
	return ends, nil
}

func TestEvictAgainstSlowModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		minutes := func(name string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(rt, name)) * time.Minute
		}
		var others []session.Session
		for n := range rapid.IntRange(0, 8).Draw(rt, "sessions") {
			p := session.Policy{MaxSession: minutes("max", 0, 5), MaxIdle: minutes("idle", 0, 3)}
			x := session.New(p, session.Principal{}, start.Add(-minutes("age", 0, 6)))
			x.ID = session.ID{byte(rapid.IntRange(0, 255).Draw(rt, "id")), byte(n)}
			others = append(others, x.Touched(start.Add(-minutes("used", 0, 6))))
		}
		q := realm.Quota{
			Limit:  rapid.IntRange(0, 6).Draw(rt, "limit"),
			Action: realm.QuotaAction(rapid.ByteRange(0, 3).Draw(rt, "action")),
		}
		want, wantErr := slowly(q, start, others)
		got, err := session.Evict(q, start, slices.Clone(others))
		if !errors.Is(err, wantErr) || fmt.Sprint(got) != fmt.Sprint(want) {
			rt.Fatalf("%+v of %v\nends %v, %v\nwant %v, %v", q, others, got, err, want, wantErr)
		}
		live := 1
		for _, x := range others {
			ended := slices.ContainsFunc(got, func(e session.Eviction) bool { return e.Session.ID == x.ID })
			if x.Valid(start) && !ended {
				live++
			}
		}
		if err == nil && q.Limit > 0 && live > q.Limit {
			rt.Fatalf("%+v leaves %d live sessions", q, live)
		}
	})
}
