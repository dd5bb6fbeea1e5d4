package wire_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sojourn/actors/realm"
	"sojourn/http/wire"
)

// The authId of each store, byte for byte. That of the In-Memory store is what
// every release has written; running clients and older members hold it.
func TestAuthIDsOfTheStores(t *testing.T) {
	sealed := wire.Sealed("eyJ0eXAiOiJKV1QifQ.Y29udGVudA.c2ln-_")
	listed := [16]byte{0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0}
	const (
		id    = "ab0102030405060708090a0b0c0d0e0f"
		cts   = "*AAJTSQACMDEAAlNLAAAABHR5cGUACENUU19BVVRIAAJTMQACMDE.*"
		jwt   = "*AAJTSQACMDEABHR5cGUACEpXVF9BVVRIAAJTMQACMDE.*"
		head  = `"authIndexValue":"Login","otk":"lc0g40o40k30e209185gu38e1s",`
		place = `"authIndexType":"service","realm":"/alpha","sessionId":"`
		tail  = `"exp":1772359500,"iat":1772359200}`
	)
	for name, c := range map[string]struct {
		change func(*wire.AuthID)
		want   string
	}{
		"In-Memory": {
			func(*wire.AuthID) {},
			`{` + head + place + id + `*AAJTSQACMDEAAlNLAAAABHR5cGUADklOX01FTU9SWV9BVVRIAAJTMQACMDE.*","step":3,` + tail,
		},
		"CTS": {
			func(a *wire.AuthID) { a.Store, a.Index = realm.CTS, 77 },
			`{` + head + place + id + cts + `","step":3,"index":77,` + tail,
		},
		"JWT": {
			func(a *wire.AuthID) { a.Store, a.Sealed = realm.JWT, sealed },
			`{` + head + place + jwt + string(sealed) + `","step":3,` + tail,
		},
		"JWT, kept nowhere yet": {
			func(a *wire.AuthID) { a.Store, a.Trace = realm.JWT, []byte{0xff, 0, 1} },
			`{` + head + place + id + jwt + `","step":3,"trace":"_wAB",` + tail,
		},
		"In-Memory, allowlisted": {
			func(a *wire.AuthID) { a.Allowlist = listed },
			`{"whitelist-state":"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0","authIndexValue":"Login","otk":"lc0g40o40k30e209185gu38e1s",` +
				`"whitelist-lock-expiry":"0",` + place + id + `*AAJTSQACMDEAAlNLAAAABHR5cGUADklOX01FTU9SWV9BVVRIAAJTMQACMDE.*","step":3,` + tail,
		},
		"CTS, allowlisted": {
			func(a *wire.AuthID) { a.Store, a.Index, a.Allowlist = realm.CTS, 77, listed },
			`{"whitelist-state":"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0","authIndexValue":"Login","otk":"lc0g40o40k30e209185gu38e1s",` +
				`"whitelist-lock-expiry":"0",` + place + id + cts + `","step":3,"index":77,` + tail,
		},
		"JWT, allowlisted": {
			func(a *wire.AuthID) { a.Store, a.Sealed, a.Allowlist = realm.JWT, sealed, listed },
			`{"whitelist-state":"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0","authIndexValue":"Login","otk":"lc0g40o40k30e209185gu38e1s",` +
				`"whitelist-lock-expiry":"0",` + place + jwt + string(sealed) + `","step":3,` + tail,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := example()
			a.Trace = nil
			c.change(&a)
			signed, err := keys.Sign(a)
			if err != nil {
				t.Fatal(err)
			}
			// As AM's own pages read it: the middle one of three parts.
			claims, err := base64.RawURLEncoding.DecodeString(strings.Split(string(signed), ".")[1])
			if err != nil || string(claims) != c.want {
				t.Errorf("got  %s, %v\nwant %s", claims, err, c.want)
			}
			if got, err := keys.Verify(signed, at); err != nil || !reflect.DeepEqual(got, a) {
				t.Errorf("read as %+v, %v", got, err)
			}
		})
	}
}

// What an older release, another store's type or a client's own text may say of
// sessionId, and what of it is refused.
func TestSessionIDClaims(t *testing.T) {
	const good = `{"typ":"JWT","alg":"HS256"}`
	const id = "ab0102030405060708090a0b0c0d0e0f"
	const jwt = "*AAJTSQACMDEABHR5cGUACEpXVF9BVVRIAAJTMQACMDE.*"
	claims := func(sessionID, more string) string {
		return `{"realm":"/","sessionId":"` + sessionID + `",` + more + `"exp":1772359500,"iat":0}`
	}
	for name, c := range map[string]struct {
		claims string
		bad    bool
		store  realm.JourneyStore
	}{
		"a type that is not known":        {claims: claims(id+"*xyz*", "")},
		"no extensions":                   {claims: claims(id+"*", "")},
		"a tail in the In-Memory store":   {claims: claims(id+"*AAJTSQACMDEAAlNLAAAABHR5cGUADklOX01FTU9SWV9BVVRIAAJTMQACMDE.*x", "")},
		"JWT without content":             {claims: claims(id+jwt, ""), store: realm.JWT},
		"JWT with content":                {claims: claims(jwt+"a.b.c", `"otk":"lc0g40o40k30e209185gu38e1s",`), store: realm.JWT},
		"no stars":                        {claims: claims(id, ""), bad: true},
		"JWT with nothing":                {claims: claims(jwt, ""), bad: true},
		"JWT without a name":              {claims: claims(jwt+"a.b.c", ""), bad: true},
		"JWT with another name":           {claims: claims(jwt+"a.b.c", `"otk":"zzzzzzzzzzzzzzzzzzzzzzzzzz",`), bad: true},
		"JWT with two names":              {claims: claims(id+jwt+"a.b.c", `"otk":"lc0g40o40k30e209185gu38e1s",`), bad: true},
		"an index of half":                {claims: claims(id+"**", `"index":0.5,`), bad: true},
		"an allowlist value in capitals":  {claims: claims(id+"**", `"whitelist-state":"0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0",`), bad: true},
		"an allowlist value of other use": {claims: claims(id+"**", `"whitelist-state":"0f1e2d3c4b5a69788796a5b4c3d2e1f0----",`), bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := keys.Verify(forge(active, good, c.claims), at)
			if c.bad {
				if !errors.Is(err, wire.ErrNotJWT) {
					t.Errorf("read as %+v, %v", got, err)
				}
				return
			}
			if err != nil || got.Store != c.store {
				t.Errorf("read as %+v, %v", got, err)
			}
		})
	}
}

// Only what a client carries makes an authId long.
func TestSealedAuthIDsMayBeLonger(t *testing.T) {
	a := example()
	a.Trace, a.Store, a.Sealed = nil, realm.JWT, wire.Sealed(strings.Repeat("x", wire.MaxSealedAuthID/2))
	signed, err := keys.Sign(a)
	if err != nil || len(signed) < wire.MaxSealedAuthID/2 {
		t.Fatalf("%d bytes, %v", len(signed), err)
	}
	if got, err := keys.Verify(signed, at); err != nil || got.Sealed != a.Sealed {
		t.Errorf("read as %d bytes, %v", len(got.Sealed), err)
	}
	if printed := fmt.Sprintf("%v %+v %#v", a.Sealed, a, a); strings.Contains(printed, "xxx") {
		t.Errorf("prints what it is: %.200s", printed)
	}
	a.Sealed = wire.Sealed(strings.Repeat("x", wire.MaxSealedAuthID))
	if _, err := keys.Sign(a); !errors.Is(err, wire.ErrAuthIDSize) {
		t.Errorf("too long: %v", err)
	}
	long := `{"realm":"` + strings.Repeat("x", wire.MaxAuthID) + `","sessionId":"ab0102030405060708090a0b0c0d0e0f**","exp":1772359500,"iat":0}`
	if _, err := keys.Verify(forge(active, `{"typ":"JWT","alg":"HS256"}`, long), at); !errors.Is(err, wire.ErrNotJWT) {
		t.Errorf("a long one that carries nothing: %v", err)
	}
}
