package server

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// body gives a request's bytes to its handler: no more than the limit
// (*http.MaxBytesError), and no later than the time allowed (a timeout error,
// os.ErrDeadlineExceeded). While it waits for the client its request is not
// counted as in flight, so that slow senders take no places; how many wait is
// bounded by the cap on connections.
type body struct {
	io.ReadCloser
	exchange *exchange
	counted  *atomic.Int64 // nil when the request is not counted
	allowed  time.Duration
	state    bodyState
}

type bodyState int

const (
	untouched bodyState = iota
	arriving
	ended
)

func (b *body) Read(p []byte) (int, error) {
	if b.state == untouched {
		b.state = arriving
		b.deadline(time.Now().Add(b.allowed))
	}
	if b.counted != nil {
		b.counted.Add(-1)
	}
	n, err := b.ReadCloser.Read(p)
	if b.counted != nil {
		b.counted.Add(1)
	}
	if err == io.EOF && b.state == arriving { //nolint:errorlint // io.Reader's contract
		b.state = ended
		// net/http goes on reading to notice a client that leaves: a deadline
		// that is left standing would look like one.
		b.deadline(time.Time{})
	}
	return n, err
}

func (b *body) deadline(t time.Time) {
	_ = http.NewResponseController(b.exchange.ResponseWriter).SetReadDeadline(t)
}
