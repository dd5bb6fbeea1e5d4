package bench

import (
	"encoding/json"
	"net/http"
)

// EchoHandler is the yardstick: it decodes a JSON body of any shape, encodes it
// again, and does nothing else.
func EchoHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v any
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAnswer)).Decode(&v); err != nil {
			http.Error(w, "body is not JSON", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the client is gone; it will notice
	})
}
