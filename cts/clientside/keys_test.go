package clientside

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
)

func TestNewKeysRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := keyFor(t, Session, HS256, 1, true)
	for name, keys := range map[string][]Key{
		"no purpose":              {{Algorithm: HS256, Generation: 1, Secret: good.Secret}},
		"another purpose":         {{Purpose: 99, Algorithm: HS256, Generation: 1, Secret: good.Secret}},
		"no algorithm":            {{Purpose: Session, Generation: 1, Secret: good.Secret}},
		"a short secret":          {{Purpose: Session, Algorithm: HS256, Generation: 1, Secret: good.Secret[:31]}},
		"a secret of another":     {{Purpose: Session, Algorithm: HS512, Generation: 1, Secret: good.Secret}},
		"no secret":               {{Purpose: Session, Algorithm: Direct, Generation: 1}},
		"a secret for RS256":      {{Purpose: Session, Algorithm: RS256, Generation: 1, Secret: good.Secret}},
		"no private key":          {{Purpose: Session, Algorithm: ES256, Generation: 1}},
		"another curve":           {{Purpose: Session, Algorithm: ES256, Generation: 1, Private: p384}},
		"an EC key for RSA":       {{Purpose: Session, Algorithm: OAEP, Generation: 1, Private: p384}},
		"an RSA key for a curve":  {{Purpose: Session, Algorithm: ES256, Generation: 1, Private: privates()["one"]}},
		"a small RSA key":         {{Purpose: Session, Algorithm: RS256, Generation: 1, Private: small}},
		"a secret and a private":  {{Purpose: Session, Algorithm: HS256, Generation: 1, Secret: good.Secret, Private: p384}},
		"one key twice":           {good, {Purpose: Session, Algorithm: HS256, Generation: 1, Secret: good.Secret}},
		"two that are active":     {good, keyFor(t, Session, HS256, 2, true)},
		"PS256, which AM has not": {{Purpose: Session, Algorithm: "PS256", Generation: 1, Private: privates()["one"]}},
	} {
		if _, err := NewKeys(keys); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A key that is gone opens nothing, one that is not active seals nothing, and
// one that is still to come is told from one that never was.
func TestGenerations(t *testing.T) {
	both := func(generation uint32, active bool) []Key {
		return []Key{keyFor(t, Session, HS256, generation, active), keyFor(t, Session, Direct, generation, active)}
	}
	how := realm.ClientSide{Signing: realm.HS256, Encryption: realm.Direct}
	before := codec(t, both(1, true))
	during := codec(t, append(both(1, true), both(2, false)...))
	after := codec(t, append(both(1, false), both(2, true)...))
	later := codec(t, both(2, true))
	one, err := before.Seal(Session, how, sample(Session))
	if err != nil {
		t.Fatal(err)
	}
	two, err := after.Seal(Session, how, sample(Session))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := during.Seal(Session, how, sample(Session)); err != nil || strings.Split(again, ".")[0] != strings.Split(one, ".")[0] {
		t.Errorf("sealed with a key that is not active: %v", err)
	}
	var newer *NewerKeyError
	for name, tc := range map[string]struct {
		c           *Codec
		text        string
		good, newer bool
	}{
		"the first, before":        {before, one, true, false},
		"the second, before":       {before, two, false, true},
		"the first, during":        {during, one, true, false},
		"the second, during":       {during, two, true, false},
		"the first, after":         {after, one, true, false},
		"the first, when it ended": {later, one, false, false},
		"the second, alone":        {later, two, true, false},
	} {
		_, err := tc.c.Open(Session, tc.text)
		if (err == nil) != tc.good || errors.As(err, &newer) != tc.newer || !tc.good && !tc.newer && !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := before.Open(Journey, two); !errors.Is(err, ErrToken) {
		t.Errorf("a newer key of another purpose: %v", err)
	}
	var missing *MissingKeyError
	for _, how := range []realm.ClientSide{{Signing: realm.ES256, Encryption: realm.Direct}, {Signing: realm.HS256, Encryption: realm.RSAEncryption}} {
		if _, err := before.Seal(Session, how, sample(Session)); !errors.As(err, &missing) || missing.Purpose != Session || missing.Algorithm.Symmetric() {
			t.Errorf("%s without a key: %v", label(how), err)
		}
	}
	if _, err := before.Seal(Journey, how, sample(Journey)); !errors.As(err, &missing) || missing.Purpose != Journey {
		t.Errorf("a journey without a key: %v", err)
	}
}

// A token that is put together from parts of others, or of layers in another
// order, is none.
func TestLayersCannotBeMoved(t *testing.T) {
	c := codec(t, allKeys(t))
	k := c.keys()
	seal := func(p Purpose, s realm.Signing, e realm.Encryption) string {
		t.Helper()
		text, err := c.Seal(p, realm.ClientSide{Signing: s, Encryption: e}, sample(p))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	inner := func(text string) string {
		t.Helper()
		raw, err := b64.DecodeString(strings.Split(text, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	signWith := func(p Purpose, l layer, text string) string {
		t.Helper()
		out, err := k.use[use{p, HS256}].sign(l, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	direct, rsaSealed := seal(Session, realm.SigningNone, realm.Direct), inner(seal(Session, realm.HS256, realm.RSAEncryption))
	journey := seal(Journey, realm.SigningNone, realm.Direct)
	plain := seal(Session, realm.HS256, realm.EncryptionNone)
	for name, text := range map[string]string{
		"RSA without a signature":           rsaSealed,
		"a journey inside a session":        signWith(Session, nested, journey),
		"a session inside a journey":        signWith(Journey, nested, direct),
		"signed twice":                      signWith(Session, nested, signWith(Session, nested, direct)),
		"claims where a token should be":    signWith(Session, nested, inner(plain)),
		"a token where claims should be":    signWith(Session, claimsLayer, direct),
		"claims that are not packed, as so": signWith(Session, packedLayer, inner(plain)),
		"claims of a journey":               signWith(Session, claimsLayer, `{"jti":"AQIDAAAAAAAAAAAAAAAAAA","sub":"","iss":"","iat":1,"exp":2,"state":"AA"`),
		"claims in another order":           signWith(Session, claimsLayer, `{"sub":"","jti":"AQIDAAAAAAAAAAAAAAAAAA","iss":"","iat":1,"exp":2}`),
		"no claims":                         signWith(Session, claimsLayer, ""),
		"text after the claims":             signWith(Session, claimsLayer, inner(plain)+" "),
	} {
		if got, err := c.Open(Session, text); !errors.Is(err, ErrToken) {
			t.Errorf("%s: opened %+v, %v", name, got, err)
		}
	}
	if _, err := c.Open(Session, signWith(Session, nested, direct)); err != nil {
		t.Errorf("what is put together as it should be: %v", err)
	}
}

// An ECDSA signature has a twin with another s that verifies as well: a second
// spelling of the same token, which is none.
func TestSignaturesHaveNoTwin(t *testing.T) {
	all := allKeys(t)
	c := codec(t, all)
	for _, how := range []realm.Signing{realm.ES256, realm.ES384, realm.ES512} {
		for range 4 {
			text, err := c.Seal(Session, realm.ClientSide{Signing: how, Encryption: realm.Direct}, sample(Session))
			if err != nil {
				t.Fatal(err)
			}
			at := strings.LastIndexByte(text, '.')
			raw, err := b64.DecodeString(text[at+1:])
			if err != nil {
				t.Fatal(err)
			}
			half := len(raw) / 2
			s := new(big.Int).Sub(curve(signatures()[how]).Params().N, new(big.Int).SetBytes(raw[half:]))
			s.FillBytes(raw[half:])
			twin := text[:at+1] + b64.EncodeToString(raw)
			if _, err := c.Open(Session, twin); !errors.Is(err, ErrToken) {
				t.Errorf("%s: the twin is taken: %v", how, err)
			}
			if payload, _ := joseVerify(t, all, Session, signatures()[how], twin); len(payload) == 0 {
				t.Errorf("%s: the twin is no signature at all", how)
			}
		}
	}
}

func TestKeysPrintNothing(t *testing.T) {
	var out bytes.Buffer
	for _, k := range allKeys(t) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+" ", k)
			fmt.Fprintf(&out, verb+" ", []Key{k})
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", k)
		raw, err := json.Marshal(map[string]any{"key": k})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
		for _, hidden := range []string{string(k.Secret), hex.EncodeToString(k.Secret), base64.StdEncoding.EncodeToString(k.Secret), strings.Trim(fmt.Sprintf("%d", k.Secret), "[]")} {
			if hidden != "" && strings.Contains(out.String(), hidden) {
				t.Fatalf("%s: %q is shown", k.ID(), hidden)
			}
		}
		if k.Private != nil && !strings.Contains(out.String(), k.ID()+" [redacted]") {
			t.Errorf("%s prints as %s", k.ID(), out.String())
		}
		out.Reset()
	}
}

// Any content comes back as it was, whatever it is sealed with.
func TestAnyContent(t *testing.T) {
	c := codec(t, allKeys(t))
	ways := settings()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(Purposes()).Draw(t, "purpose")
		how := rapid.SampledFrom(ways).Draw(t, "how")
		if how.Encryption == realm.RSAEncryption || privateSignatures()[how.Signing] {
			how.Signing, how.Encryption = realm.HS384, realm.AESKeyWrap
		}
		in := Content{Subject: rapid.String().Draw(t, "subject"), Realm: rapid.String().Draw(t, "realm")}
		copy(in.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		if p == Session {
			props := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}`), rapid.String(), 0, 4).Draw(t, "props")
			body, err := json.Marshal(map[string]any{"props": props})
			if err != nil {
				t.Fatal(err)
			}
			in.Body = body
		} else {
			in.Body = rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "body")
		}
		text, err := c.Seal(p, how, in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Open(p, text)
		if err != nil || out.ID != in.ID || out.Subject != in.Subject || out.Realm != in.Realm || !bytes.Equal(out.Body, in.Body) {
			t.Fatalf("%s %s: opened %+v, %v", p, label(how), out, err)
		}
	})
}
