package keyring

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"sojourn/cts/clientside"
)

// Derive returns the key of a label, size bytes, always the same. Keys of two
// labels tell nothing about each other.
type Derive func(label string, size int) []byte

// Labels of derived keys. One that changes makes everything worthless that its
// keys protect, so they never do.
const (
	labelAuthID    = "sojourn/1/authid-signing"
	labelTokenMark = "sojourn/1/token-mark"
	labelTokens    = "sojourn/1/client-side/" // purpose and algorithm follow
	labelSealing   = "sojourn/1/private-keys"
)

// secretSize is the length of the keys of AuthID and TokenMark, in bytes.
const secretSize = 32

// Secrets are the keys of AuthID or TokenMark at a time. They print as
// [redacted].
type Secrets struct {
	Active []byte
	// Others are accepted.
	Others [][]byte
}

const redacted = "[redacted]"

// Format writes [redacted] for every verb, so that no format shows the bytes.
func (Secrets) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }
func (Secrets) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secrets) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Secrets derives the keys of p, which is AuthID or TokenMark.
func (r Ring) Secrets(p Purpose, derive Derive, now time.Time) Secrets {
	label := labelAuthID
	if p == TokenMark {
		label = labelTokenMark
	}
	var s Secrets
	for _, g := range r.Accepted(now) {
		key := derive(generationOf(label, g.Number), secretSize)
		if g.Number == r.Active {
			s.Active = key
		} else {
			s.Others = append(s.Others, key)
		}
	}
	return s
}

// generationOf is the label of a generation. That of the first is what it was
// when there was no other.
func generationOf(label string, number uint32) string {
	if number == 1 {
		return label
	}
	return label + "/" + strconv.FormatUint(uint64(number), 10)
}

// ClientSide returns the keys of client-side tokens in the ring of p.
func (r Ring) ClientSide(p Purpose, derive Derive, now time.Time) ([]clientside.Key, error) {
	tokens, algorithms := p.Tokens()
	var all []clientside.Key
	for _, g := range r.Accepted(now) {
		for _, a := range algorithms {
			k := clientside.Key{Purpose: tokens, Algorithm: a, Generation: g.Number, Active: g.Number == r.Active}
			if size := a.SecretSize(); size > 0 {
				k.Secret = derive(generationOf(labelTokens+tokens.String()+"/"+string(a), g.Number), size)
			} else if sealed := g.Private[a]; len(sealed) > 0 {
				private, err := unseal(derive, k.ID(), sealed)
				if err != nil {
					return nil, fmt.Errorf("private key %s: %w", k.ID(), err)
				}
				k.Private = private
			} else {
				continue
			}
			all = append(all, k)
		}
	}
	return all, nil
}

// rsaBits is the length of new RSA keys: 128 bits of strength (NIST SP 800-57).
const rsaBits = 3072

// MakePrivate makes a private key for an algorithm of the purpose's next
// generation, sealed. An RSA key takes a second or so.
func (r Ring) MakePrivate(p Purpose, a clientside.Algorithm, derive Derive, random io.Reader) ([]byte, error) {
	var private crypto.Signer
	var err error
	switch a {
	case clientside.RS256, clientside.OAEP:
		private, err = rsa.GenerateKey(random, rsaBits)
	case clientside.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), random)
	case clientside.ES384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), random)
	case clientside.ES512:
		private, err = ecdsa.GenerateKey(elliptic.P521(), random)
	default:
		return nil, fmt.Errorf("%s has no private key", a)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key for %s: %w", a, err)
	}
	tokens, _ := p.Tokens()
	k := clientside.Key{Purpose: tokens, Algorithm: a, Generation: r.Next()}
	return seal(derive, k.ID(), private, random)
}

// A sealed key is a version byte, a nonce, and the key in PKCS #8, encrypted
// with AES-256-GCM under a derived key; the key's id is authenticated with it.
const (
	sealVersion = 1
	nonceSize   = 12
)

var errSealed = errors.New("it is not sealed by this cluster")

func sealing(derive Derive) (cipher.AEAD, error) {
	block, err := aes.NewCipher(derive(labelSealing, secretSize))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func seal(derive Derive, id string, private crypto.Signer, random io.Reader) ([]byte, error) {
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	gcm, err := sealing(derive)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 1+nonceSize, 1+nonceSize+len(plain)+gcm.Overhead())
	out[0] = sealVersion
	if _, err := io.ReadFull(random, out[1:]); err != nil {
		return nil, err
	}
	return gcm.Seal(out, out[1:], plain, []byte(id)), nil
}

func unseal(derive Derive, id string, sealed []byte) (crypto.Signer, error) {
	if len(sealed) < 1+nonceSize || sealed[0] != sealVersion {
		return nil, errSealed
	}
	gcm, err := sealing(derive)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, sealed[1:1+nonceSize], sealed[1+nonceSize:], []byte(id))
	if err != nil {
		return nil, errSealed
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errSealed
	}
	private, ok := key.(crypto.Signer)
	if !ok {
		return nil, errSealed
	}
	return private, nil
}
