package simnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// sockets opens a socket on each of the hosts a and b.
func sockets(n *Network) (a, b net.PacketConn, err error) {
	if a, err = n.Host("a").Packets(7000); err != nil {
		return nil, nil, err
	}
	b, err = n.Host("b").Packets(7000)
	return a, b, err
}

// arrivals sends count packets from b to a, one each millisecond, and tells which
// arrived, in order, and after how long.
func arrivals(n *Network, count int) ([]string, error) {
	a, b, err := sockets(n)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	go func() {
		for i := range count {
			_, _ = b.WriteTo(fmt.Append(nil, i), a.LocalAddr())
			time.Sleep(ms)
		}
	}()
	if err := a.SetReadDeadline(began.Add(time.Hour)); err != nil {
		return nil, err
	}
	var got []string
	buf := make([]byte, 100)
	for {
		k, from, err := a.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got, nil
		}
		if err != nil {
			return nil, err
		}
		got = append(got, fmt.Sprintf("%s from %v after %v", buf[:k], from, time.Since(began)))
	}
}

func TestPacketLatencyIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := arrivals(New(1, Options{Latency: 10 * ms}), 3)
		want := []string{"0 from 10.0.0.2:7000 after 10ms", "1 from 10.0.0.2:7000 after 11ms", "2 from 10.0.0.2:7000 after 12ms"}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// run is one bubble's worth of lossy, jittery traffic.
func run(t *testing.T, seed uint64, loss float64, count int) (got []string) {
	synctest.Test(t, func(t *testing.T) {
		n := New(seed, Options{Latency: ms, Jitter: 30 * ms})
		n.Loss("a", "b", loss)
		var err error
		if got, err = arrivals(n, count); err != nil {
			t.Error(err)
		}
	})
	return got
}

func TestLossIsOfTheSeed(t *testing.T) {
	const count = 2000
	first, second, other := run(t, 7, 0.3, count), run(t, 7, 0.3, count), run(t, 8, 0.3, count)
	if !slices.Equal(first, second) {
		t.Error("one seed, two histories")
	}
	if slices.Equal(first, other) {
		t.Error("two seeds, one history")
	}
	// 1400 expected; five standard deviations are 103.
	if k := len(first); k < 1297 || k > 1503 {
		t.Errorf("%d of %d packets passed a loss of 0.3", k, count)
	}
	if overtaken := !slices.IsSortedFunc(first, byNumber); !overtaken {
		t.Error("no packet overtook another in spite of the jitter")
	}
}

func byNumber(x, y string) int {
	var i, j int
	_, _ = fmt.Sscanf(x, "%d", &i)
	_, _ = fmt.Sscanf(y, "%d", &j)
	return i - j
}

// What one pair of hosts does must not change what another pair meets.
func TestDrawsAreIndependent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		noise := rapid.IntRange(0, 50).Draw(rt, "noise")
		draws := func(noise int) (out []float64) {
			n := New(seed, Options{})
			for i := range noise {
				n.path("x", "a").draw(forLoss, 0, uint64(i))
			}
			for i := range 20 {
				x := n.path("a", "b").draw(forLoss, 0, uint64(i))
				if x < 0 || x >= 1 {
					rt.Fatalf("drew %v", x)
				}
				out = append(out, x)
			}
			return out
		}
		if !slices.Equal(draws(0), draws(noise)) {
			rt.Fatal("another pair's traffic changed the draws")
		}
		n := New(seed, Options{})
		if n.path("a", "b").draw(forLoss, 0, 1) == n.path("b", "a").draw(forLoss, 0, 1) {
			rt.Fatal("both directions draw the same")
		}
	})
}

func TestPacketsAreLost(t *testing.T) {
	tests := []struct {
		name  string
		fault func(n *Network)
	}{
		{"by a cut", func(n *Network) { n.Cut("a", "b") }},
		{"by a cut of their way", func(n *Network) { n.CutOneWay("b", "a") }},
		{"all", func(n *Network) { n.Loss("a", "b", 1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := New(1, Options{})
				tt.fault(n)
				if got, err := arrivals(n, 10); err != nil || len(got) != 0 {
					t.Errorf("arrived: %q, %v", got, err)
				}
				n.Heal()
				n.Host("a").Crash()
				n.Host("b").Crash()
				if got, err := arrivals(n, 10); err != nil || len(got) != 10 {
					t.Errorf("arrived after healing: %q, %v", got, err)
				}
			})
		})
	}
	t.Run("not by a cut of the other way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := New(1, Options{})
			n.CutOneWay("a", "b")
			if got, err := arrivals(n, 10); err != nil || len(got) != 10 {
				t.Errorf("arrived: %q, %v", got, err)
			}
		})
	})
}

func TestPacketSocketEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1, Options{})
		a, b, err := sockets(n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.WriteTo(make([]byte, maxPacket+1), a.LocalAddr()); !errors.Is(err, errMessageSize) {
			t.Errorf("wrote more than a packet holds: %v", err)
		}
		time.AfterFunc(time.Second, n.Host("a").Crash)
		if _, _, err := a.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read from a crashed host: %v", err)
		}
		if _, err := b.WriteTo([]byte("x"), a.LocalAddr()); err != nil {
			t.Errorf("packet to a crashed host: %v", err)
		}
		for range maxPackets + 10 {
			if _, err := b.WriteTo([]byte("x"), b.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		if k := len(b.(*packetConn).queue); k != maxPackets {
			t.Errorf("%d packets wait", k)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if _, err := b.WriteTo([]byte("x"), a.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("wrote to a closed socket: %v", err)
		}
	})
}
