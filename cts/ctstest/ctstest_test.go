package ctstest_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/cts"
	"sojourn/cts/ctstest"
	"sojourn/cts/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	ctstest.Conformance(t, func(_ *testing.T, o ctstest.Options) ctstest.Store { return ctstest.New(o) })
}

func TestStore(t *testing.T) {
	for name, c := range map[string]cts.Config{
		"plain":     {},
		"encrypted": {Key: make([]byte, 32)},
		"cold":      {HotSessions: 1},
	} {
		t.Run(name, func(t *testing.T) {
			ctstest.Conformance(t, func(t *testing.T, o ctstest.Options) ctstest.Store {
				c := c
				c.Dir, c.Log = t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil))
				c.Now, c.OnDocument, c.DiskMin = o.Now, o.OnDocument, 64<<20
				s, err := cts.Open(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
				return s
			})
		})
	}
}

func TestMemorySweep(t *testing.T) {
	clock := ctstest.NewClock(time.Now())
	m := ctstest.New(ctstest.Options{Now: clock.Now})
	x := ctstest.Session(1, clock.Now())
	if _, err := m.Create(t.Context(), session.Creation{Session: x}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(3 * time.Hour)
	for range 2 { // the session, then its journey
		if err := m.Sweep(); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour)
	}
	if made, err := m.Create(t.Context(), session.Creation{Session: x}); made.Existed || err != nil {
		t.Errorf("its journey is still known: %v, %v", made.Existed, err)
	}
}

func TestMemoryOutage(t *testing.T) {
	m := ctstest.New(ctstest.Options{})
	m.SetOutage(&session.UnavailableError{Reason: "testing"})
	var down *session.UnavailableError
	if _, err := m.Session(t.Context(), session.ID{}, 0); !errors.As(err, &down) || !errors.As(m.Ready(), &down) {
		t.Errorf("Session = %v", err)
	}
	m.SetOutage(nil)
	if err := m.Ready(); err != nil {
		t.Error(err)
	}
}
