package identity

import (
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/scrypt"
)

// scryptHash is "$scrypt$ln=17,r=8,p=1$<salt>$<digest>", as passlib writes it.
type scryptHash struct {
	ln, r, p     uint32
	salt, digest []byte
}

// Bounds on ln, and on r times p: they keep the products below free of
// overflow, and the PBKDF2 at both ends of scrypt small beside its middle.
const (
	scryptMaxLn      = 30
	scryptMaxProduct = 1 << 10
	scryptBlock      = 128 // bytes, for each of N times r
	scryptMix        = 260 * time.Nanosecond
)

func parseScrypt(text string) (scheme, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, fmt.Errorf("%w: want $scrypt$ln=…,r=…,p=…$salt$digest", ErrHash)
	}
	n, err := phcParams(parts[2], "ln", "r", "p")
	if err != nil {
		return nil, err
	}
	h := scryptHash{ln: n[0], r: n[1], p: n[2]}
	if h.ln < 1 || h.ln > scryptMaxLn || h.r < 1 || h.p < 1 || uint64(h.r)*uint64(h.p) > scryptMaxProduct {
		return nil, fmt.Errorf("%w: want ln of 1 to %d, and r and p of 1 to %d together",
			ErrHash, scryptMaxLn, scryptMaxProduct)
	}
	h.salt, h.digest, err = saltAndDigest(parts[3], parts[4])
	return h, err
}

func (h scryptHash) cost() Cost {
	blocks := int64(h.r) << h.ln
	return Cost{
		Memory: (blocks + int64(h.r)*int64(h.p)) * scryptBlock,
		Time:   times(float64(blocks)*float64(h.p), scryptMix),
	}
}

func (h scryptHash) longest() int { return MaxPassword }

func (h scryptHash) verify(password Secret, _ Argon2id) (bool, error) {
	got, err := scrypt.Key([]byte(password), h.salt, 1<<h.ln, int(h.r), int(h.p), len(h.digest))
	if err != nil {
		return false, fmt.Errorf("derive with scrypt: %w", err)
	}
	return subtle.ConstantTimeCompare(got, h.digest) == 1, nil
}
