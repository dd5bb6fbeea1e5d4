package bench

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/bcrypt"

	"sojourn/actors/identity"
)

// known is the password of the users that bench imports.
const known identity.Secret = "bench knows this password"

// CheapHash makes a bcrypt hash of cost 4, the least there is, with its
// password: that of the user who logs in, and what the echo server verifies.
func CheapHash() (identity.Hash, identity.Secret, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(known), bcrypt.MinCost)
	if err != nil {
		return "", "", fmt.Errorf("make the cheap hash: %w", err)
	}
	return identity.Hash(hash), known, nil
}

// LeastHash makes a hash that costs a microsecond, PBKDF2 of one round, with its
// password: that of the user whose logins are counted as writes.
func LeastHash() (identity.Hash, identity.Secret, error) {
	salt := []byte(rand.Text())
	digest, err := pbkdf2.Key(sha256.New, string(known), salt, 1, sha256.Size)
	if err != nil {
		return "", "", fmt.Errorf("make the least hash: %w", err)
	}
	return identity.Hash("{PBKDF2-HMAC-SHA256}1:" + base64.StdEncoding.EncodeToString(append(digest, salt...))), known, nil
}
