package clientside

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"sojourn/actors/realm"
)

// fixed reads zeroes: what is sealed with it is the same in every run.
type fixed struct{}

func (fixed) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// golden are tokens as the first release has made them, with keys that are the
// same in every run: a later one must read them.
func golden(tb testing.TB) map[string]string {
	tb.Helper()
	raw, err := os.ReadFile("testdata/tokens.txt")
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		name, token, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[name] = token
	}
	return all
}

func TestTokensStay(t *testing.T) {
	all := allKeys(t)
	keys, err := NewKeys(all)
	if err != nil {
		t.Fatal(err)
	}
	c := New(func() *Keys { return keys }, fixed{})
	kept := golden(t)
	for _, how := range settings() {
		want, there := kept[label(how)]
		if !there {
			continue
		}
		delete(kept, label(how))
		text, err := c.Seal(Session, how, sample(Session))
		if err != nil || text != want && !how.Compression { // what is packed may be packed better
			t.Errorf("%s is now %s, %v", label(how), text, err)
		}
		got, err := c.Open(Session, want)
		if err != nil || got.Subject != sample(Session).Subject || !bytes.Equal(got.Body, sample(Session).Body) {
			t.Errorf("%s: opened %+v, %v", label(how), got, err)
		}
	}
	if len(kept) > 0 {
		t.Errorf("nothing makes %v", kept)
	}
}

// fuzzed has a seed of every form, for a purpose. What opens must seal again to
// what opens to the same.
func fuzzed(f *testing.F, p Purpose) {
	c := codec(f, allKeys(f))
	for _, how := range settings() {
		text, err := c.Seal(p, how, sample(p))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range golden(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := c.Open(p, text)
		var newer *NewerKeyError
		if err != nil {
			if !errors.Is(err, ErrToken) && !errors.As(err, &newer) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := c.Seal(p, realm.ClientSide{Signing: realm.HS256, Encryption: realm.Direct}, got)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := c.Open(p, again); err != nil || back.ID != got.ID || !bytes.Equal(back.Body, got.Body) || got.Subject != sample(p).Subject {
			t.Fatalf("%+v came back as %+v, %v", got, back, err)
		}
	})
}

func FuzzOpenSession(f *testing.F)          { fuzzed(f, Session) }
func FuzzOpenJourney(f *testing.F)          { fuzzed(f, Journey) }
func FuzzOpenPersistentCookie(f *testing.F) { fuzzed(f, PersistentCookie) }

// FuzzClaims reads claims that a holder of the keys has made badly.
func FuzzClaims(f *testing.F) {
	for _, p := range Purposes() {
		claims, err := appendClaims(p, sample(p))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(p), claims)
		f.Add(byte(p), pack(claims))
	}
	f.Fuzz(func(t *testing.T, purpose byte, claims []byte) {
		if unpacked, err := unpack(claims); err == nil && len(unpacked) > MaxClaims {
			t.Fatalf("unpacked %d bytes", len(unpacked))
		}
		p := Purpose(purpose)
		c, err := readClaims(p, bytes.Clone(claims))
		if err != nil {
			if !errors.Is(err, ErrToken) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if len(c.Body) > len(claims) {
			t.Fatalf("a body of %d bytes in claims of %d", len(c.Body), len(claims))
		}
	})
}
