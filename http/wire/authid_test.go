package wire_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"sojourn/actors/realm"
	"sojourn/http/wire"
)

var (
	active = bytes.Repeat([]byte{1}, wire.MinKey)
	older  = bytes.Repeat([]byte{2}, wire.MinKey)
	keys   = ready(wire.AuthIDKeys{Active: active, Older: [][]byte{older}}) // tests here run one after the other
	at     = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
)

func ready(k wire.AuthIDKeys) *wire.AuthIDs {
	ids, err := wire.NewAuthIDs(k)
	if err != nil {
		panic(err)
	}
	return ids
}

func example() wire.AuthID {
	return wire.AuthID{
		Journey: [16]byte{0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		Step:    3, Realm: "/alpha", IndexType: "service", IndexValue: "Login",
		Issued: at, Expires: at.Add(5 * time.Minute), Trace: []byte{0xff, 0, 1},
	}
}

// The form is AM's: header, order of claims, and a session id that AM's grammar
// reads.
func TestAuthIDIsReadableAsAMs(t *testing.T) {
	signed, err := keys.Sign(example())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(signed), ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	if string(header) != `{"typ":"JWT","alg":"HS256"}` {
		t.Errorf("header %s", header)
	}
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	want := `{"authIndexValue":"Login","otk":"lc0g40o40k30e209185gu38e1s","authIndexType":"service","realm":"/alpha",` +
		`"sessionId":"ab0102030405060708090a0b0c0d0e0f*AAJTSQACMDEAAlNLAAAABHR5cGUADklOX01FTU9SWV9BVVRIAAJTMQACMDE.*",` +
		`"step":3,"trace":"_wAB","exp":1772359500,"iat":1772359200}`
	if string(claims) != want {
		t.Errorf("got  %s\nwant %s", claims, want)
	}
	if fmt.Sprintf("%v %+v %#v", signed, signed, signed) != "[redacted] [redacted] [redacted]" {
		t.Error("prints what it is")
	}
}

func TestAuthIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := wire.AuthID{
			Journey:    [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "journey")),
			Step:       rapid.Uint32().Draw(t, "step"),
			Realm:      text().Draw(t, "realm"),
			IndexType:  text().Draw(t, "type"),
			IndexValue: text().Draw(t, "value"),
			Issued:     time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "iat"), 0).UTC(),
		}
		a.Expires = a.Issued.Add(time.Duration(rapid.Int64Range(1, 1<<31).Draw(t, "life")) * time.Second)
		if rapid.Bool().Draw(t, "traced") {
			a.Trace = rapid.SliceOfN(rapid.Byte(), 1, wire.MaxTrace).Draw(t, "trace")
		}
		switch a.Store = rapid.SampledFrom([]realm.JourneyStore{realm.InMemory, realm.CTS, realm.JWT}).Draw(t, "store"); a.Store {
		case realm.CTS:
			a.Index = rapid.Uint64Max(1<<53-1).Draw(t, "index")
		case realm.JWT:
			a.Sealed = wire.Sealed(text().Draw(t, "sealed"))
		case realm.InMemory:
		}
		if rapid.Bool().Draw(t, "allowlisted") {
			a.Allowlist = [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "allowlist"))
		}
		signed, err := keys.Sign(a)
		if err != nil {
			t.Fatal(err)
		}
		got, err := keys.Verify(signed, a.Expires.Add(-1))
		if err != nil || !reflect.DeepEqual(got, a) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, a)
		}
		if _, err := keys.Verify(signed, a.Expires); !errors.Is(err, wire.ErrExpired) {
			t.Fatalf("at its end: %v", err)
		}
	})
}

func TestAuthIDTimesAreWholeSeconds(t *testing.T) {
	a := example()
	a.Issued, a.Expires = at.Add(999*time.Millisecond), at.Add(time.Millisecond)
	signed, err := keys.Sign(a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keys.Verify(signed, at.Add(999*time.Millisecond))
	if err != nil || !got.Issued.Equal(at) || !got.Expires.Equal(at.Add(time.Second)) {
		t.Errorf("got %v to %v, %v", got.Issued, got.Expires, err)
	}
}

// An independent implementation accepts what we sign, and what it signs in the
// same form we accept.
func TestAuthIDAgreesWithGoJose(t *testing.T) {
	signed, err := keys.Sign(example())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(string(signed), []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := parsed.Verify(active)
	if err != nil || !json.Valid(claims) {
		t.Fatalf("%s, %v", claims, err)
	}
	if _, err := parsed.Verify(older); err == nil {
		t.Error("the other key verifies as well")
	}
	forged := forge(older, `{"typ":"JWT","alg":"HS256"}`, string(claims))
	got, err := keys.Verify(forged, at)
	if err != nil || !reflect.DeepEqual(got, example()) {
		t.Errorf("under the older key: %+v, %v", got, err)
	}
	if parsed, err = jose.ParseSignedCompact(string(forged), []jose.SignatureAlgorithm{jose.HS256}); err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Verify(older); err != nil {
		t.Error(err)
	}
}

// forge makes a JWS with any header and claims, correctly signed by key.
func forge(key []byte, header, claims string) wire.SignedAuthID {
	content := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	m := hmac.New(sha256.New, key)
	m.Write([]byte(content))
	return wire.SignedAuthID(content + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
}

func TestVerifyRefuses(t *testing.T) {
	signed, err := keys.Sign(example())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(signed), ".")
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	claims := string(raw)
	const good = `{"typ":"JWT","alg":"HS256"}`
	if _, err := keys.Verify(forge(active, good, claims), at); err != nil {
		t.Fatalf("the forger itself is broken: %v", err)
	}
	for _, c := range []struct {
		name string
		text wire.SignedAuthID
		want error
	}{
		{"empty", "", wire.ErrNotJWT},
		{"a word", "hello", wire.ErrNotJWT},
		{"two parts", wire.SignedAuthID(parts[0] + "." + parts[1]), wire.ErrNotJWT},
		{"header alone", wire.SignedAuthID(parts[0] + "."), wire.ErrNotJWT},
		{"four parts", signed + ".x", wire.ErrNotJWT},
		{"five parts, as a JWE", wire.SignedAuthID(parts[0] + ".a.b.c." + parts[2]), wire.ErrNotJWT},
		{"oversized", signed + wire.SignedAuthID(strings.Repeat("A", wire.MaxSealedAuthID)), wire.ErrNotJWT},
		{"header is no base64", wire.SignedAuthID("!." + parts[1] + "." + parts[2]), wire.ErrNotJWT},
		{"header is no JSON", forge(active, `typ`, claims), wire.ErrNotJWT},
		{"header with a key twice", forge(active, `{"typ":"JWT","alg":"none","alg":"HS256"}`, claims), wire.ErrNotJWT},
		{"alg none", forge(active, `{"typ":"JWT","alg":"none"}`, claims), wire.ErrSignature},
		{"alg none, no signature", unsigned(forge(active, `{"typ":"JWT","alg":"none"}`, claims)), wire.ErrSignature},
		{"alg HS512", forge(active, `{"typ":"JWT","alg":"HS512"}`, claims), wire.ErrSignature},
		{"alg RS256", forge(active, `{"typ":"JWT","alg":"RS256"}`, claims), wire.ErrSignature},
		{"alg in lower case", forge(active, `{"typ":"JWT","alg":"hs256"}`, claims), wire.ErrSignature},
		{"no alg", forge(active, `{"typ":"JWT"}`, claims), wire.ErrSignature},
		{"crit", forge(active, `{"typ":"JWT","alg":"HS256","crit":["exp"]}`, claims), wire.ErrSignature},
		{"b64 false", forge(active, `{"typ":"JWT","alg":"HS256","b64":false,"crit":["b64"]}`, claims), wire.ErrSignature},
		{"a key of its own", forge(active, `{"typ":"JWT","alg":"HS256","jwk":{"kty":"oct","k":"AQ"}}`, claims), wire.ErrSignature},
		{"keys the other way round", forge(active, `{"alg":"HS256","typ":"JWT"}`, claims), wire.ErrSignature},
		{"another key", forge(bytes.Repeat([]byte{3}, 32), good, claims), wire.ErrSignature},
		{"altered claims", wire.SignedAuthID(parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(claims, "alpha", "omega", 1))) + "." + parts[2]), wire.ErrSignature},
		{"no signature", wire.SignedAuthID(parts[0] + "." + parts[1] + "."), wire.ErrSignature},
		{"short signature", signed[:len(signed)-1], wire.ErrSignature},
		{"padded signature", signed + "=", wire.ErrSignature},
		{"other spelling of the signature", respell(signed), wire.ErrSignature},
		{"white space", " " + signed, wire.ErrNotJWT},
		{"signed, but no claims of ours", forge(active, good, `{}`), wire.ErrNotJWT},
		{"signed, claims twice", forge(active, good, claims[:len(claims)-1]+`,"exp":1}`), wire.ErrNotJWT},
		{"signed, step too large", forge(active, good, strings.Replace(claims, `"step":3`, `"step":4294967296`, 1)), wire.ErrNotJWT},
		{"signed, step negative", forge(active, good, strings.Replace(claims, `"step":3`, `"step":-1`, 1)), wire.ErrNotJWT},
		{"signed, another session id", forge(active, good, strings.Replace(claims, `"ab01`, `"zz01`, 1)), wire.ErrNotJWT},
		{"signed, a fraction of a second", forge(active, good, strings.Replace(claims, `1772359500`, `1772359500.5`, 1)), wire.ErrNotJWT},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a, err := keys.Verify(c.text, at); !errors.Is(err, c.want) {
				t.Errorf("got %+v, %v; want %v", a, err, c.want)
			}
		})
	}
}

// respell changes the two unused bits of the last character.
func respell(signed wire.SignedAuthID) wire.SignedAuthID {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signed[len(signed)-1])
	return signed[:len(signed)-1] + wire.SignedAuthID(alphabet[last^1])
}

func TestSignRefusesWhatDoesNotFit(t *testing.T) {
	a := example()
	a.Trace = make([]byte, wire.MaxTrace+1)
	if _, err := keys.Sign(a); !errors.Is(err, wire.ErrAuthIDSize) {
		t.Errorf("trace: %v", err)
	}
	a.Trace, a.IndexValue = nil, strings.Repeat("x", wire.MaxAuthID)
	if _, err := keys.Sign(a); !errors.Is(err, wire.ErrAuthIDSize) {
		t.Errorf("value: %v", err)
	}
	a.Trace, a.IndexValue = make([]byte, wire.MaxTrace), strings.Repeat("x", 1024)
	signed, err := keys.Sign(a)
	if err != nil || len(signed) > wire.MaxAuthID {
		t.Errorf("the largest that must fit: %d bytes, %v", len(signed), err)
	}
}

func TestKeysMustBeLongEnough(t *testing.T) {
	for name, k := range map[string]wire.AuthIDKeys{
		"none":        {},
		"short":       {Active: active[1:]},
		"short older": {Active: active, Older: [][]byte{older, older[1:]}},
	} {
		if _, err := wire.NewAuthIDs(k); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Whatever is verified was signed: changed anywhere, it is refused.
func FuzzVerify(f *testing.F) {
	signed, err := keys.Sign(example())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(signed))
	f.Add(string(forge(active, `{"typ":"JWT","alg":"none"}`, `{}`)))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := keys.Verify(wire.SignedAuthID(text), at)
		if err == nil && text != string(signed) {
			t.Fatalf("%q means %+v", text, got)
		}
		if err != nil && !errors.Is(err, wire.ErrNotJWT) && !errors.Is(err, wire.ErrSignature) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// FuzzClaims signs arbitrary claims: what an older or newer version might have
// signed must not break a reader.
func FuzzClaims(f *testing.F) {
	f.Add(`{"sessionId":"ab0102030405060708090a0b0c0d0e0f**","exp":1772359500,"iat":0,"step":1}`)
	f.Add(`{"sessionId":"*AAJTSQACMDEABHR5cGUACEpXVF9BVVRIAAJTMQACMDE.*a.b.c","otk":"lc0g40o40k30e209185gu38e1s","exp":1772359500,"iat":0}`)
	f.Add(`{"whitelist-state":"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0","sessionId":"ab0102030405060708090a0b0c0d0e0f*AAJTSQACMDEAAlNLAAAABHR5cGUACENUU19BVVRIAAJTMQACMDE.*","index":7,"exp":1772359500,"iat":0}`)
	f.Fuzz(func(t *testing.T, claims string) {
		a, err := keys.Verify(forge(active, `{"typ":"JWT","alg":"HS256"}`, claims), at)
		if err != nil {
			return
		}
		signed, err := keys.Sign(a)
		if err != nil {
			return
		}
		if again, err := keys.Verify(signed, at); err != nil || !reflect.DeepEqual(a, again) {
			t.Fatalf("%+v became %+v, %v", a, again, err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	a := example()
	a.Trace = nil
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.Sign(a); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-jose", func(b *testing.B) {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: active}, (&jose.SignerOptions{}).WithType("JWT"))
		if err != nil {
			b.Fatal(err)
		}
		claims := claimsOf(b, a)
		b.ReportAllocs()
		for b.Loop() {
			signed, err := signer.Sign(claims)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := signed.CompactSerialize(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	a := example()
	a.Trace = nil
	signed, err := keys.Sign(a)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := keys.Verify(signed, at); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-jose", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			parsed, err := jose.ParseSignedCompact(string(signed), []jose.SignatureAlgorithm{jose.HS256})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := parsed.Verify(active); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func claimsOf(b *testing.B, a wire.AuthID) []byte {
	b.Helper()
	signed, err := keys.Sign(a)
	if err != nil {
		b.Fatal(err)
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(string(signed), ".")[1])
	if err != nil {
		b.Fatal(err)
	}
	return claims
}

func BenchmarkDecodeContinuation(b *testing.B) {
	signed, err := keys.Sign(example())
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"authId":"` + string(signed) + `","callbacks":[` +
		`{"type":"NameCallback","output":[{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":"bjensen"}],"_id":0},` +
		`{"type":"PasswordCallback","output":[{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken2","value":"hunter2"}],"_id":1}],` +
		`"stage":"UsernamePassword","status":200,"ok":true}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.DecodeContinuation(body); err != nil {
			b.Fatal(err)
		}
	}
}

func unsigned(signed wire.SignedAuthID) wire.SignedAuthID {
	return signed[:strings.LastIndexByte(string(signed), '.')+1]
}
