package cts

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sojourn/cts/session"
)

// An entry that cannot be applied, here one that is no command, ends the store:
// what it answered from then on could be wrong.
func TestFailed(t *testing.T) {
	s := openStore(t, testConfig(t, t.TempDir()))
	x := aSession(1, time.Now())
	if _, err := s.Create(t.Context(), session.Creation{Session: x}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Failed():
		t.Fatalf("a store that is well has failed: %v", s.Failure())
	default:
	}
	if err := s.Failure(); err != nil {
		t.Fatal(err)
	}
	if err := s.raft.Apply([]byte("no command"), 0).Error(); err != nil {
		t.Fatal(err)
	}
	<-s.Failed()
	if err := s.Failure(); err == nil || !strings.Contains(err.Error(), "the log cannot be applied: entry ") {
		t.Errorf("Failure = %v", err)
	}
	if err := s.Ready(); unavailableReason(err) == "" {
		t.Errorf("Ready = %v", err)
	}
	if _, err := s.Session(t.Context(), x.ID, 0); unavailableReason(err) == "" || errors.Is(err, session.ErrNotFound) {
		t.Errorf("Session = %v", err)
	}
	if _, err := s.Create(t.Context(), session.Creation{Session: aSession(2, time.Now())}); unavailableReason(err) == "" {
		t.Errorf("Create = %v", err)
	}
}
