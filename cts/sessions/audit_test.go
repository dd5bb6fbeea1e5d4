package sessions_test

import (
	"slices"
	"strings"
	"testing"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Everything that becomes of a session is in the audit, once.
func TestAudit(t *testing.T) {
	r := newRig(t)
	r.realms["/alpha"] = func(s *realm.Settings) { s.ClientSide.LogoutByUser = true }
	want := func(name string, events ...string) {
		t.Helper()
		if got := r.log.events(); !slices.Equal(got, events) {
			t.Errorf("%s: %v, want %v", name, got, events)
		}
	}
	ctx := t.Context()
	one := r.create(wanted(1, "demo"))
	want("a session", "AM-SESSION-CREATED")
	r.create(wanted(1, "demo"))
	want("asked again")
	held := r.hold(2, "demo")
	want("a client-side session", "AM-SESSION-CREATED")
	_, _ = r.s.Session(ctx, one.Token)
	_, _ = r.s.Session(ctx, held.Token)
	want("looked at")
	if _, err := r.s.SetProperties(ctx, one.Session, map[string]string{"a": "secret"}, "demo"); err != nil {
		t.Fatal(err)
	}
	want("a property", "AM-SESSION-PROPERTY_CHANGED")

	c := wanted(3, "demo")
	c.Replaces = &one.Session
	r.store.replies.Ended = []session.Session{wanted(8, "demo").Session}
	two := r.create(c)
	r.store.replies.Ended = nil
	want("an upgrade, and a quota", "AM-SESSION-CREATED", "AM-SESSION-DESTROYED", "AM-SESSION-DESTROYED")
	c = wanted(4, "demo")
	c.Replaces = &held.Session
	r.create(c)
	want("an upgrade of a client-side session", "AM-SESSION-CREATED", "AM-SESSION-DESTROYED")

	_, _ = r.s.End(ctx, logout(), two.Session)
	want("a logout", "AM-SESSION-LOGGED_OUT")
	_, _ = r.s.End(ctx, logout(), two.Session)
	want("another")
	five := r.create(wanted(5, "demo"))
	six := r.hold(6, "demo")
	r.log.events()
	_, _ = r.s.EndByHandle(ctx, session.Cause{Reason: session.Destroyed, By: "operator"},
		five.Session.Handle(), six.Session.Handle(), "nonsense", wanted(9, "x").Session.Handle())
	want("by handle", "AM-SESSION-DESTROYED", "AM-SESSION-DESTROYED")
	if err := r.s.EndAllOf(ctx, session.Cause{Reason: session.Destroyed}, "/alpha", "demo"); err != nil {
		t.Fatal(err)
	}
	want("all of a user", "AM-SESSION-DESTROYED", "AM-LOGOUT-USER-TOKEN")
}

// Of what the store says only time-outs are noted here, by the member that leads.
func TestAuditOfTimeouts(t *testing.T) {
	r := newRig(t)
	x := wanted(1, "demo").Session
	for _, tt := range []struct {
		e    session.Event
		want string
	}{
		{session.Event{Kind: session.EventEnded, Reason: session.IdleTimeout, Local: true}, "AM-SESSION-IDLE_TIMED_OUT"},
		{session.Event{Kind: session.EventEnded, Reason: session.MaxTimeout, Local: true}, "AM-SESSION-MAX_TIMED_OUT"},
		{session.Event{Kind: session.EventEnded, Reason: session.IdleTimeout}, ""},
		{session.Event{Kind: session.EventEnded, Reason: session.Logout, Local: true}, ""},
		{session.Event{Kind: session.EventCreated, Local: true}, ""},
		{session.Event{Kind: session.EventChanged, Local: true}, ""},
	} {
		tt.e.Session = x
		r.s.Heard(tt.e)
		if got := strings.Join(r.log.events(), " "); got != tt.want {
			t.Errorf("%+v: %q", tt.e, got)
		}
	}
}

// A line says whose session it was, who did it, and how to name it; no property
// and no token.
func TestAuditLine(t *testing.T) {
	r := newRig(t)
	made := r.hold(1, "demo", func(x *session.Session) {
		x.Properties["XUSRef"], x.Properties["LoginLocation"] = "ref-1", "40.7,-74"
	})
	_, _ = r.s.End(t.Context(), session.Cause{Reason: session.Destroyed, By: "id=amadmin"}, made.Session)
	line := r.log.all[1]
	for name, want := range map[string]any{
		"msg": "AM-SESSION-DESTROYED", "transactionId": "tx-1", "userId": "id=demo,ou=user,o=alpha,ou=services,dc=example",
		"runAs": "id=amadmin", "objectId": "ctx-b", "operation": "DELETE", "reason": "DESTROY", "component": "Session",
		"realm": "/alpha", "sessionHandle": string(made.Session.Handle()),
	} {
		if line[name] != want {
			t.Errorf("%s: %v, want %v", name, line[name], want)
		}
	}
	if ids, _ := line["trackingIds"].([]any); len(ids) != 2 || ids[0] != "ctx-b" || ids[1] != "ref-1" {
		t.Errorf("trackingIds: %v", line["trackingIds"])
	}
	for name, value := range line {
		if text, _ := value.(string); strings.Contains(text, "40.7") || strings.Contains(text, string(made.Token)) {
			t.Errorf("%s tells a secret", name)
		}
	}
}
