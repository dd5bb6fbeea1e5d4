package sessions_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// What a client-side token opens is the session that it was made of, and nothing
// was written for it.
func TestHolderKeepsWhatWasMade(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t)
		text := rapid.StringN(1, 20, 60)
		r.now = noon.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "when")))
		c := wanted(1, text.Draw(rt, "user"), func(x *session.Session) {
			x.Created = r.now
			x.AuthLevel = rapid.IntRange(-5, 100).Draw(rt, "level")
			x.Trees = rapid.SliceOfN(text, 1, 3).Draw(rt, "trees")
			x.Properties = rapid.MapOfN(text, rapid.StringN(0, 40, 100), 1, 6).Draw(rt, "properties")
			x.Policy.MaxSession = time.Duration(rapid.Int64Range(int64(time.Second), int64(40*24*time.Hour)).Draw(rt, "life"))
		})
		c.ClientSide = true
		made, err := r.s.Create(t.Context(), c)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := r.s.Session(t.Context(), made.Token)
		if err != nil {
			rt.Fatal(err)
		}
		want := c.Session.KeptByHolder()
		want.Journey = [16]byte{} // says nothing that the ID does not
		trees, properties := slices.Equal(got.Trees, want.Trees), maps.Equal(got.Properties, want.Properties)
		want.Trees, want.Properties = got.Trees, got.Properties
		if !trees || !properties || got.ID != want.ID || got.Principal != want.Principal || got.Policy != want.Policy ||
			!got.Created.Equal(want.Created) || !got.LastAccess.Equal(want.LastAccess) || got.AuthLevel != want.AuthLevel || !got.ClientSide {
			rt.Fatalf("the token opens\n%+v\nwant\n%+v", got, want)
		}
		if r.store.writes != 0 {
			rt.Fatal("something was written")
		}
	})
}

func TestHolderSessionEnds(t *testing.T) {
	r := newRig(t)
	made := r.hold(1, "demo")
	end := noon.Add(2 * time.Hour)
	for _, at := range []struct {
		when time.Time
		want bool
	}{{noon, true}, {noon.Add(time.Hour), true}, {end.Add(-1), true}, {end, false}, {end.Add(time.Hour), false}} {
		r.now = at.when
		if got := r.valid(made.Token); got != at.want {
			t.Errorf("valid at %v: %t, want %t (it has no idle limit)", at.when, got, at.want)
		}
	}
}

// A forged, changed or foreign token opens nothing; that it may be none of ours
// is never a reason to say so while nothing is known.
func TestHolderTokensThatOpenNothing(t *testing.T) {
	r := newRig(t)
	token := string(r.hold(1, "demo").Token)
	if _, ok := session.TokenID(token).Carries(); !ok || len(token) > session.MaxToken {
		t.Fatalf("token %q", token)
	}
	last := strings.LastIndex(token, "*")
	for name, text := range map[string]string{
		"cut":                token[:len(token)-5],
		"longer":             token + "A",
		"another character":  token[:last+10] + "#" + token[last+11:],
		"no text":            token[:last+1],
		"nothing but a text": token[last+1:],
		"a random part":      "AAAA" + token,
		"other extensions":   "*AAJTSQACMDE.*" + token[last+1:],
		"far too long":       token[:last+1] + strings.Repeat("A", 64<<10),
	} {
		if r.valid(session.TokenID(text)) {
			t.Errorf("%s: it opens a session", name)
		}
	}
	if !r.valid(session.TokenID(token)) {
		t.Error("the token itself does not")
	}
}

func TestHolderKeysComeAndGo(t *testing.T) {
	r := newRig(t)
	first := r.hold(1, "demo").Token
	r.holders = holderKeys(t, 1, 2)
	second := r.hold(2, "demo").Token
	if !r.valid(first) || !r.valid(second) {
		t.Error("a rotation ended a session")
	}
	r.holders = holderKeys(t, 2, 2)
	if r.valid(first) || !r.valid(second) {
		t.Error("a token outlives its key, or ends with another's")
	}
	r.holders = holderKeys(t, 1, 1)
	r.cutOff = &session.UnavailableError{Reason: "the keys cannot be read"}
	if _, err := r.s.Session(t.Context(), second); !errors.Is(err, r.cutOff) {
		t.Errorf("a token of a key that is not known yet: %v", err)
	}
	r.cutOff = nil
	if r.valid(second) {
		t.Error("a token of a key that nobody has is good")
	}
}

// Nothing is said of a client-side session either while this member cannot know
// which were ended.
func TestHolderUnavailable(t *testing.T) {
	r := newRig(t)
	made := r.hold(1, "demo")
	r.store.fail = &session.UnavailableError{Reason: "no lease"}
	if _, err := r.s.Session(t.Context(), made.Token); !errors.Is(err, r.store.fail) {
		t.Errorf("a session: %v", err)
	}
	if _, err := r.s.End(t.Context(), session.Cause{Reason: session.Logout}, made.Session); !errors.Is(err, r.store.fail) {
		t.Errorf("a logout: %v", err)
	}
	c := wanted(2, "demo")
	c.ClientSide = true
	if _, err := r.s.Create(t.Context(), c); !errors.Is(err, r.store.fail) {
		t.Errorf("a login: %v", err)
	}
}

func TestHolderSessionIsTooLarge(t *testing.T) {
	r := newRig(t)
	for name, n := range map[string]int{"a little": 3000, "far": 40_000} {
		c := wanted(1, "demo", func(x *session.Session) {
			x.Properties["groups"] = strings.Repeat("x", n)
			x.Properties["mail"] = "demo@example.com"
		})
		c.ClientSide = true
		_, err := r.s.Create(t.Context(), c)
		var size *session.SizeError
		if !errors.As(err, &size) || size.Largest[0] != "groups" || size.Limit != session.MaxToken ||
			!strings.Contains(err.Error(), "groups, mail, AMCtxId") || strings.Contains(err.Error(), "demo@") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if events := r.log.events(); events != nil {
		t.Errorf("audit %v", events)
	}
}

// One journey makes one session, however many tokens of it.
func TestHolderTokensOfOneJourney(t *testing.T) {
	r := newRig(t)
	one := r.hold(1, "demo").Token
	r.now = noon.Add(time.Minute)
	two := r.hold(1, "demo", func(x *session.Session) { x.Created = r.now })
	if one == two.Token || !r.valid(one) || !r.valid(two.Token) {
		t.Fatal("two tokens are wanted, both good")
	}
	if _, err := r.s.End(t.Context(), session.Cause{Reason: session.Logout}, two.Session); err != nil {
		t.Fatal(err)
	}
	if r.valid(one) || r.valid(two.Token) {
		t.Error("one of the tokens is good after the logout")
	}
	c := wanted(1, "demo")
	c.ClientSide = true
	if _, err := r.s.Create(t.Context(), c); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the journey makes another token of it: %v", err)
	}
}

// Whatever a realm is set to, sessions of both kinds go on.
func TestRealmIsSwitched(t *testing.T) {
	r := newRig(t)
	held, stored := r.hold(1, "demo"), r.create(wanted(2, "demo"))
	for _, how := range []realm.ClientSide{
		{Signing: realm.HS256, Encryption: realm.EncryptionNone, Compression: true},
		{Signing: realm.SigningNone, Encryption: realm.Direct},
		{Signing: realm.ES256, Encryption: realm.RSAEncryption},
	} {
		r.realms["/alpha"] = func(s *realm.Settings) { s.ClientSide = how }
		if !r.valid(held.Token) || !r.valid(stored.Token) {
			t.Errorf("%+v ends sessions", how)
		}
	}
	var unavailable *session.UnavailableError
	c := wanted(3, "demo")
	c.ClientSide = true
	if _, err := r.s.Create(t.Context(), c); !errors.As(err, &unavailable) {
		t.Errorf("without a key: %v", err)
	}
}

func TestWhatAHolderSessionCannot(t *testing.T) {
	r := newRig(t)
	made := r.hold(1, "demo")
	if _, err := r.s.SetProperties(t.Context(), made.Session, map[string]string{"a": "1"}, ""); !errors.Is(err, session.ErrClientSide) {
		t.Errorf("a property was changed: %v", err)
	}
	r.s.Touch(made.Session, noon.Add(time.Minute))
	all, err := r.s.SessionsOf(t.Context(), "/alpha", "demo", session.ID{}, 10)
	if _, err := r.s.ByHandle(t.Context(), made.Session.Handle()); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("found by its handle: %v", err)
	}
	if r.store.touched != 0 || len(all) != 0 || err != nil {
		t.Errorf("touched %d times, listed %v, %v", r.store.touched, all, err)
	}
}

func BenchmarkSession(b *testing.B) {
	r := newRig(b)
	held, stored := r.hold(1, "demo").Token, r.create(wanted(2, "demo")).Token
	for name, token := range map[string]session.TokenID{"Held": held, "Stored": stored} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.s.Session(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("HeldAnew", func(b *testing.B) { // as without a memory of what was read
		keys := []uint32{1, 2}
		ring := holderKeys(b, 1, 2)
		other := holderKeys(b, 1, 2)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.holders = ring
			if i%len(keys) == 0 {
				r.holders = other
			}
			if _, err := r.s.Session(b.Context(), held); err != nil {
				b.Fatal(err)
			}
		}
	})
}
