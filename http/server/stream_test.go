package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"sojourn/http/server"
)

// lasting answers with a first line, and ends when the stream does, of which it
// tells the cause.
func lasting(ended chan<- error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := server.Stream(r.Context(), r.URL.Query().Has("preferred"))
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if _, limited := ctx.Deadline(); limited || server.TransactionID(ctx) == "" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "on\n")
		_ = http.NewResponseController(w).Flush()
		<-ctx.Done()
		_, _ = io.WriteString(w, "off\n")
		ended <- context.Cause(ctx)
	})
}

const streamRequest = "GET /am/json/x HTTP/1.1\r\nHost: a\r\n\r\n"

// stream opens one and returns what comes after its first line.
func (r *running) stream() (io.Closer, *bufio.Reader) {
	r.t.Helper()
	c := r.dial()
	send(r.t, c, streamRequest)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); resp.StatusCode != 200 || line != "on\n" || err != nil {
		r.t.Fatalf("the stream began with %d %q, %v", resp.StatusCode, line, err)
	}
	return c, lines
}

// A stream outlives the times of a request, takes no place of one, and ends at
// once when the server stops.
func TestStreamLasts(t *testing.T) {
	ended := make(chan error, 1)
	r := start(t, func(c *server.Config) {
		c.Limits.InFlight, c.Limits.Reserved = 1, 0
		c.Limits.RequestTime, c.Limits.WriteTime = 20*time.Millisecond, 40*time.Millisecond
		c.Mounts[0].Handler = lasting(ended)
	})
	_, lines := r.stream()
	_, others := r.stream() // there is one place for requests, and it is free
	if m := r.server.Metrics(); m.InFlight != 0 || m.Streams != 2 {
		t.Errorf("with two streams: %+v", m)
	}
	select {
	case err := <-ended:
		t.Fatalf("a stream ended by itself: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	began := time.Now()
	r.stop()
	for _, rest := range []*bufio.Reader{lines, others} {
		if err := <-ended; !errors.Is(err, server.ErrServerClosed) {
			t.Errorf("the stream ended with %v", err)
		}
		if line, err := rest.ReadString('\n'); line != "off\n" || err != nil {
			t.Errorf("the last line is %q, %v", line, err)
		}
	}
	if err := <-r.done; err != nil || time.Since(began) > 3*time.Second {
		t.Errorf("Run: %v after %v", err, time.Since(began))
	}
	if m := r.server.Metrics(); m.Streams != 0 || m.InFlight != 0 {
		t.Errorf("after the end: %+v", m)
	}
}

// One stream more than the limit is refused, and a place is free again when a
// client leaves.
func TestStreamsAreLimited(t *testing.T) {
	ended := make(chan error, 2)
	r := start(t, func(c *server.Config) {
		c.Limits.Streams = 1
		c.Mounts[0].Handler = lasting(ended)
	})
	first, _ := r.stream()
	c := r.dial()
	send(t, c, streamRequest)
	if resp, _ := answer(t, bufio.NewReader(c)); resp.StatusCode != 503 {
		t.Errorf("the second stream: %d", resp.StatusCode)
	}
	_ = first.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the client left, and the stream ended with %v", err)
	}
	for end := time.Now().Add(5 * time.Second); r.server.Metrics().Streams > 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the place of a client that left is not free")
		}
	}
	r.stream()
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// The last quarter is kept for those who are preferred.
func TestStreamsForThePreferred(t *testing.T) {
	ended := make(chan error, 4)
	r := start(t, func(c *server.Config) {
		c.Limits.Streams = 4
		c.Mounts[0].Handler = lasting(ended)
	})
	for range 3 {
		r.stream()
	}
	for _, tt := range []struct {
		path string
		want int
	}{{"x", 503}, {"x?preferred", 200}, {"x?preferred", 503}} {
		c := r.dial()
		send(t, c, "GET /am/json/"+tt.path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.path, resp.StatusCode, tt.want)
		}
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// Without a server there is nothing to lift.
func TestStreamOutsideOfARequest(t *testing.T) {
	if ctx, err := server.Stream(t.Context(), false); err != nil || ctx != t.Context() {
		t.Errorf("got another context, %v", err)
	}
}
