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
	begun    bool
}

func (b *body) Read(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		// net/http takes the deadline away when it has seen the body's end.
		_ = http.NewResponseController(b.exchange.ResponseWriter).SetReadDeadline(time.Now().Add(b.allowed))
	}
	if b.counted != nil {
		b.counted.Add(-1)
	}
	n, err := b.ReadCloser.Read(p)
	if b.counted != nil {
		b.counted.Add(1)
	}
	return n, err
}
