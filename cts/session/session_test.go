package session_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/cts/session"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestExpires(t *testing.T) {
	const never = time.Duration(-1)
	tests := map[string]struct {
		policy  session.Policy
		touched time.Duration // latest access after start
		want    time.Duration // end after start
	}{
		"AM defaults, untouched":        {session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute}, 0, 30 * time.Minute},
		"touched":                       {session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute}, time.Hour, 90 * time.Minute},
		"touched near the end":          {session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute}, 110 * time.Minute, 2 * time.Hour},
		"idle and longest end together": {session.Policy{MaxSession: time.Hour, MaxIdle: 30 * time.Minute}, 30 * time.Minute, time.Hour},
		"no idle limit":                 {session.Policy{MaxSession: time.Hour}, time.Minute, time.Hour},
		"only an idle limit":            {session.Policy{MaxIdle: time.Hour}, time.Minute, time.Hour + time.Minute},
		"no limit":                      {session.Policy{}, time.Hour, never},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := session.New(test.policy, session.Principal{}, start).Touched(start.Add(test.touched))
			end := s.Expires()
			if test.want == never {
				if !end.IsZero() || !s.Valid(start.AddDate(100, 0, 0)) {
					t.Errorf("ends at %v, want never", end)
				}
				return
			}
			if got := end.Sub(start); got != test.want {
				t.Errorf("ends after %v, want %v", got, test.want)
			}
			if s.Valid(end) || !s.Valid(end.Add(-1)) {
				t.Error("a session ends at the instant its limit is reached, not before or after")
			}
		})
	}
}

func TestTouch(t *testing.T) {
	s := session.New(session.Policy{TouchInterval: time.Minute}, session.Principal{}, start)
	if got := s.Touched(start.Add(-time.Hour)).LastAccess; !got.Equal(start) {
		t.Errorf("an older access moves the latest to %v", got)
	}
	tests := map[string]struct {
		after time.Duration
		want  bool
	}{
		"at once":           {0, false},
		"within interval":   {59 * time.Second, false},
		"at the interval":   {time.Minute, true},
		"clock ran back":    {-time.Hour, false},
		"long after access": {time.Hour, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := s.Policy.TouchDue(start, start.Add(test.after)); got != test.want {
				t.Errorf("TouchDue = %v, want %v", got, test.want)
			}
		})
	}
}

// A session that is accessed whenever it is due never ends before its longest
// life, and never lives beyond it.
func TestValidAgainstPlainRule(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		minutes := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(0, 300).Draw(rt, name)) * time.Minute
		}
		p := session.Policy{MaxSession: minutes("max"), MaxIdle: minutes("idle")}
		s := session.New(p, session.Principal{}, start)
		last := start
		for range rapid.IntRange(0, 5).Draw(rt, "accesses") {
			at := start.Add(minutes("access"))
			s = s.Touched(at)
			if at.After(last) {
				last = at
			}
		}
		now := start.Add(minutes("now"))
		want := (p.MaxSession == 0 || now.Sub(start) < p.MaxSession) && (p.MaxIdle == 0 || now.Sub(last) < p.MaxIdle)
		if got := s.Valid(now); got != want {
			rt.Fatalf("Valid(%v) = %v, want %v for %+v", now, got, want, s)
		}
	})
}

func TestWithProperties(t *testing.T) {
	before := map[string]string{"a": "1", "b": "2"}
	s := session.Session{Properties: maps.Clone(before)}
	got := s.WithProperties(map[string]string{"a": "", "c": "3", "none": ""}).Properties
	if want := (map[string]string{"b": "2", "c": "3"}); !maps.Equal(got, want) {
		t.Errorf("properties = %v, want %v", got, want)
	}
	if !maps.Equal(s.Properties, before) {
		t.Errorf("the receiver's properties became %v", s.Properties)
	}
	if got := (session.Session{}).WithProperties(map[string]string{"a": "1"}).Properties["a"]; got != "1" {
		t.Errorf("first property = %q", got)
	}
}

func TestHandle(t *testing.T) {
	id := session.ID{1, 2, 3, 0xff}
	got, err := id.Handle().ID()
	if err != nil || got != id {
		t.Errorf("handle names %s, %v", got, err)
	}
	good := string(id.Handle())
	for name, text := range map[string]string{
		"empty": "", "no prefix": strings.TrimPrefix(good, "shandle:"), "prefix only": "shandle:",
		"short": good[:len(good)-2], "long": good + "AA", "no base64": "shandle:????????????????????????",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := session.Handle(text).ID(); !errors.Is(err, session.ErrHandle) {
				t.Errorf("ID(%q) = %v, want ErrHandle", text, err)
			}
		})
	}
}

func TestUnavailableError(t *testing.T) {
	known := (&session.UnavailableError{Reason: "disk full"}).Error()
	unknown := (&session.UnavailableError{Reason: "disk full", Unknown: true}).Error()
	if known == unknown || !strings.Contains(known, "disk full") || !strings.Contains(unknown, "may have been done") {
		t.Errorf("texts are %q and %q", known, unknown)
	}
}

// A session that takes the place of another tells the webhooks of both.
func TestUpgradingKeepsWebhooks(t *testing.T) {
	with := func(webhooks string) session.Session {
		return session.Session{Properties: map[string]string{session.PropertyWebhooks: webhooks}}
	}
	for _, tt := range []struct{ old, own, want string }{
		{"a|b|", "c|a|", "a|b|c|"}, {"", "a|", "a|"}, {"a|", "", "a|"},
	} {
		if got := with(tt.own).Upgrading(with(tt.old)).Properties[session.PropertyWebhooks]; got != tt.want {
			t.Errorf("%q in place of %q tells %q, want %q", tt.own, tt.old, got, tt.want)
		}
	}
}
