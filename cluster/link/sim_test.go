package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster/simnet"
)

// simulate runs a member on a host of a simulated network.
func simulate(t *testing.T, n *simnet.Network, name string, secret byte) *member {
	t.Helper()
	h := n.Host(name)
	ln, err := h.Listen(7000)
	if err != nil {
		t.Fatal(err)
	}
	log := newRecords()
	l, err := New(Config{
		Listener: ln,
		Dial:     h.Dial,
		TLS:      derived(t, secret, name),
		Member:   name,
		Log:      slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close() // after a crash its port is closed already
		fmt.Fprintf(t.Output(), "--- log of %s\n%s", name, log.text())
	})
	return &member{l, log}
}

// block is a handler that never answers by itself.
func block(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

const (
	latency = time.Millisecond
	address = "b:7000"
)

// inBubble runs two members, b with an echo as service 1 and block as 2.
func inBubble(t *testing.T, f func(t *testing.T, n *simnet.Network, a, b *member)) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1, simnet.Options{Latency: latency})
		a, b := simulate(t, n, "a", 1), simulate(t, n, "b", 1)
		b.Handle(1, echo)
		b.Handle(2, block)
		f(t, n, a, b)
	})
}

func wantLost(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*LostError](err); !ok {
		t.Errorf("got %v, want a LostError", err)
	}
}

func wantDown(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*DownError](err); !ok {
		t.Errorf("got %v, want a DownError", err)
	}
}

func TestCallTakesOneRoundTrip(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *simnet.Network, a, _ *member) {
		for _, want := range []time.Duration{8 * latency, 2 * latency} { // connect, handshake, preamble, call
			began := time.Now()
			if _, err := a.Call(t.Context(), address, 1, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != want {
				t.Errorf("call took %v, want %v", took, want)
			}
		}
	})
}

func TestDeadPeerEndsItsCallsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network, a, _ *member) {
		time.AfterFunc(100*time.Millisecond, n.Host("b").Crash)
		began := time.Now()
		errs := make(chan error)
		for range 50 {
			go func() {
				_, err := a.Call(t.Context(), address, 2, []byte("x"))
				errs <- err
			}()
		}
		for range 50 {
			wantLost(t, <-errs)
		}
		if took := time.Since(began); took != 100*time.Millisecond+latency {
			t.Errorf("calls ended after %v", took)
		}
		began = time.Now()
		_, err := a.Call(t.Context(), address, 1, nil)
		wantDown(t, err)
		if took := time.Since(began); took != 2*latency {
			t.Errorf("refused after %v", took)
		}
	})
}

func TestBlackHoleIsNoticed(t *testing.T) {
	tests := []struct {
		name string
		cut  func(n *simnet.Network)
	}{
		{"both ways", func(n *simnet.Network) { n.Cut("a", "b") }},
		{"the way there", func(n *simnet.Network) { n.CutOneWay("a", "b") }},
		{"the way back", func(n *simnet.Network) { n.CutOneWay("b", "a") }},
	}
	for _, tt := range tests {
		for _, after := range []time.Duration{0, 100 * time.Millisecond, 3*time.Second + 20*time.Millisecond} {
			t.Run(fmt.Sprintf("%s after %v", tt.name, after), func(t *testing.T) {
				inBubble(t, func(t *testing.T, n *simnet.Network, a, _ *member) {
					if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					time.AfterFunc(after+latency/2, func() { tt.cut(n) })
					_, err := a.Call(t.Context(), address, 2, nil)
					wantLost(t, err)
					if !errors.Is(err, ErrSilent) {
						t.Errorf("cause is %v", err)
					}
					took := time.Since(began) - after
					if took < 1200*time.Millisecond || took > 1800*time.Millisecond {
						t.Errorf("noticed %v after the cut", took)
					}
					// The way to the peer is still closed: the next call cannot connect.
					began = time.Now()
					_, err = a.Call(t.Context(), address, 1, nil)
					wantDown(t, err)
					if took := time.Since(began); took != time.Second {
						t.Errorf("gave up connecting after %v", took)
					}
					n.Heal()
					if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
						t.Errorf("after healing: %v", err)
					}
				})
			})
		}
	}
}

// TestSilentPeer: a peer that owes a sign of life is known before it is given
// up, and while it cannot be connected to.
func TestSilentPeer(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network, a, _ *member) {
		silent := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			if got := a.Silent(address); got != want {
				t.Errorf("%s: silent is %v", when, got)
			}
		}
		silent("before it was called", false)
		ended := make(chan error, 2)
		call := func() {
			_, err := a.Call(t.Context(), address, 2, nil)
			ended <- err
		}
		go call()
		time.Sleep(2 * time.Second)
		silent("busy, and it answers pings", false)
		n.Cut("a", "b")
		time.Sleep(lateTicks*tick + 2*tick)
		silent("cut off", true)
		wantLost(t, <-ended)
		silent("given up", false)
		go call()
		time.Sleep(lateTicks*tick + time.Millisecond)
		silent("being connected to", true)
		wantDown(t, <-ended)
		n.Heal()
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Error(err)
		}
		silent("healed", false)
	})
}

// A connection that is merely quiet stays, and so does one whose only call is slow.
func TestQuietConnectionStays(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *simnet.Network, a, b *member) {
		b.Handle(3, func(context.Context, string, []byte) ([]byte, error) {
			time.Sleep(time.Minute)
			return []byte("slow"), nil
		})
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Fatal(err)
		}
		a.mu.Lock()
		first := a.peers[address]
		a.mu.Unlock()
		time.Sleep(10 * time.Minute)
		if got, err := a.Call(t.Context(), address, 3, nil); err != nil || string(got) != "slow" {
			t.Errorf("got %q, %v", got, err)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.peers[address] != first {
			t.Error("connection was made anew")
		}
	})
}

func TestSilenceOfAnIdlePeerIsNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network, a, b *member) {
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Fatal(err)
		}
		n.Cut("a", "b")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for _, m := range []*member{a, b} {
			m.mu.Lock()
			if len(m.conns) != 0 {
				t.Errorf("%s keeps %d connections", m.c.Member, len(m.conns))
			}
			m.mu.Unlock()
		}
	})
}

// The kernel of a stopped process completes connections; only an answer counts.
func TestBacklogIsNotAPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1, simnet.Options{Latency: latency})
		a := simulate(t, n, "a", 1)
		if _, err := n.Host("b").Listen(7000); err != nil { // and never accept
			t.Fatal(err)
		}
		began := time.Now()
		_, err := a.Call(t.Context(), address, 1, nil)
		wantDown(t, err)
		if took := time.Since(began); took != setupTimeout+2*latency {
			t.Errorf("gave up after %v", took)
		}
		_, err = a.Dial(t.Context(), Raft, address)
		wantDown(t, err)
		if !errors.Is(err, errSetup) {
			t.Errorf("cause is %v", err)
		}
	})
}

func TestRestartedPeerIsFoundAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network, a, b *member) {
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Fatal(err)
		}
		n.Host("b").Crash()
		_ = b.Close()
		again := simulate(t, n, "b", 1)
		again.Handle(1, echo)
		time.Sleep(2 * latency) // the reset has arrived
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestCallerGivesUp(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network, a, _ *member) {
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := a.Call(ctx, address, 2, nil)
		wantLost(t, err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cause is %v", err)
		}
		_, err = a.Call(ctx, address, 1, nil)
		wantDown(t, err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cause is %v", err)
		}
		n.Cut("a", "b")
		n.Break("a", "b")
		n.Cut("a", "c")
		n.Host("c")
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err = a.Call(short, "c:7000", 1, nil) // while it connects
		wantDown(t, err)
	})
}

func TestHandlerHasTheCallersTime(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network, a, b *member) {
		left := make(chan time.Duration, 1)
		b.Handle(3, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			end, ok := ctx.Deadline()
			if !ok {
				left <- 0
				return nil, nil
			}
			left <- time.Until(end)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := a.Call(ctx, address, 1, nil); err != nil { // the connection is made
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		_, err := a.Call(ctx, address, 3, nil)
		wantLost(t, err)
		if d := <-left; d < 3900*time.Millisecond || d > 4*time.Second {
			t.Errorf("handler had %v left of 4 s", d)
		}
		if _, err := a.Call(t.Context(), address, 3, nil); err != nil || <-left != 0 {
			t.Errorf("call without a limit: %v", err)
		}
		ended := make(chan error, 1)
		b.Handle(4, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, nil
		})
		time.AfterFunc(time.Second, n.Host("a").Crash)
		_, err = a.Call(t.Context(), address, 4, nil)
		wantLost(t, err)
		if err := <-ended; err == nil {
			t.Error("handler goes on for a caller that is dead")
		}
	})
}

func TestInFlightIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *simnet.Network, a, b *member) {
		gate := make(chan struct{})
		running := make(chan struct{}, 2*maxCalls)
		b.Handle(3, func(context.Context, string, []byte) ([]byte, error) {
			running <- struct{}{}
			<-gate
			return nil, nil
		})
		const extra = 100
		errs := make(chan error, maxCalls+extra)
		for range maxCalls + extra {
			go func() {
				_, err := a.Call(t.Context(), address, 3, nil)
				errs <- err
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if k := len(running); k != maxCalls {
			t.Errorf("%d calls run, the bound is %d", k, maxCalls)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := a.Call(ctx, address, 1, nil)
		wantDown(t, err)
		close(gate)
		for range maxCalls + extra {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A peer that reads nothing fills the buffers between. Nobody waits for that
// longer than its context lasts, though small requests are written by those who
// make them.
func TestCallsEndInTimeThoughBuffersAreFull(t *testing.T) {
	inBubble(t, func(t *testing.T, n *simnet.Network, a, _ *member) {
		if _, err := a.Call(t.Context(), address, 1, nil); err != nil {
			t.Fatal(err)
		}
		n.Cut("a", "b")
		const limit = 5 * time.Millisecond
		for range 100 { // in all, less than the silence that is noticed
			for _, size := range []int{20 << 10, 100} {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				began := time.Now()
				if _, err := a.Call(ctx, address, 1, make([]byte, size)); err == nil {
					t.Fatal("answered")
				}
				if took := time.Since(began); took > limit {
					t.Fatalf("ended after %v", took)
				}
				cancel()
			}
		}
		n.Heal()
		if answer, err := a.Call(t.Context(), address, 1, []byte("x")); err != nil || len(answer) == 0 {
			t.Errorf("%q, %v", answer, err)
		}
	})
}
