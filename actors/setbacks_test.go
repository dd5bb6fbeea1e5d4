package actors

import (
	"errors"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/cts/session"
)

func TestUnavailableKeepsTheJourney(t *testing.T) { overStores(t, testUnavailableKeepsTheJourney) }

func testUnavailableKeepsTheJourney(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	for _, tree := range []string{"Login", "Steps"} {
		t.Run(tree, func(t *testing.T) {
			reply := m.start(t, tree)
			ref := reply.Ref
			last := []string{"demo", "secret"}
			if tree == "Steps" {
				for _, value := range []string{"demo", "secret"} {
					next, err := m.answer(t, ref, value)
					if err != nil {
						t.Fatal(err)
					}
					ref = next.Ref
				}
				last = []string{"yes"}
			}
			m.users.err.Store(&identity.ErrUnavailable)
			if _, err := m.answer(t, ref, last...); !errors.Is(err, identity.ErrUnavailable) {
				t.Fatalf("store away: %v", err)
			}
			m.users.err.Store(nil)
			m.sessions.err.Store(&session.UnavailableError{Reason: "full"})
			var away *session.UnavailableError
			if _, err := m.answer(t, ref, last...); !errors.As(err, &away) {
				t.Fatalf("sessions away: %v", err)
			}
			m.sessions.err.Store(nil)
			done, err := m.answer(t, ref, last...)
			if err != nil || !done.Done.Success {
				t.Fatalf("after the store is back: %+v %v", done, err)
			}
		})
	}
}

// TestEndedSessionStaysEnded: the answer that created a session, sent again
// when this member has forgotten the journey and the session has ended, is one
// to a journey that is over.
func TestEndedSessionStaysEnded(t *testing.T) { overStores(t, testEndedSessionStaysEnded) }

func testEndedSessionStaysEnded(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	first := m.start(t, "Login")
	m.sessions.ended.Store(true)
	if _, err := m.answer(t, first.Ref, "demo", "secret"); !errors.Is(err, journey.ErrGone) {
		t.Errorf("the answer of an ended session: %v, want ErrGone", err)
	}
}

func TestPanicIsContained(t *testing.T) { overStores(t, testPanicIsContained) }

func testPanicIsContained(t *testing.T, in where) {
	t.Helper()
	m := in.member(t, time.Now)
	first := m.start(t, "Login")
	m.users.panics.Store(true)
	if _, err := m.answer(t, first.Ref, "demo", "secret"); err == nil {
		t.Fatal("a panicking store gave a reply")
	}
	m.users.panics.Store(false)
	if reply, err := m.answer(t, first.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
		t.Fatalf("after the panic: %+v %v", reply, err)
	}
}
