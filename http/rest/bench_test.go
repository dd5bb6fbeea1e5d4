package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// The two benchmarks differ in nothing but the handler: the same body, the same
// bare ResponseWriter. Compare them in one run:
//
//	go test -run '^$' -bench 'Validate|Echo' -benchmem ./http/rest

// sink is a ResponseWriter that costs next to nothing. Its header is new for
// each request, as net/http's is.
type sink struct {
	header http.Header
	n      int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { s.n += len(p); return len(p), nil }

// echoed is a small body of the size of a session call.
type echoed struct {
	TokenID string `json:"tokenId"`
}

// echoJSON is the yardstick: net/http, JSON in, JSON out.
func echoJSON(w http.ResponseWriter, r *http.Request) {
	var body echoed
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func benchmark(b *testing.B, h http.Handler, r *rig) {
	b.Helper()
	token, _ := r.login("/", "demo")
	body := []byte(bodyOf(token))
	q, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/am/json/realms/root/sessions?_action=validate", nil)
	if err != nil {
		b.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept-API-Version", "resource=4.0, protocol=1.0")
	q.ContentLength = int64(len(body))
	reader := bytes.NewReader(body)
	q.Body = io.NopCloser(reader)
	w := &sink{}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		w.header = make(http.Header, 4)
		h.ServeHTTP(w, q)
	}
	if w.n == 0 {
		b.Fatal("no answer")
	}
}

func BenchmarkValidate(b *testing.B) {
	r := newRig(b)
	benchmark(b, r.h, r)
}

func BenchmarkEcho(b *testing.B) {
	benchmark(b, http.HandlerFunc(echoJSON), newRig(b))
}
