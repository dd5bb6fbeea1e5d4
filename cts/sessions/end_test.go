package sessions_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/cts/sessions"
)

func logout() session.Cause { return session.Cause{Reason: session.Logout, By: "demo"} }

func TestEnd(t *testing.T) {
	r := newRig(t)
	held, stored, gone := r.hold(1, "demo"), r.create(wanted(2, "demo")), wanted(3, "demo").Session
	other := r.hold(4, "demo")
	were, err := r.s.End(t.Context(), logout(), gone, held.Session, stored.Session)
	if err != nil || !slices.Equal(were, []bool{false, true, true}) {
		t.Fatalf("%v, %v", were, err)
	}
	if r.valid(held.Token) || r.valid(stored.Token) || !r.valid(other.Token) {
		t.Error("the wrong sessions are over")
	}
	if until := r.store.denied[0].Until; !until.Equal(noon.Add(2 * time.Hour)) {
		t.Errorf("denied until %v", until)
	}
}

// Without a denylist a client-side logout is the client's to keep, as in AM.
func TestEndWithoutDenylist(t *testing.T) {
	r := newRig(t)
	r.realms["/alpha"] = func(s *realm.Settings) { s.ClientSide.Denylists = false }
	held := r.hold(1, "demo")
	if were, err := r.s.End(t.Context(), logout(), held.Session); err != nil || !were[0] || !r.valid(held.Token) || r.store.writes > 0 {
		t.Errorf("%v, %v, %d writes", were, err, r.store.writes)
	}
}

func TestEndByHandle(t *testing.T) {
	r := newRig(t)
	held, stored, spare := r.hold(1, "demo"), r.create(wanted(2, "demo")), r.hold(3, "demo")
	r.realms["/alpha"] = func(s *realm.Settings) { s.ClientSide.Denylists = false } // which the handle does not say
	r.now = noon.Add(time.Minute)
	gone, err := r.s.EndByHandle(t.Context(), logout(),
		"nonsense", held.Session.Handle(), stored.Session.Handle(), wanted(9, "demo").Session.Handle())
	if err != nil || slices.Contains(gone, false) {
		t.Fatalf("%v, %v", gone, err)
	}
	if r.valid(held.Token) || r.valid(stored.Token) || !r.valid(spare.Token) {
		t.Error("the wrong sessions are over")
	}
	// One that would be over by itself costs nothing, one that would never be is
	// bounded.
	r.store.denied = nil
	r.now = noon.Add(3 * time.Hour)
	endless := session.Session{ClientSide: true, Created: r.now, Policy: session.Policy{MaxSession: 290 * 365 * 24 * time.Hour}}
	if _, err := r.s.EndByHandle(t.Context(), logout(), spare.Session.Handle(), endless.Handle()); err != nil {
		t.Fatal(err)
	}
	if d := r.store.denied; len(d) != 1 || !d[0].Until.Equal(r.now.Add(session.MaxHolderLife)) {
		t.Errorf("denied %v", d)
	}
	r.store.fail = &session.UnavailableError{Reason: "no quorum"}
	gone, err = r.s.EndByHandle(t.Context(), logout(), "nonsense", stored.Session.Handle())
	if !errors.Is(err, r.store.fail) || !slices.Equal(gone, []bool{true, false}) {
		t.Errorf("%v, %v", gone, err)
	}
}

func TestEndAllOfAUser(t *testing.T) {
	for name, tt := range map[string]struct {
		denylists, byUser bool
		expel             bool
		over              bool // are client-side sessions
	}{
		"logout":                             {true, false, false, false},
		"logout of client-side ones":         {true, true, false, true},
		"logout without a denylist":          {false, true, false, true},
		"expelled":                           {true, false, true, true},
		"expelled without a denylist":        {false, false, true, false},
		"expelled, logout by user, no other": {false, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.realms["/alpha"] = func(s *realm.Settings) {
				s.ClientSide.Denylists, s.ClientSide.LogoutByUser = tt.denylists, tt.byUser
			}
			held, other := r.hold(1, "demo"), r.hold(2, "another")
			var stored []session.TokenID
			for n := range byte(3) {
				stored = append(stored, r.create(wanted(n+10, "demo")).Token)
			}
			end := r.s.EndAllOf
			if tt.expel {
				end = r.s.Expel
			}
			r.now = noon.Add(time.Second)
			if err := end(t.Context(), session.Cause{Reason: session.Destroyed, By: "amadmin"}, "/alpha", "Demo"); err != nil {
				t.Fatal(err)
			}
			if r.valid(held.Token) == tt.over || !r.valid(other.Token) || slices.ContainsFunc(stored, r.valid) {
				t.Errorf("client-side over: %t", !r.valid(held.Token))
			}
			r.now = noon.Add(time.Minute) // the user may come again
			if fresh := r.hold(3, "demo", func(x *session.Session) { x.Created = r.now }); !r.valid(fresh.Token) {
				t.Error("a later session is over as well")
			}
		})
	}
}

// What a session replaces ends with the new one, whichever of them is where.
func TestUpgrade(t *testing.T) {
	for name, tt := range map[string]struct {
		oldHeld, newHeld, keeps, denylists bool
		over                               bool // is the old session, when Create returns
	}{
		"stored by stored":               {false, false, false, true, true},
		"stored, kept":                   {false, false, true, true, false},
		"client-side by stored":          {true, false, false, true, true},
		"client-side, kept":              {true, false, true, true, false},
		"client-side without a denylist": {true, false, false, false, false},
		"stored by client-side":          {false, true, false, true, false}, // the journey ends it, later
		"client-side by client-side":     {true, true, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.realms["/alpha"] = func(s *realm.Settings) { s.ClientSide.Denylists = tt.denylists }
			c := wanted(1, "demo")
			c.ClientSide = tt.oldHeld
			old := r.create(c)
			c = wanted(2, "demo")
			c.ClientSide, c.Replaces, c.Keeps = tt.newHeld, &old.Session, tt.keeps
			next := r.create(c)
			if r.valid(old.Token) == tt.over || !r.valid(next.Token) {
				t.Errorf("old over: %t, new over: %t", !r.valid(old.Token), !r.valid(next.Token))
			}
			again := r.create(c)
			if !again.Existed && !tt.newHeld || !r.valid(again.Token) {
				t.Errorf("created again: %+v", again)
			}
		})
	}
}

// Users of realms where nobody keeps a session cost no note, and the note that
// somebody may is made before the first session and outlives the last.
func TestWhereSessionsAreKept(t *testing.T) {
	r := newRig(t)
	expel := func() int {
		t.Helper()
		before := len(r.store.users)
		if err := r.s.Expel(t.Context(), logout(), "/alpha", "demo"); err != nil {
			t.Fatal(err)
		}
		return len(r.store.users) - before
	}
	r.create(wanted(1, "demo"))
	if n := expel(); n != 0 {
		t.Errorf("%d notes where there are stored sessions only", n)
	}
	life := func(x *session.Session) { x.Created, x.Policy.MaxSession = r.now, 300*24*time.Hour }
	r.now = noon.Add(time.Hour)
	r.hold(2, "else", life)
	if n := expel(); n != 1 || r.store.puts != 1 {
		t.Errorf("%d notes where one may be kept, %d tokens", n, r.store.puts)
	}
	for range 100 { // members look after it twice a day
		r.now = r.now.Add(time.Hour)
		r.hold(2, "else", life)
	}
	if n := r.store.puts; n < 3 || n > 10 {
		t.Errorf("written %d times in 100 hours", n)
	}
	last := r.hold(3, "else", life)
	r.realms["/alpha"] = func(s *realm.Settings) { s.ClientSideSessions = false }
	r.now = last.Session.MaxExpires().Add(-time.Second)
	if n := expel(); n != 1 {
		t.Error("a session that is kept for long was overlooked")
	}
	r.now = r.now.Add(4 * 24 * time.Hour)
	if n := expel(); n != 0 {
		t.Error("a note where no session is left")
	}
	r.store.fail = &session.UnavailableError{Reason: "no lease"}
	if err := r.s.Expel(t.Context(), logout(), "/alpha", "demo"); !errors.Is(err, r.store.fail) {
		t.Errorf("while nothing is known: %v", err)
	}
}

// A session of another system ends like any that its holder keeps, though no note
// was made of it.
func TestEndOfForeignSessions(t *testing.T) {
	x := wanted(1, "demo").Session.KeptByHolder()
	var told []session.Reason
	r := newRig(t, func(c *sessions.Config) {
		c.Foreign = foreign{"a token of AM", x}
		c.HolderEnded = func(_ session.Session, why session.Reason) { told = append(told, why) }
	})
	if !r.valid("a token of AM") || r.valid("another") {
		t.Fatal("the token opens nothing, or any does")
	}
	if err := r.s.Expel(t.Context(), logout(), "/alpha", "demo"); err != nil || r.valid("a token of AM") {
		t.Errorf("its user is expelled: %v", err)
	}
	r.store.users = nil
	if _, err := r.s.End(t.Context(), logout(), x); err != nil || r.valid("a token of AM") || !slices.Equal(told, []session.Reason{session.Logout}) {
		t.Errorf("logged out: %v, told %v", err, told)
	}
}
