package simnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// pair connects host b to host a.
func pair(t *testing.T, n *Network) (a, b net.Conn) {
	t.Helper()
	ln, err := n.Host("a").Listen(7000)
	if err != nil {
		t.Fatal(err)
	}
	b, err = n.Host("b").Dial(t.Context(), "a:7000")
	if err != nil {
		t.Fatal(err)
	}
	a, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if n, err := c.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(s), err)
	}
}

// wantRead reads exactly want and checks how long that took.
func wantRead(t *testing.T, c net.Conn, want string, after time.Duration) {
	t.Helper()
	began := time.Now()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
	if took := time.Since(began); took != after {
		t.Errorf("read %q after %v, want %v", want, took, after)
	}
}

func wantError(t *testing.T, c net.Conn, want error, after time.Duration) {
	t.Helper()
	began := time.Now()
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, want) {
		t.Fatalf("read %d bytes, %v; want %v", n, err, want)
	}
	if took := time.Since(began); took != after {
		t.Errorf("%v after %v, want %v", err, took, after)
	}
}

func TestStreamLatencyIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1, Options{Latency: 10 * ms})
		began := time.Now()
		a, b := pair(t, n)
		if took := time.Since(began); took != 20*ms {
			t.Errorf("connected after %v, want one way and back", took)
		}
		write(t, b, "one")
		wantRead(t, a, "one", 10*ms)
		write(t, b, "two")
		time.Sleep(4 * ms)
		write(t, b, "three")
		wantRead(t, a, "two", 6*ms)
		wantRead(t, a, "three", 4*ms)
		n.Delay("a", "b", 90*ms)
		write(t, a, "slow")
		wantRead(t, b, "slow", 100*ms)
		if got := a.RemoteAddr().String(); got != b.LocalAddr().String() {
			t.Errorf("a's peer is %s, b is %s", got, b.LocalAddr())
		}
	})
}

func TestStreamKeepsOrderUnderJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, New(2, Options{Latency: ms, Jitter: 50 * ms}))
		want := ""
		for i := range 100 {
			piece := string(rune('a' + i%26))
			write(t, b, piece)
			want += piece
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(a, got); err != nil || string(got) != want {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestHostsTalkToThemselvesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(3, Options{Latency: 10 * ms, Jitter: 10 * ms})
		n.Cut("a", "a")
		h := n.Host("a")
		ln, err := h.Listen(0)
		if err != nil {
			t.Fatal(err)
		}
		out, err := h.Dial(t.Context(), ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		in, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		write(t, out, "x")
		wantRead(t, in, "x", 0)
	})
}

func TestCutStallsAndHealGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(4, Options{Latency: 10 * ms})
		a, b := pair(t, n)
		write(t, b, "arrived")
		time.Sleep(10 * ms)
		write(t, b, "flying")
		time.Sleep(5 * ms)
		n.Cut("a", "b")
		write(t, b, "held")
		wantRead(t, a, "arrived", 0)
		if err := a.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		wantError(t, a, os.ErrDeadlineExceeded, time.Hour)
		if err := a.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, n.Heal)
		wantRead(t, a, "flying", time.Second+10*ms)
		wantRead(t, a, "held", 0)
	})
}

func TestCutOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(5, Options{Latency: 10 * ms, Buffer: 8})
		a, b := pair(t, n)
		n.CutOneWay("a", "b")
		write(t, b, "12345678")
		wantRead(t, a, "12345678", 10*ms)
		// The reader's acknowledgements do not get back: the buffer stays full.
		if err := b.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if k, err := b.Write([]byte("9")); k != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("wrote %d, %v into a buffer without acknowledgements", k, err)
		}
		if err := b.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		write(t, a, "held")
		n.HealBetween("b", "a")
		wantRead(t, b, "held", 10*ms)
		write(t, b, "9")
		wantRead(t, a, "9", 10*ms)
	})
}

func TestDialWaitsOutACut(t *testing.T) {
	tests := []struct {
		name     string
		from, to string
		want     time.Duration // after the healing at one second
	}{
		{"the way there", "b", "a", 20 * ms},
		{"the way back", "a", "b", 10 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := New(6, Options{Latency: 10 * ms})
				if _, err := n.Host("a").Listen(7000); err != nil {
					t.Fatal(err)
				}
				n.CutOneWay(tt.from, tt.to)
				ctx, cancel := context.WithTimeout(t.Context(), 500*ms)
				defer cancel()
				began := time.Now()
				if _, err := n.Host("b").Dial(ctx, "a:7000"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 500*ms {
					t.Fatalf("dialled across a cut: %v after %v", err, time.Since(began))
				}
				began = time.Now()
				time.AfterFunc(time.Second, n.Heal)
				if _, err := n.Host("b").Dial(t.Context(), "a:7000"); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != time.Second+tt.want {
					t.Errorf("connected after %v", took)
				}
			})
		})
	}
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(7, Options{Latency: 10 * ms})
		n.Host("a")
		began := time.Now()
		if _, err := n.Host("b").Dial(t.Context(), "a:7000"); !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) != 20*ms {
			t.Errorf("nobody listens: %v after %v", err, time.Since(began))
		}
		var unknown *net.DNSError
		if _, err := n.Host("b").Dial(t.Context(), "z:7000"); !errors.As(err, &unknown) {
			t.Errorf("no such host: %v", err)
		}
		n.Cut("a", "b")
		began = time.Now()
		if _, err := n.Host("b").Dial(t.Context(), n.Host("a").Addr(7000)); !errors.Is(err, syscall.ETIMEDOUT) || time.Since(began) != 127*time.Second {
			t.Errorf("cut for ever: %v after %v", err, time.Since(began))
		}
	})
}

func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(8, Options{Latency: 10 * ms})
		old := n.Host("a")
		a, b := pair(t, n)
		write(t, a, "last words")
		old.Crash()
		wantError(t, a, net.ErrClosed, 0)
		wantRead(t, b, "last words", 10*ms)
		wantError(t, b, syscall.ECONNRESET, 0)
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("wrote to a reset stream: %v", err)
		}
		if _, err := n.Host("b").Dial(t.Context(), "a:7000"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialled a crashed host: %v", err)
		}
		if _, err := old.Listen(7000); !errors.Is(err, ErrCrashed) {
			t.Errorf("a dead process listens: %v", err)
		}
		if _, err := old.Packets(7000); !errors.Is(err, ErrCrashed) {
			t.Errorf("a dead process takes packets: %v", err)
		}
		if _, err := old.Dial(t.Context(), "b:1"); !errors.Is(err, ErrCrashed) {
			t.Errorf("a dead process dials: %v", err)
		}
		again := n.Host("a")
		if again == old || !again.IP().Equal(old.IP()) {
			t.Errorf("next incarnation at %v, the old at %v", again.IP(), old.IP())
		}
		pair(t, n)
	})
}

func TestCrashIsSilentAcrossACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(9, Options{Latency: 10 * ms})
		_, b := pair(t, n)
		n.Cut("a", "b")
		n.Host("a").Crash()
		time.AfterFunc(time.Minute, n.Heal)
		wantError(t, b, syscall.ECONNRESET, time.Minute+10*ms)
	})
}

func TestBreakResetsBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(9, Options{Latency: 10 * ms})
		a, b := pair(t, n)
		n.Break("b", "a")
		wantError(t, a, syscall.ECONNRESET, 10*ms)
		wantError(t, b, syscall.ECONNRESET, 0)
	})
}

func TestClose(t *testing.T) {
	t.Run("after all is read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := pair(t, New(10, Options{Latency: 10 * ms}))
			write(t, b, "bye")
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			wantRead(t, a, "bye", 10*ms)
			wantError(t, a, io.EOF, 0)
			write(t, a, "to nobody")
			time.Sleep(20 * ms)
			if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("wrote to a closed peer for ever: %v", err)
			}
			if err := b.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("second close: %v", err)
			}
		})
	})
	t.Run("with bytes unread", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := pair(t, New(10, Options{Latency: 10 * ms}))
			write(t, b, "nobody reads this")
			time.Sleep(10 * ms)
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			wantError(t, b, syscall.ECONNRESET, 10*ms)
		})
	})
	t.Run("one half", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := pair(t, New(10, Options{Latency: 10 * ms}))
			if err := b.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			wantError(t, a, io.EOF, 10*ms)
			write(t, a, "still here")
			wantRead(t, b, "still here", 10*ms)
			if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("wrote after CloseWrite: %v", err)
			}
		})
	})
	t.Run("wakes a reader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, _ := pair(t, New(10, Options{}))
			time.AfterFunc(time.Second, func() { _ = a.Close() })
			wantError(t, a, net.ErrClosed, time.Second)
		})
	})
	t.Run("listener", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := New(10, Options{Latency: 10 * ms})
			ln, err := n.Host("a").Listen(7000)
			if err != nil {
				t.Fatal(err)
			}
			b, err := n.Host("b").Dial(t.Context(), "a:7000") // complete without Accept
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.Host("a").Listen(7000); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("port taken twice: %v", err)
			}
			time.AfterFunc(time.Second, func() { _ = ln.Close() })
			if _, err := ln.Accept(); err != nil {
				t.Fatal(err)
			}
			if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("accepted after close: %v", err)
			}
			write(t, b, "an accepted stream stays")
		})
	})
}

func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, New(11, Options{Latency: 10 * ms, Buffer: 1000}))
		if err := b.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if k, err := b.Write(make([]byte, 1500)); k != 1000 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("wrote %d, %v into a buffer of 1000", k, err)
		}
		if err := b.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.AfterFunc(time.Second, func() { _, _ = io.ReadFull(a, make([]byte, 700)) })
		write(t, b, string(make([]byte, 700)))
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited %v for the reader", took)
		}
	})
}

func TestDeadlineInThePastWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := pair(t, New(12, Options{}))
		time.AfterFunc(time.Second, func() { _ = a.SetDeadline(time.Unix(1, 0)) })
		wantError(t, a, os.ErrDeadlineExceeded, time.Second)
	})
}
