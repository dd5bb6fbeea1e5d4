// Package seal encrypts records that lie on a disk: AES-256-GCM under keys that
// are derived from one secret, one for each purpose and process.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	saltLen  = 16
	nonceLen = 12
	// MinSecret is the least length of a secret, in bytes.
	MinSecret = 32
	// Overhead is how many bytes longer than its content a sealed record is.
	Overhead = saltLen + 8 + 16
	// maxOpeners bounds how many keys of earlier processes are kept ready.
	maxOpeners = 64
)

// ErrOpen says that a record was not sealed under this secret, for this place,
// or has been changed.
var ErrOpen = errors.New("wrong key, or changed since it was written")

// Derive returns the key of one purpose.
func Derive(secret []byte, purpose string, length int) ([]byte, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("a key of %d bytes is shorter than %d", len(secret), MinSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "sojourn cts "+purpose, length)
	if err != nil {
		return nil, fmt.Errorf("derive %s key: %w", purpose, err)
	}
	return key, nil
}

// A Box seals and opens the records of one purpose. Each process seals under a
// fresh key (its salt stands in every record) with a counter as nonce, so that
// no number of records uses a nonce twice.
//
//	salt (16) | counter (8) | ciphertext | tag (16)
type Box struct {
	secret  []byte
	salt    [saltLen]byte
	own     cipher.AEAD
	counter atomic.Uint64

	mu      sync.Mutex
	openers map[[saltLen]byte]cipher.AEAD
}

// New returns the box for a purpose.
func New(secret []byte, purpose string) (*Box, error) {
	key, err := Derive(secret, purpose, sha256.Size)
	if err != nil {
		return nil, err
	}
	b := &Box{secret: key, openers: map[[saltLen]byte]cipher.AEAD{}}
	if _, err := rand.Read(b.salt[:]); err != nil {
		return nil, fmt.Errorf("salt: %w", err)
	}
	b.own, err = b.opener(b.salt)
	return b, err
}

func (b *Box) opener(salt [saltLen]byte) (cipher.AEAD, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if aead, ok := b.openers[salt]; ok {
		return aead, nil
	}
	key, err := hkdf.Key(sha256.New, b.secret, salt[:], "record", 32)
	if err != nil {
		return nil, fmt.Errorf("derive record key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("record cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("record cipher: %w", err)
	}
	if len(b.openers) >= maxOpeners {
		clear(b.openers)
	}
	b.openers[salt] = aead
	return aead, nil
}

// Seal appends the sealed form of plain to dst. place binds it to where it
// lies; Open must name the same.
func (b *Box) Seal(dst, plain, place []byte) []byte {
	var nonce [nonceLen]byte
	binary.BigEndian.PutUint64(nonce[4:], b.counter.Add(1))
	dst = append(dst, b.salt[:]...)
	dst = append(dst, nonce[4:]...)
	return b.own.Seal(dst, nonce[:], plain, place)
}

// Open appends the content of a sealed record to dst, or returns ErrOpen.
func (b *Box) Open(dst, sealed, place []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return dst, ErrOpen
	}
	aead, err := b.opener([saltLen]byte(sealed))
	if err != nil {
		return dst, err
	}
	var nonce [nonceLen]byte
	copy(nonce[4:], sealed[saltLen:])
	plain, err := aead.Open(dst, nonce[:], sealed[saltLen+8:], place)
	if err != nil {
		return dst, ErrOpen
	}
	return plain, nil
}
