package actors

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"

	"sojourn/actors/callback"
)

// digest tells whether two requests gave the same answers. It is keyed, so
// that a record holds nothing that a password could be guessed against.
type digest [16]byte

// digestOf is the digest of answers under key.
func digestOf(key []byte, answers []callback.Answer) (digest, error) {
	raw, err := json.Marshal(answers)
	if err != nil {
		return digest{}, err
	}
	h := hmac.New(sha256.New, key)
	h.Write(raw)
	return digest(h.Sum(nil)[:16]), nil
}
