package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// records is a log whose lines a test can look at.
type records struct {
	mu    sync.Mutex
	lines []string
	found chan struct{} // closed and renewed with each line
}

func newRecords() *records { return &records{found: make(chan struct{})} }

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, string(b))
	close(r.found)
	r.found = make(chan struct{})
	return len(b), nil
}

func (r *records) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "")
}

// await waits for a line that holds all the words.
func (r *records) await(t testing.TB, words ...string) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		found := r.found
		for _, line := range r.lines {
			if containsAll(line, words) {
				r.mu.Unlock()
				return
			}
		}
		r.mu.Unlock()
		select {
		case <-found:
		case <-late:
			t.Fatalf("no line with %q in the log:\n%s", words, r.text())
		}
	}
}

func containsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

func seed(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

func derived(t testing.TB, seedByte byte, member string) *Credentials {
	t.Helper()
	c, err := Derived(seed(seedByte), member, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

type member struct {
	*Link
	log *records
}

// start runs a member on loopback whose cluster secret is the given byte.
func start(t testing.TB, name string, secret byte) *member {
	t.Helper()
	log := newRecords()
	l, err := New(Config{
		Listener: listen(t),
		TLS:      derived(t, secret, name),
		Member:   name,
		Slow:     10, // a busy machine under the race detector; sim_test.go has the times
		Log:      slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(t.Output(), "--- log of %s\n%s", name, log.text())
	})
	return &member{l, log}
}

func (m *member) addr() string { return m.Addr().String() }

func echo(_ context.Context, from string, body []byte) ([]byte, error) {
	return append([]byte(from+":"), body...), nil
}

func TestCallAnswers(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 1)
	b.Handle(1, echo)
	for _, body := range []string{"", "hello", strings.Repeat("x", MaxBody-2)} {
		got, err := a.Call(t.Context(), b.addr(), 1, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != "a:"+body {
			t.Errorf("answer of %d bytes to %d", len(got), len(body))
		}
	}
}

func TestCallOneself(t *testing.T) {
	a := start(t, "a", 1)
	a.Handle(1, echo)
	if got, err := a.Call(t.Context(), a.addr(), 1, []byte("me")); err != nil || string(got) != "a:me" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestStreams(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 1)
	for _, k := range []Kind{Gossip, Raft} {
		ln := b.Listen(k)
		out, err := a.Dial(t.Context(), k, b.addr())
		if err != nil {
			t.Fatal(err)
		}
		in, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(k.String())); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 16)
		n, err := in.Read(got)
		if err != nil || string(got[:n]) != k.String() {
			t.Errorf("got %q, %v", got[:n], err)
		}
		if err := in.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if _, err := in.Read(got); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("read past the deadline: %v", err)
		}
		for _, c := range []net.Conn{in, out} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
