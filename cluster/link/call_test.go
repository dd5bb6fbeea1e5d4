package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRemoteErrors(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 1)
	b.Handle(7, func(_ context.Context, _ string, body []byte) ([]byte, error) {
		switch string(body) {
		case "plain":
			return nil, errors.New("no such thing")
		case "coded":
			return nil, fmt.Errorf("wrapped: %w", &RemoteError{Code: 42, Text: "not leader"})
		case "long":
			return nil, errors.New(strings.Repeat("x", 2*maxText))
		case "large":
			return make([]byte, MaxBody+1), nil
		case "goexit":
			runtime.Goexit()
		case "panic":
			panic("the password is hunter2")
		case "index":
			return body[99:], nil
		}
		return nil, nil
	})
	tests := []struct {
		body string
		want RemoteError
	}{
		{"plain", RemoteError{7, 0, "no such thing"}},
		{"coded", RemoteError{7, 42, "not leader"}},
		{"long", RemoteError{7, 0, strings.Repeat("x", maxText)}},
		{"large", RemoteError{7, 0, ErrTooLarge.Error()}},
		{"goexit", RemoteError{7, 0, "handler ended without an answer"}},
		{"panic", RemoteError{7, 0, "handler panicked"}},
		{"index", RemoteError{7, 0, "handler panicked"}},
	}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			_, err := a.Call(t.Context(), b.addr(), 7, []byte(tt.body))
			var remote *RemoteError
			if !errors.As(err, &remote) || *remote != tt.want {
				t.Errorf("got %#v", err)
			}
		})
	}
	if _, err := a.Call(t.Context(), b.addr(), 7, []byte("fine")); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	b.log.await(t, "handler panicked", "service=7", "member=a", "type string", "call_test.go")
	b.log.await(t, "handler panicked", "slice bounds out of range")
	if strings.Contains(b.log.text(), "hunter2") {
		t.Error("the log holds what the handler panicked with")
	}
}

func TestRefusedRequestsAreNotDone(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 1)
	_, err := a.Call(t.Context(), b.addr(), 9, nil)
	wantDown(t, err)
	if !errors.Is(err, ErrNoHandler) {
		t.Errorf("service that nobody offers: %v", err)
	}
	_, err = a.Call(t.Context(), b.addr(), 9, make([]byte, MaxBody+1))
	wantDown(t, err)
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large a request: %v", err)
	}
}

// The bytes that one peer can have a member hold are bounded; over the bound
// requests are refused while pings go on.
func TestLoadOfOnePeerIsBounded(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 1)
	const fits = maxLoad / MaxBody
	running := make(chan struct{}, 2*fits)
	gate := make(chan struct{})
	b.Handle(1, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		running <- struct{}{}
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return nil, nil
	})
	errs := make(chan error, fits)
	body := make([]byte, MaxBody)
	for range fits {
		go func() {
			_, err := a.Call(t.Context(), b.addr(), 1, body)
			errs <- err
		}()
	}
	for range fits {
		select {
		case <-running:
		case err := <-errs:
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := a.Call(ctx, b.addr(), 1, []byte("x"))
	wantDown(t, err)
	if !errors.Is(err, ErrBusy) {
		t.Errorf("over the bound: %v", err)
	}
	close(gate)
	for range fits {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if _, err := a.Call(t.Context(), b.addr(), 1, body); err != nil {
		t.Errorf("below the bound again: %v", err)
	}
}

func TestRefusedConnectionIsDown(t *testing.T) {
	a := start(t, "a", 1)
	ln := listen(t)
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := a.Call(t.Context(), addr, 1, nil)
	wantDown(t, err)
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestManyCallsDialOnce(t *testing.T) {
	b := start(t, "b", 1)
	b.Handle(1, echo)
	var mu sync.Mutex
	dials := 0
	d := &net.Dialer{}
	l, err := New(Config{
		Listener: listen(t),
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			mu.Lock()
			dials++
			mu.Unlock()
			return d.DialContext(ctx, "tcp", addr)
		},
		TLS:    derived(t, 1, "a"),
		Member: "a",
		Slow:   10, // five thousand goroutines under the race detector are slow
		Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 5000 {
		wg.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, i%700)
			got, err := l.Call(t.Context(), b.addr(), 1, body)
			if err != nil || !bytes.Equal(got, append([]byte("a:"), body...)) {
				t.Errorf("call %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
	if dials != 1 {
		t.Errorf("%d connections", dials)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	_, err = l.Call(t.Context(), b.addr(), 1, nil)
	wantDown(t, err)
	if !errors.Is(err, ErrClosed) {
		t.Errorf("call after Close: %v", err)
	}
	_, err = l.Dial(t.Context(), Raft, b.addr())
	if wantDown(t, err); !errors.Is(err, ErrClosed) {
		t.Errorf("dial after Close: %v", err)
	}
}

// Callers that give up at random moments get an error or their own answer, never
// another call's.
func TestAbandonedCallsDoNotMix(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 1)
	b.Handle(1, echo)
	if _, err := a.Call(t.Context(), b.addr(), 1, nil); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(j*17)*time.Microsecond)
				body := fmt.Append(nil, i, j)
				got, err := a.Call(ctx, b.addr(), 1, body)
				cancel()
				if err == nil && string(got) != "a:"+string(body) {
					t.Errorf("got %q for %q", got, body)
				}
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestConfigIsChecked(t *testing.T) {
	ln := listen(t)
	defer func() { _ = ln.Close() }()
	good := Config{Listener: ln, TLS: derived(t, 1, "a"), Member: "a", Log: slog.New(slog.DiscardHandler)}
	tests := []struct {
		name  string
		spoil func(c *Config)
	}{
		{"no listener", func(c *Config) { c.Listener = nil }},
		{"no credentials", func(c *Config) { c.TLS = nil }},
		{"no log", func(c *Config) { c.Log = nil }},
		{"no member", func(c *Config) { c.Member = "" }},
		{"strange member", func(c *Config) { c.Member = "a b" }},
		{"too slow", func(c *Config) { c.Slow = 11 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.spoil(&c)
			if l, err := New(c); err == nil {
				_ = l.Close()
				t.Error("accepted")
			}
		})
	}
}

func TestFaultsOfTheProgramPanic(t *testing.T) {
	m := start(t, "m", 1)
	m.Handle(1, echo)
	m.Listen(Gossip)
	tests := []struct {
		name string
		do   func()
	}{
		{"second handler", func() { m.Handle(1, echo) }},
		{"second listener", func() { m.Listen(Gossip) }},
		{"listener for calls", func() { m.Listen(Call) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			tt.do()
		})
	}
}

// Requests at the same time have a goroutine each; then only a few stay.
func TestHandsStayForTheNextRequest(t *testing.T) {
	a, b := start(t, "a", 1), start(t, "b", 1)
	arrived, gate := make(chan struct{}), make(chan struct{})
	b.Handle(7, func(context.Context, string, []byte) ([]byte, error) {
		arrived <- struct{}{}
		<-gate
		return nil, nil
	})
	var calls sync.WaitGroup
	for range 10 * maxIdle {
		calls.Go(func() {
			if _, err := a.Call(t.Context(), b.addr(), 7, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for range 10 * maxIdle {
		<-arrived
	}
	if idle := b.hands.idle.Load(); idle != 0 {
		t.Errorf("%d idle while all work", idle)
	}
	close(gate)
	calls.Wait()
	for b.hands.idle.Load() != maxIdle {
		runtime.Gosched()
	}
	go func() { <-arrived }()
	if _, err := a.Call(t.Context(), b.addr(), 7, nil); err != nil {
		t.Error(err)
	}
}

func BenchmarkCall(b *testing.B) {
	for _, size := range []int{256, 64 << 10} {
		for _, callers := range []int{1, 64, 512} {
			b.Run(fmt.Sprintf("bytes=%d/callers=%d", size, callers), func(b *testing.B) { benchmarkCall(b, size, callers) })
		}
	}
}

func benchmarkCall(b *testing.B, size, callers int) {
	ends := make([]*Link, 2)
	for i := range ends {
		l, err := New(Config{Listener: listen(b), TLS: derived(b, 1, fmt.Sprint(i)), Member: fmt.Sprint(i), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ends[i] = l
	}
	ends[1].Handle(1, func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil })
	addr := ends[1].Addr().String()
	body := make([]byte, size)
	_, _ = rand.Read(body)
	if _, err := ends[0].Call(b.Context(), addr, 1, body); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	work := make(chan int, callers)
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for n := range work {
				for range n {
					if _, err := ends[0].Call(ctx, addr, 1, body); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	for left := b.N; left > 0; {
		n := min(left, max(1, b.N/callers))
		work <- n
		left -= n
	}
	close(work)
	wg.Wait()
}

func BenchmarkConnect(b *testing.B) {
	ln := listen(b)
	l, err := New(Config{Listener: ln, TLS: derived(b, 1, "m"), Member: "m", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken := l.Listen(Gossip)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := taken.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	for b.Loop() {
		conn, err := l.Dial(b.Context(), Gossip, ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		_ = conn.Close()
	}
	_ = taken.Close()
	<-done
}
