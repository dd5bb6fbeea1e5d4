package session_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/cts/session"
)

// A handle names what it was made of: of a session that its holder keeps also
// until when to deny it, rounded up.
func TestHandleNamesItsSession(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := session.New(session.Policy{
			MaxSession: time.Duration(rapid.Int64Range(1, int64(100*24*time.Hour)).Draw(rt, "life")),
		}, session.Principal{}, start.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "created"))))
		x.ID = session.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "id"))
		x.ClientSide = rapid.Bool().Draw(rt, "client-side")
		h := x.Handle()
		id, err := h.ID()
		denial, held := h.Denial()
		if err != nil || id != x.ID || held != x.ClientSide {
			rt.Fatalf("%s names %s, client-side %t, %v", h, id, held, err)
		}
		if late := denial.Until.Sub(x.MaxExpires()); held && (denial.ID != x.ID || late < 0 || late >= time.Second) {
			rt.Fatalf("%s is denied until %v, want %v", h, denial.Until, x.MaxExpires())
		}
	})
}

func TestKeptByHolder(t *testing.T) {
	tests := map[string]struct {
		max  time.Duration
		want time.Duration // from creation to end
	}{
		"as it is":          {2 * time.Hour, 2 * time.Hour},
		"a broken second":   {1500 * time.Millisecond, time.Second},
		"less than one":     {time.Millisecond, time.Second},
		"none":              {0, session.MaxHolderLife},
		"too long":          {366 * 24 * time.Hour, session.MaxHolderLife},
		"the longest there": {session.MaxHolderLife, session.MaxHolderLife},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := session.New(session.Policy{MaxSession: tt.max, MaxIdle: time.Minute, TouchInterval: time.Minute}, session.Principal{}, start)
			x.LastAccess = start.Add(time.Hour)
			got := x.KeptByHolder()
			if !got.ClientSide || got.Policy.MaxIdle != 0 || !got.LastAccess.Equal(start) || got.Policy.MaxSession != tt.want {
				t.Errorf("%+v", got)
			}
			if d := got.Denial(); d.ID != x.ID || !d.Until.Equal(start.Add(tt.want)) {
				t.Errorf("denied by %+v", d)
			}
		})
	}
}

func TestCarries(t *testing.T) {
	token := session.Carry("a.b.c", "01")
	const want = "*AAJTSQACMDEABHR5cGUAA0pXVAACUzEAAA..*a.b.c"
	if string(token) != want {
		t.Errorf("token %q, want %q: tokens of a released version must stay readable", string(token), want)
	}
	if text, ok := token.Carries(); !ok || text != "a.b.c" {
		t.Errorf("carries %q, %t", text, ok)
	}
	stored := testKeys().Mint([16]byte{1}, 1, "01")
	for name, text := range map[string]session.TokenID{
		"empty": "", "stars": "**", "one star": "*", "a stored one": stored, "a stored one's extensions": "*" + stored[29:],
		"a random part": "A" + token, "extensions cut": "*AAJT*x", "no base64": "*????*x",
		"long extensions": session.TokenID("*" + strings.Repeat("A", 300) + "*x"),
	} {
		if text, ok := text.Carries(); ok {
			t.Errorf("%s carries %q", name, text)
		}
	}
	if _, _, err := testKeys().Parse(token); err == nil {
		t.Error("it is a stored session's as well")
	}
}

func TestCarriesAllocatesNothing(t *testing.T) {
	token := session.Carry("a.b.c", "01")
	if n := testing.AllocsPerRun(100, func() { _, _ = token.Carries() }); n != 0 {
		t.Errorf("Carries allocates %v times", n)
	}
}

func TestProtected(t *testing.T) {
	for _, name := range []string{
		"AMCtxId", "XUSRef", "NodeType", "AuthLevel", "Service", "UserId", "sun.am.UniversalIdentifier", "successURL", "amlbcookie", "Host",
	} {
		if !session.Protected(name) {
			t.Errorf("%s may be changed", name)
		}
	}
	for _, name := range []string{"", "mine", "amctxid", "am.protected.x"} {
		if session.Protected(name) {
			t.Errorf("%s is protected", name)
		}
	}
}

func FuzzHandle(f *testing.F) {
	f.Add("shandle:AAAAAAAAAAAAAAAAAAAAAA")
	f.Add(string(session.Session{ClientSide: true, Created: start, Policy: session.Policy{MaxSession: time.Hour}}.Handle()))
	f.Fuzz(func(t *testing.T, text string) {
		h := session.Handle(text)
		id, err := h.ID()
		denial, held := h.Denial()
		switch {
		case held && (err != nil || denial.ID != id):
			t.Errorf("%q: %v, but denies %s", text, err, denial.ID)
		case err == nil && !held && id.Handle() != h:
			t.Errorf("%q has another spelling, %q", text, id.Handle())
		}
	})
}

func FuzzCarries(f *testing.F) {
	f.Add(string(session.Carry("a.b.c", "01")))
	f.Add("*AA*x")
	f.Fuzz(func(t *testing.T, text string) {
		if inside, ok := session.TokenID(text).Carries(); ok && !strings.HasSuffix(text, "*"+inside) {
			t.Errorf("%q carries %q", text, inside)
		}
	})
}
