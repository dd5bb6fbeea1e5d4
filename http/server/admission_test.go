package server_test

import (
	"bufio"
	"net/http"
	"testing"

	"sojourn/http/server"
)

// Some places are kept from requests that begin something.
func TestReservedPlaces(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(c *server.Config) {
		c.Limits.InFlight, c.Limits.Reserved = 3, 1
		c.Mounts = []server.Mount{
			{Path: "/json/begin", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !server.Begins(r.Context()) {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				entered <- struct{}{}
				<-release
			})},
			{Path: "/json/go-on", Handler: http.HandlerFunc(echo)},
		}
	})
	ask := func(path string) *bufio.Reader {
		c := r.dial()
		send(t, c, "GET /am"+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		return bufio.NewReader(c)
	}
	var begun []*bufio.Reader
	for range 2 {
		begun = append(begun, ask("/json/begin"))
		<-entered
	}
	if resp, _ := answer(t, ask("/json/begin")); resp.StatusCode != 503 {
		t.Errorf("one too many begins: %d", resp.StatusCode)
	}
	if resp, _ := answer(t, ask("/json/go-on")); resp.StatusCode != 200 {
		t.Errorf("one that goes on: %d", resp.StatusCode)
	}
	if m := r.server.Metrics(); m.InFlight != 2 || m.RefusedBegins != 1 || m.Refused != 0 {
		t.Errorf("%+v", m)
	}
	close(release)
	for _, waiting := range begun {
		if resp, _ := answer(t, waiting); resp.StatusCode != 200 {
			t.Errorf("one that began: %d", resp.StatusCode)
		}
	}
	if !server.Begins(t.Context()) {
		t.Error("outside of a request nothing is full")
	}
}
