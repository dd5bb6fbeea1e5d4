package bench

import (
	"encoding/json"
	"net/http"

	"sojourn/actors/identity"
)

// hashPath is where the echo server verifies a hash before it echoes.
const hashPath = "/hash"

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
