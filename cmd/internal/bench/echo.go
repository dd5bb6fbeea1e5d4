package bench

import (
	"encoding/json"
	"fmt"
	"net/http"

	"golang.org/x/crypto/bcrypt"

	"sojourn/actors/identity"
)

// hashPath is where the echo server verifies a hash before it echoes.
const hashPath = "/hash"

// CheapHash makes a bcrypt hash of cost 4, the least there is, with its
// password: that of the user who logs in, and what the echo server verifies.
func CheapHash() (identity.Hash, identity.Secret, error) {
	const password = "bench knows this password"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return "", "", fmt.Errorf("make the cheap hash: %w", err)
	}
	return identity.Hash(hash), password, nil
}

// EchoHandler is the yardstick: it decodes a JSON body of any shape, encodes it
// again, and does nothing else. Below /hash it verifies password against hash
// first, so that the difference is what the hash costs in a process that serves.
func EchoHandler(hash identity.Hash, password identity.Secret) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v any
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAnswer)).Decode(&v); err != nil {
			http.Error(w, "body is not JSON", http.StatusBadRequest)
			return
		}
		if r.URL.Path == hashPath {
			if ok, err := identity.Verify(hash, password); err != nil || !ok {
				http.Error(w, "the hash does not match its password", http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the client is gone; it will notice
	})
}
