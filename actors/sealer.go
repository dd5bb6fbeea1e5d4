package actors

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"sojourn/cts/token"
)

// sealer encrypts what is kept of journeys outside memory: their secure state
// may hold passwords, and the store is on disk and in backups.
type sealer struct {
	box    cipher.AEAD
	secret []byte
	rand   io.Reader
}

// A sealed body is: version byte, nonce (24), ciphertext of XChaCha20-Poly1305,
// which any number of random nonces may be drawn for. Kind and id of the token
// belong to it, so that no token's body opens as another's.
const sealedVersion = 1

var errSealed = errors.New("what is sealed cannot be opened")

// newSealer derives the key from a secret of the cluster's.
func newSealer(secret []byte, rand io.Reader) (*sealer, error) {
	return sealerOf(secret, nil, rand)
}

// under is a sealer whose key cannot be made without id, of which there are 160
// random bits.
func (s *sealer) under(id string) (*sealer, error) { return sealerOf(s.secret, []byte(id), s.rand) }

func sealerOf(secret, salt []byte, rand io.Reader) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, secret, salt, "sojourn: journeys in the store", chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	box, err := chacha20poly1305.NewX(key)
	return &sealer{box, secret, rand}, err
}

func (s *sealer) seal(k token.Kind, id token.ID, plain []byte) ([]byte, error) {
	n := s.box.NonceSize()
	out := make([]byte, 1+n, 1+n+len(plain)+s.box.Overhead())
	out[0] = sealedVersion
	if _, err := io.ReadFull(s.rand, out[1:]); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return s.box.Seal(out, out[1:], plain, belongs(k, id)), nil //nolint:gosec // the nonce was just drawn
}

func (s *sealer) open(t token.Token) ([]byte, error) {
	n := 1 + s.box.NonceSize()
	if len(t.Body) < n || t.Body[0] != sealedVersion {
		return nil, errSealed
	}
	plain, err := s.box.Open(nil, t.Body[1:n], t.Body[n:], belongs(t.Kind, t.ID))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func belongs(k token.Kind, id token.ID) []byte { return append([]byte{byte(k)}, id[:]...) }
