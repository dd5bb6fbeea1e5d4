package rest_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"sojourn/actors/journey"
	"sojourn/http/rest"
)

// discard is the cheapest ResponseWriter: what remains is the handler's cost.
type discard struct {
	header http.Header
	status int
	bytes  int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { d.bytes += len(b); return len(b), nil }

func benchmark(b *testing.B, reply journey.Reply, body string, status int) {
	b.Helper()
	s := newStand(b)
	s.cfg.Sealer = newSealer(b, 1)
	s.cfg.Log = slog.New(slog.DiscardHandler)
	s.replies(reply, nil)
	h, err := rest.New(s.cfg)
	if err != nil {
		b.Fatal(err)
	}
	r := s.request(start, body)
	reader := strings.NewReader(body)
	if body != "" {
		r.Body = io.NopCloser(reader)
	}
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		reader.Reset(body)
		h.ServeHTTP(w, r)
		if w.status != status {
			b.Fatalf("status %d", w.status)
		}
	}
}

func BenchmarkStart(b *testing.B) { benchmark(b, step(), "", http.StatusOK) }

func BenchmarkSuccess(b *testing.B) {
	body := `{"authId":"` + string(signed(b, ref())) + `","callbacks":[` +
		`{"type":"NameCallback","output":[{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":"bjensen"}],"_id":0},` +
		`{"type":"PasswordCallback","output":[{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken2","value":"hunter2"}],"_id":1}],` +
		`"stage":"UsernamePassword","status":200,"ok":true}`
	benchmark(b, done(journey.Done{Success: true, URL: "/am/console"}), body, http.StatusOK)
}

// BenchmarkStep is one step of a journey in memory, BenchmarkCarried of one that
// its client carries, whose state is of a usual size.
func BenchmarkStep(b *testing.B) { benchmarkStep(b, ref()) }

func BenchmarkCarried(b *testing.B) { benchmarkStep(b, carriedRef(strings.Repeat("state ", 100))) }

func benchmarkStep(b *testing.B, r journey.Ref) {
	b.Helper()
	s := newStand(b)
	s.cfg.Sealer = newSealer(b, 1)
	reply := step()
	reply.Ref = r
	s.replies(reply, nil)
	text := authIDIn(b, s.do(s.request(start, "")).Body.Bytes())
	benchmark(b, reply, `{"authId":"`+text+`"}`, http.StatusOK)
}

func BenchmarkFailure(b *testing.B) {
	benchmark(b, done(journey.Done{}), "", http.StatusUnauthorized)
}
