package keyring

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sojourn/cts/clientside"
)

// derive is HKDF of a secret that is the same in every run.
func derive(label string, size int) []byte {
	key, err := hkdf.Expand(sha256.New, bytes.Repeat([]byte{7}, 32), label, size)
	if err != nil {
		panic(err)
	}
	return key
}

// Derived keys for ever: a member of the next release must derive what this one
// does.
func TestDerivedKeysStay(t *testing.T) {
	r := rotated(t, First(), noon, time.Hour)
	got := map[string]string{}
	for _, p := range []Purpose{AuthID, TokenMark} {
		s := r.Secrets(p, derive, noon)
		got[string(p)+" 2"] = hex.EncodeToString(s.Active)
		got[string(p)+" 1"] = hex.EncodeToString(s.Others[0])
	}
	for _, p := range []Purpose{SessionSigning, SessionEncryption, JourneySigning, JourneyEncryption, CookieSigning, CookieEncryption} {
		all, err := r.ClientSide(p, derive, noon)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if _, twice := got[k.ID()]; twice || len(k.Secret) != k.Algorithm.SecretSize() || k.Active != (k.Generation == 2) {
				t.Errorf("%s: %d bytes, active %v, twice %v", k.ID(), len(k.Secret), k.Active, twice)
			}
			got[k.ID()] = hex.EncodeToString(k.Secret)
		}
	}
	seen := map[string]string{}
	for id, key := range got {
		if other, twice := seen[key]; twice {
			t.Errorf("%s and %s have one key", id, other)
		}
		seen[key] = id
	}
	if len(got) != 4+3*2*5 {
		t.Errorf("%d keys", len(got))
	}
	for id, want := range map[string]string{
		"authid 1":           hex.EncodeToString(derive("sojourn/1/authid-signing", 32)),
		"token-mark 1":       hex.EncodeToString(derive("sojourn/1/token-mark", 32)),
		"authid 2":           hex.EncodeToString(derive("sojourn/1/authid-signing/2", 32)),
		"session.HS256.1":    hex.EncodeToString(derive("sojourn/1/client-side/session/HS256", 32)),
		"journey.dir.2":      hex.EncodeToString(derive("sojourn/1/client-side/journey/dir/2", 32)),
		"cookie.A256KW.1":    hex.EncodeToString(derive("sojourn/1/client-side/cookie/A256KW", 32)),
		"session.HS512.2":    hex.EncodeToString(derive("sojourn/1/client-side/session/HS512/2", 64)),
		"session.RSA-none.1": "",
	} {
		if got[id] != want {
			t.Errorf("%s is %s, want %s", id, got[id], want)
		}
	}
}

// sealedByFirst is a key as the first release has sealed it.
const sealedByFirst = "AfocRTcCYz7hdzBbqn8Xm7j9DoQUs2Osffm3s50KM7Dgu8zgLVIuYXB0/JSourR0XDnNCDoch/elmXwvjsmK5H6dezeREcUIDX5nImRSx7M+VtKLrJik9v7BIxSjkRNi0iM7OM7svyWvfL88qFm14468uq6+8Ck7jin44A5B9p4ge9DiHVD5rxALDoGL/4VcWr1loZJ0U3ZX+tNvfd6rhxRBnCnaRco="

func TestSealedKeysStay(t *testing.T) {
	sealed, err := base64.StdEncoding.DecodeString(sealedByFirst)
	if err != nil {
		t.Fatal(err)
	}
	r := First()
	r.Generations[0].Private = map[clientside.Algorithm][]byte{clientside.ES256: sealed}
	all, err := r.ClientSide(SessionSigning, derive, noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if k.Algorithm != clientside.ES256 {
			continue
		}
		public, err := k.Private.(*ecdsa.PrivateKey).PublicKey.Bytes()
		if err != nil || hex.EncodeToString(public) != "042b0f54558b969f8f0af5d65b78833e118c5126dabbe1ae01a3963ad1ad3484ff77ce8a9a447e0e5fbbbe01245cb9578087d23ddf2f6dd6159524af08f5643f49" {
			t.Errorf("public key %x, %v", public, err)
		}
		return
	}
	t.Error("no key for ES256")
}

func TestPrivateKeys(t *testing.T) {
	for p, algorithms := range map[Purpose][]clientside.Algorithm{
		SessionSigning:    {clientside.RS256, clientside.ES256, clientside.ES384, clientside.ES512},
		SessionEncryption: {clientside.OAEP},
	} {
		r, private := First(), map[clientside.Algorithm][]byte{}
		for _, a := range algorithms {
			sealed, err := r.MakePrivate(p, a, derive, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			private[a] = sealed
		}
		r, err := r.Announce(noon, private)
		if err != nil {
			t.Fatal(err)
		}
		if r.Has(algorithms[0]) {
			t.Error("a ring has keys that are announced only")
		}
		r = r.Use(noon, time.Hour)
		if got := r.Privates(); len(got) != len(algorithms) {
			t.Errorf("the ring has %v", got)
		}
		all, err := r.ClientSide(p, derive, noon)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := clientside.NewKeys(all); err != nil {
			t.Error(err)
		}
		// In another place a sealed key is none: it names its own.
		moved := First()
		moved.Generations[0].Private = private
		if _, err := moved.ClientSide(p, derive, noon); !errors.Is(err, errSealed) {
			t.Errorf("a key of generation 2 as generation 1: %v", err)
		}
		other := func(label string, size int) []byte { return derive("other"+label, size) }
		if _, err := r.ClientSide(p, other, noon); !errors.Is(err, errSealed) {
			t.Errorf("a key of another cluster: %v", err)
		}
	}
	if _, err := First().MakePrivate(SessionSigning, clientside.HS256, derive, rand.Reader); err == nil {
		t.Error("made a private key for HS256")
	}
}

func TestEveryBitOfASealedKeyCounts(t *testing.T) {
	sealed, err := base64.StdEncoding.DecodeString(sealedByFirst)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if _, err := unseal(derive, "session.ES256.1", changed); !errors.Is(err, errSealed) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
		if _, err := unseal(derive, "session.ES256.1", sealed[:i]); !errors.Is(err, errSealed) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestSecretsPrintNothing(t *testing.T) {
	s := First().Secrets(AuthID, derive, noon)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&out, verb, s)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "keys", s)
	for _, hidden := range []string{hex.EncodeToString(s.Active), string(s.Active), strings.Trim(fmt.Sprintf("%d", s.Active[:5]), "[]"), base64.StdEncoding.EncodeToString(s.Active)} {
		if strings.Contains(out.String(), hidden) {
			t.Errorf("%q is shown in %s", hidden, out.String())
		}
	}
}
