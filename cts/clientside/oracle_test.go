package clientside

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"io"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"sojourn/actors/realm"
)

// What we put together by hand, go-jose reads: it is the oracle of all forms.
func TestGoJoseReadsOurs(t *testing.T) {
	all := allKeys(t)
	c := codec(t, all)
	for _, how := range settings() {
		for _, p := range Purposes() {
			t.Run(p.String()+" "+label(how), func(t *testing.T) {
				text, err := c.Seal(p, how, sample(p))
				if err != nil {
					t.Fatal(err)
				}
				payload := []byte(text)
				zip := false
				if how.Signing != realm.SigningNone {
					payload, zip = joseVerify(t, all, p, signatures()[how.Signing], text)
				}
				encryption, encrypted := encryptions()[how.Encryption]
				if !encrypted && p != Session {
					encryption, encrypted = Direct, true
				}
				if encrypted {
					payload = joseDecrypt(t, all, p, encryption, string(payload))
				} else if zip {
					if payload, err = io.ReadAll(flate.NewReader(bytes.NewReader(payload))); err != nil {
						t.Fatal(err)
					}
				}
				want, err := appendClaims(p, sample(p))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(payload, want) || !json.Valid(payload) {
					t.Errorf("go-jose reads %q, want %q", payload, want)
				}
			})
		}
	}
}

// find returns the key that go-jose works with.
func find(t *testing.T, all []Key, p Purpose, a Algorithm, public bool) any {
	t.Helper()
	for _, k := range all {
		if k.Purpose != p || k.Algorithm != a {
			continue
		}
		switch private := k.Private.(type) {
		case *rsa.PrivateKey:
			if public {
				return &private.PublicKey
			}
			return private
		case *ecdsa.PrivateKey:
			return &private.PublicKey
		}
		return k.Secret
	}
	t.Fatalf("no key for %s %s", p, a)
	return nil
}

func joseVerify(t *testing.T, all []Key, p Purpose, a Algorithm, text string) (payload []byte, zip bool) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(a)})
	if err != nil {
		t.Fatal(err)
	}
	header := signed.Signatures[0].Protected
	if want := p.String() + "." + string(a) + ".1"; header.KeyID != want || header.ExtraHeaders["typ"] != "JWT" {
		t.Errorf("header %+v, want the kid %s", header, want)
	}
	payload, err = signed.Verify(find(t, all, p, a, true))
	if err != nil {
		t.Fatal(err)
	}
	return payload, header.ExtraHeaders["zip"] == "DEF"
}

func joseDecrypt(t *testing.T, all []Key, p Purpose, a Algorithm, text string) []byte {
	t.Helper()
	sealed, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.KeyAlgorithm(a)}, []jose.ContentEncryption{jose.A128CBC_HS256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := sealed.Decrypt(find(t, all, p, a, false))
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
