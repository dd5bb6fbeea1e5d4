package clientside

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"sojourn/actors/realm"
)

// privates are made once for all tests: RSA keys take their time.
var privates = sync.OnceValue(func() map[string]crypto.Signer { //nolint:gochecknoglobals // never changed
	made := map[string]crypto.Signer{}
	for _, name := range []string{"one", "two"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		made[name] = key
	}
	return made
})

// secretOf is a key that is the same in every run.
func secretOf(label string, size int) []byte {
	var out []byte
	for i := 0; len(out) < size; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", label, i))
		out = append(out, sum[:]...)
	}
	return out[:size]
}

// keyFor makes the key of a purpose, an algorithm and a generation.
func keyFor(tb testing.TB, p Purpose, a Algorithm, generation uint32, active bool) Key {
	tb.Helper()
	k := Key{Purpose: p, Algorithm: a, Generation: generation, Active: active}
	var err error
	switch a {
	case RS256:
		k.Private = privates()["one"]
	case OAEP:
		k.Private = privates()["two"]
	case ES256, ES384, ES512:
		k.Private, err = ecdsa.GenerateKey(curve(a), rand.Reader)
	default:
		k.Secret = secretOf(k.ID(), a.SecretSize())
	}
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// allKeys has an active key for everything.
func allKeys(tb testing.TB) []Key {
	tb.Helper()
	var all []Key
	for _, p := range Purposes() {
		for _, a := range Algorithms() {
			all = append(all, keyFor(tb, p, a, 1, true))
		}
	}
	return all
}

func codec(tb testing.TB, all []Key) *Codec {
	tb.Helper()
	keys, err := NewKeys(all)
	if err != nil {
		tb.Fatal(err)
	}
	return New(func() *Keys { return keys }, rand.Reader)
}

// settings lists every way to seal that Check takes.
func settings() []realm.ClientSide {
	var all []realm.ClientSide
	for _, s := range []realm.Signing{realm.SigningNone, realm.HS256, realm.HS384, realm.HS512, realm.RS256, realm.ES256, realm.ES384, realm.ES512} {
		for _, e := range []realm.Encryption{realm.EncryptionNone, realm.Direct, realm.AESKeyWrap, realm.RSAEncryption} {
			for _, zip := range []bool{false, true} {
				how := realm.ClientSide{Signing: s, Encryption: e, Compression: zip}
				if Check(how) == nil {
					all = append(all, how)
				}
			}
		}
	}
	return all
}

func label(how realm.ClientSide) string {
	zip := ""
	if how.Compression {
		zip = "+DEF"
	}
	return string(how.Signing) + "+" + string(how.Encryption) + zip
}

func sample(p Purpose) Content {
	c := Content{
		ID: [16]byte{1, 2, 3, 0xfe}, Subject: "id=demo,ou=user,dc=am", Realm: "/alpha",
		Issued: time.Unix(1772359200, 0).UTC(), Expires: time.Unix(1772366400, 0).UTC(),
		Body: []byte("\x00\xffany bytes"),
	}
	if p == Session {
		c.Body = []byte(`{"maxtime":120,"maxidle":30,"maxcaching":3,"props":{"AMCtxId":"6d8a3f6e-1","Locale":"en_US","UserId":"demo"}}`)
	}
	return c
}
