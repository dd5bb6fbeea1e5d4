package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sojourn/http/server"
)

func TestStopWaitsForRequests(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(c *server.Config) {
		c.Mounts[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			_, _ = io.WriteString(w, "done")
		})
	})
	silent, idle := r.dial(), r.dial()
	send(t, idle, "GET /am/x HTTP/1.1\r\nHost: a\r\n\r\n")
	answer(t, bufio.NewReader(idle))
	busy := r.dial()
	send(t, busy, "GET /am/json/x HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	r.stop()
	began := time.Now()
	cut(t, silent)
	cut(t, idle)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("connections without a request were closed after %s", took)
	}
	if c, err := net.Dial("tcp", r.addr); err == nil { //nolint:noctx // loopback
		_ = c.Close()
		t.Error("a stopping server accepts connections")
	}
	close(release)
	resp, body := answer(t, bufio.NewReader(busy))
	if resp.StatusCode != 200 || body != "done" || !resp.Close {
		t.Errorf("got %d %q, Close %t", resp.StatusCode, body, resp.Close)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestStopCutsWhatDoesNotEnd(t *testing.T) {
	entered := make(chan struct{})
	cause := make(chan error, 1)
	r := start(t, func(c *server.Config) {
		c.Limits.DrainTime = 50 * time.Millisecond
		c.Mounts[0].Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			cause <- context.Cause(r.Context())
		})
	})
	c := r.dial()
	send(t, c, "GET /am/json/x HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	r.stop()
	if err := <-cause; !errors.Is(err, server.ErrServerClosed) {
		t.Errorf("cause %v", err)
	}
	if err := <-r.done; err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("Run: %v", err)
	}
}
