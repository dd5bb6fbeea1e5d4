package ctstest

import (
	"testing"
	"time"

	"sojourn/cts/session"
)

func (s *suite) denied(t *testing.T, what string, x session.Session, want bool) {
	t.Helper()
	if got, err := s.Denied(t.Context(), x); err != nil || got != want {
		t.Errorf("%s: denied = %v, %v", what, got, err)
	}
}

func (s *suite) denials(t *testing.T) {
	now := s.clock.Now()
	a, b, c := Session(1, now), Session(2, now), Session(3, now)
	end := now.Add(2 * time.Hour)
	for range 2 { // again it is the same
		if err := s.Deny(t.Context(), session.Logout, session.Denial{ID: a.ID, Until: end}, session.Denial{ID: b.ID, Until: end}); err != nil {
			t.Fatal(err)
		}
	}
	s.denied(t, "first", a, true)
	s.denied(t, "second", b, true)
	s.denied(t, "another", c, false)
	s.clock.Advance(2*time.Hour + 30*time.Second)
	s.denied(t, "until a clock that is behind has come to its end", a, true)
	if err := s.Deny(t.Context(), session.Logout); err != nil {
		t.Errorf("of none: %v", err)
	}
}

func (s *suite) userDenials(t *testing.T) {
	now := s.clock.Now()
	before, after := Session(1, now), Session(4, now.Add(time.Minute)) // both are User1's
	of, realm := Session(2, now), Session(1, now)
	realm.Principal.Realm = "/beta"
	if err := s.DenyUser(t.Context(), "/alpha", "USER1", now.Add(time.Minute), now.Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.denied(t, "created before", before, true)
	s.denied(t, "created then", after, false)
	s.denied(t, "another user's", of, false)
	s.denied(t, "another realm's", realm, false)
	if err := s.DenyUser(t.Context(), "/alpha", "user1", now.Add(time.Second), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	before.Created = now.Add(30 * time.Second)
	s.denied(t, "after an earlier one was asked for late", before, true)
}
