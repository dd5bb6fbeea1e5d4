package identity

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// bcryptHash is "$2b$12$" with 22 characters of salt and 31 of digest.
type bcryptHash struct {
	text   []byte
	rounds int // log2
}

// Shape of a bcrypt hash, and what the function takes.
const (
	bcryptLength    = 60
	bcryptDigestAt  = 29
	bcryptSaltAt    = 7
	bcryptPassword  = 72 // bytes of a password that bcrypt reads
	bcryptMemory    = 4 << 10
	bcryptRound     = 62 * time.Microsecond
	bcryptAlphabet  = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	bcryptMaxRounds = 31
)

func parseBcrypt(text string) (scheme, error) {
	if len(text) != bcryptLength || text[:2] != "$2" || text[3] != '$' || text[6] != '$' {
		return nil, fmt.Errorf("%w: want $2b$, two digits of cost, $ and 53 characters", ErrHash)
	}
	if !strings.Contains("aby", text[2:3]) {
		return nil, fmt.Errorf("%w: want bcrypt as $2a, $2b or $2y", ErrHash)
	}
	tens, ones := text[4]-'0', text[5]-'0'
	rounds := int(tens)*10 + int(ones)
	if tens > 9 || ones > 9 || rounds < bcrypt.MinCost || rounds > bcryptMaxRounds {
		return nil, fmt.Errorf("%w: want a bcrypt cost of %02d to %d", ErrHash, bcrypt.MinCost, bcryptMaxRounds)
	}
	// Some makers leave rubbish in the unused bits of the salt, which do no
	// harm. In the digest they would match no password ever.
	alphabet := base64.NewEncoding(bcryptAlphabet).WithPadding(base64.NoPadding)
	if _, err := alphabet.DecodeString(text[bcryptSaltAt:bcryptDigestAt]); err != nil {
		return nil, fmt.Errorf("%w: the salt is not bcrypt's base64", ErrHash)
	}
	if _, err := alphabet.Strict().DecodeString(text[bcryptDigestAt:]); err != nil {
		return nil, fmt.Errorf("%w: the digest is not bcrypt's base64", ErrHash)
	}
	return bcryptHash{text: []byte(text), rounds: rounds}, nil
}

func (h bcryptHash) cost() Cost {
	return Cost{Memory: bcryptMemory, Time: times(float64(int64(1)<<h.rounds), bcryptRound)}
}

func (h bcryptHash) longest() int { return bcryptPassword }

func (h bcryptHash) verify(password Secret, _ Argon2id) (bool, error) {
	err := bcrypt.CompareHashAndPassword(h.text, []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare with bcrypt: %w", err)
	}
	return true, nil
}
