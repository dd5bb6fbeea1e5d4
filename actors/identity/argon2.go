package identity

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// Params are the parameters of argon2id, which new hashes are made with.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes over the memory
	Threads uint8  // lanes
}

// DefaultParams is OWASP's first choice for argon2id (Password Storage Cheat
// Sheet): 19 MiB, two passes, one lane. It takes about 25 ms on one core.
func DefaultParams() Params { return Params{Memory: 19456, Time: 2, Threads: 1} }

// Check reports whether hashes can be made with p, by the limits of RFC 9106
// (ErrHash) and by MaxCost (ErrCost).
func (p Params) Check() error {
	if p.Time < 1 || p.Threads < 1 || p.Memory < 8*uint32(p.Threads) {
		return fmt.Errorf("%w: argon2 wants a pass, a lane and 8 KiB of memory a lane at least", ErrHash)
	}
	return p.cost().check()
}

// Argon2id derives size bytes from a password with argon2id.
type Argon2id func(p Params, password, salt []byte, size uint32) []byte

// idKey is an Argon2id in memory of its own.
func idKey(p Params, password, salt []byte, size uint32) []byte {
	return argon2.IDKey(password, salt, p.Time, p.Memory, p.Threads, size)
}

// argon2Pass is what one pass over one KiB takes.
const argon2Pass = 650 * time.Nanosecond

func (p Params) cost() Cost {
	return Cost{
		Memory: int64(p.Memory) << 10,
		Time:   times(float64(p.Memory)*float64(p.Time), argon2Pass),
	}
}

// times is n times d, or a year where it is more.
func times(n float64, d time.Duration) time.Duration {
	const year = 365 * 24 * time.Hour
	return time.Duration(min(n*float64(d), float64(year)))
}

// argon2Kind is a variant of argon2, as PHC strings name it.
type argon2Kind string

const (
	argon2id argon2Kind = "argon2id"
	argon2i  argon2Kind = "argon2i"
)

// argon2Hash is "$argon2id$v=19$m=19456,t=2,p=1$<salt>$<digest>".
type argon2Hash struct {
	kind         argon2Kind
	params       Params
	salt, digest []byte
}

func parseArgon2(text string) (scheme, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" {
		return nil, fmt.Errorf("%w: want $argon2id$v=19$m=…,t=…,p=…$salt$digest", ErrHash)
	}
	kind := argon2Kind(parts[1])
	if kind != argon2id && kind != argon2i {
		return nil, fmt.Errorf("%w: want argon2id or argon2i", ErrHash)
	}
	if parts[2] != "v=19" {
		return nil, fmt.Errorf("%w: want argon2 version 19", ErrHash)
	}
	n, err := phcParams(parts[3], "m", "t", "p")
	if err != nil {
		return nil, err
	}
	lanes := n[2]
	if lanes > math.MaxUint8 {
		return nil, fmt.Errorf("%w: %d lanes, at most %d", ErrHash, lanes, math.MaxUint8)
	}
	h := argon2Hash{kind: kind, params: Params{Memory: n[0], Time: n[1], Threads: uint8(lanes)}}
	if err := h.params.Check(); err != nil {
		return nil, err
	}
	h.salt, h.digest, err = saltAndDigest(parts[4], parts[5])
	return h, err
}

func (h argon2Hash) cost() Cost { return h.params.cost() }

func (h argon2Hash) longest() int { return MaxPassword }

func (h argon2Hash) verify(password Secret, derive Argon2id) (bool, error) {
	p := h.params
	size := uint32(len(h.digest)) //nolint:gosec // at most maxDigest
	var got []byte
	if h.kind == argon2i {
		got = argon2.Key([]byte(password), h.salt, p.Time, p.Memory, p.Threads, size)
	} else {
		got = derive(p, []byte(password), h.salt, size)
	}
	return subtle.ConstantTimeCompare(got, h.digest) == 1, nil
}

// Sizes of what Make makes, in bytes (RFC 9106, section 4).
const madeSalt, madeDigest = 16, 32

func makeArgon2id(password Secret, p Params, rand io.Reader) (Hash, error) {
	salt := make([]byte, madeSalt)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return "", fmt.Errorf("read a salt: %w", err)
	}
	digest := idKey(p, []byte(password), salt, madeDigest)
	b64 := base64.RawStdEncoding
	return Hash(fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2id, argon2.Version,
		p.Memory, p.Time, p.Threads, b64.EncodeToString(salt), b64.EncodeToString(digest))), nil
}
