package actors

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cts/session"
)

func TestOffer(t *testing.T) {
	var o offer
	ran := 0
	if !o.take(func() { ran++ }) {
		t.Fatal("an offer that stands was not taken")
	}
	o.fulfil()
	if ran != 1 {
		t.Fatalf("the work ran %d times", ran)
	}
	if o.take(func() { ran++ }) {
		t.Error("an offer was taken after its sender had gone on")
	}
	var unused offer
	unused.fulfil()
	if unused.take(func() { ran++ }) || ran != 1 {
		t.Errorf("an offer nobody took still stands; ran %d times", ran)
	}
}

// A step is cut within a grain of its deadline, by one context for all that end
// together, and none is remembered when it has ended.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := newDeadlines(base)
		begun := time.Now()
		first := d.at(begun.Add(time.Second))
		if d.at(begun.Add(time.Second)) != first {
			t.Error("two steps with one deadline got two contexts")
		}
		later := d.at(begun.Add(2 * time.Second))
		<-first.Done()
		if took := time.Since(begun); took < time.Second || took > time.Second+deadlineGrain {
			t.Errorf("cut after %s, want 1s to 1.1s", took)
		}
		if !errors.Is(context.Cause(first), context.DeadlineExceeded) {
			t.Errorf("cut because of %v", context.Cause(first))
		}
		synctest.Wait()
		if later.Err() != nil || len(d.open) != 1 {
			t.Errorf("a later step: %v; %d contexts open, want 1", later.Err(), len(d.open))
		}
		cancel()
		synctest.Wait()
		if later.Err() == nil || len(d.open) != 0 {
			t.Errorf("after the end of all: %v, %d contexts open", later.Err(), len(d.open))
		}
	})
}

// A step runs on though its client has gone: the retry finds its result.
func TestStepOutlivesItsClient(t *testing.T) {
	m := newMember(t, time.Now)
	m.users.gate, m.users.entered = make(chan struct{}), make(chan struct{})
	first := m.start(t, "Login")
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = m.Resume(ctx, resumeWith(first.Ref, "demo", "secret")) // nobody reads the answer
	}()
	<-m.users.entered
	leave()
	m.users.gate <- struct{}{}
	<-ended
	if reply, err := m.answer(t, first.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
		t.Errorf("the retry: %+v, %v", reply, err)
	}
	if n := m.users.checks.Load(); n != 1 {
		t.Errorf("the password was checked %d times", n)
	}
}

// A step ends with its request's deadline, which leaves the journey where it
// was.
func TestStepEndsAtTheDeadline(t *testing.T) {
	m := newMember(t, time.Now)
	m.users.gate = make(chan struct{})
	first := m.start(t, "Login")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	var away *session.UnavailableError
	if _, err := m.Resume(ctx, resumeWith(first.Ref, "demo", "secret")); !errors.As(err, &away) {
		t.Errorf("a step beyond its deadline: %v", err)
	}
	close(m.users.gate)
	if reply, err := m.answer(t, first.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
		t.Errorf("the journey, answered again: %+v, %v", reply, err)
	}
}
