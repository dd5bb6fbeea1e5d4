package actors

import (
	"errors"
	"testing"
	"time"

	"sojourn/actors/journey"
	"sojourn/cts/token"
)

func TestMaxDuration(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		m := in.member(t, time.Now)
		traceless, kept := m.start(t, "Login"), m.start(t, "Steps")
		waiting, err := m.answer(t, kept.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Minute - time.Second)
		if _, err := m.answer(t, waiting.Ref, "secret"); err != nil {
			t.Fatalf("a second before the end: %v", err)
		}
		time.Sleep(time.Second)
		for _, ref := range []journey.Ref{traceless.Ref, waiting.Ref, kept.Ref} {
			if _, err := m.answer(t, ref, "demo", "secret"); !errors.Is(err, journey.ErrGone) {
				t.Errorf("at the end of its time: %v, want ErrGone", err)
			}
		}
		time.Sleep(slotGrace + 2*time.Second)
		if got := m.Metrics(); got.Waiting != 0 || got.Active != 0 || got.Stored != 0 || m.tokens.live(token.Journey) != 0 {
			t.Errorf("expired journeys are kept: %+v", got)
		}
		m.Close()
	})
}

func TestEndedJourneysAreForgotten(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		m := in.member(t, time.Now)
		first := m.start(t, "Login")
		if _, err := m.answer(t, first.Ref, "demo", "secret"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(replyGrace + 2*time.Second)
		if _, err := m.answer(t, first.Ref, "demo", "secret"); !errors.Is(err, journey.ErrGone) {
			t.Errorf("a repeat after the grace: %v, want ErrGone", err)
		}
		if got := m.Metrics().Ended + m.Metrics().Stored; got != 1 {
			t.Errorf("%d ended journeys known, want 1 until its authId expires", got)
		}
		time.Sleep(5*time.Minute + slotGrace)
		if got := m.Metrics().Ended + m.Metrics().Stored; got != 0 {
			t.Errorf("%d ended journeys known after the authId expired", got)
		}
		m.Close()
	})
}
