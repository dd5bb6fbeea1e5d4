package identity

import (
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // PBKDF2 with SHA-1 is what old directories hold, and it is verified only
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"time"
)

// digestKind is a hash function below PBKDF2.
type digestKind int

const (
	sha1Digest digestKind = iota
	sha256Digest
	sha512Digest
)

func (d digestKind) size() int {
	switch d {
	case sha1Digest:
		return sha1.Size
	case sha256Digest:
		return sha256.Size
	default:
		return sha512.Size
	}
}

// round is what one iteration takes.
func (d digestKind) round() time.Duration {
	if d == sha512Digest {
		return 500 * time.Nanosecond
	}
	return 200 * time.Nanosecond
}

// pbkdf2Hash holds either textual form. The digest is always as long as the
// hash function's output: one block of PBKDF2, so that iterations are the work.
type pbkdf2Hash struct {
	kind         digestKind
	iterations   uint32
	salt, digest []byte
}

// parsePasslibPBKDF2 reads "$pbkdf2-sha256$29000$<salt>$<digest>", where base64
// has no padding and "." for "+"; "$pbkdf2$" alone means SHA-1.
func parsePasslibPBKDF2(text string) (scheme, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, fmt.Errorf("%w: want $pbkdf2-sha256$iterations$salt$digest", ErrHash)
	}
	kind := sha1Digest
	switch parts[1] {
	case "pbkdf2-sha256":
		kind = sha256Digest
	case "pbkdf2-sha512":
		kind = sha512Digest
	}
	plus := strings.NewReplacer(".", "+")
	salt, digest, err := saltAndDigest(plus.Replace(parts[3]), plus.Replace(parts[4]))
	if err != nil {
		return nil, err
	}
	return newPBKDF2(kind, parts[2], salt, digest)
}

// parseDirectoryPBKDF2 reads "10000:<base64 of digest and salt>", as ForgeRock
// and Ping directories store it: the digest comes first.
func parseDirectoryPBKDF2(text string, kind digestKind) (scheme, error) {
	iterations, encoded, ok := strings.Cut(text, ":")
	if !ok {
		return nil, fmt.Errorf("%w: want {PBKDF2…}iterations:base64", ErrHash)
	}
	both, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: digest and salt are not base64", ErrHash)
	}
	size := kind.size()
	if len(both) < size+minSalt || len(both) > size+maxSalt {
		return nil, fmt.Errorf("%w: %d bytes of digest and salt, want %d to %d",
			ErrHash, len(both), size+minSalt, size+maxSalt)
	}
	return newPBKDF2(kind, iterations, both[size:], both[:size])
}

func newPBKDF2(kind digestKind, iterations string, salt, digest []byte) (scheme, error) {
	n, err := decimal(iterations)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("%w: the iterations are not a plain number above zero", ErrHash)
	}
	if len(digest) != kind.size() {
		return nil, fmt.Errorf("%w: a digest of %d bytes, want %d", ErrHash, len(digest), kind.size())
	}
	return pbkdf2Hash{kind: kind, iterations: n, salt: salt, digest: digest}, nil
}

func (h pbkdf2Hash) cost() Cost {
	return Cost{Memory: 4 << 10, Time: times(float64(h.iterations), h.kind.round())}
}

func (h pbkdf2Hash) longest() int { return MaxPassword }

func (h pbkdf2Hash) verify(password Secret, _ Argon2id) (bool, error) {
	got, err := h.derive(string(password))
	if err != nil {
		return false, fmt.Errorf("derive with PBKDF2: %w", err)
	}
	return subtle.ConstantTimeCompare(got, h.digest) == 1, nil
}

func (h pbkdf2Hash) derive(password string) ([]byte, error) {
	var function func() hash.Hash
	switch h.kind {
	case sha1Digest:
		function = sha1.New
	case sha256Digest:
		function = sha256.New
	case sha512Digest:
		function = sha512.New
	}
	return pbkdf2.Key(function, password, h.salt, int(h.iterations), len(h.digest))
}
