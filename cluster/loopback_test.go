package cluster_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sojourn/cluster"
	"sojourn/cluster/link"
	"sojourn/cluster/placement"
)

// onLoopback starts members on real sockets, over real links. Each is to be
// closed before its link.
func onLoopback(tb testing.TB, n int) ([]*cluster.Membership, []*link.Link) {
	tb.Helper()
	log := slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	var members []*cluster.Membership
	var links []*link.Link
	var first string
	for i := range n {
		id := fmt.Sprintf("%032x", i+1)
		listener, packets := samePort(tb)
		credentials, err := link.Derived(key(9), id, rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		l, err := link.New(link.Config{Listener: listener, TLS: credentials, Member: id, Log: log})
		if err != nil {
			tb.Fatal(err)
		}
		if i == 0 {
			first = l.Addr().String()
		}
		m, err := cluster.Join(tb.Context(), cluster.Config{
			Self: placement.Member{ID: placement.MemberID(id), Address: l.Addr().String(), Protocol: 1},
			Keys: [][]byte{key(1)}, Seeds: []string{first},
			Stream:     l.Listen(link.Gossip),
			DialStream: func(ctx context.Context, addr string) (net.Conn, error) { return l.Dial(ctx, link.Gossip, addr) },
			Packets:    packets, Log: log,
		})
		if err != nil {
			tb.Fatal(err)
		}
		members, links = append(members, m), append(links, l)
	}
	return members, links
}

// samePort opens a TCP and a UDP port of the same number.
func samePort(tb testing.TB) (net.Listener, net.PacketConn) {
	tb.Helper()
	for range 20 {
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		p, err := (&net.ListenConfig{}).ListenPacket(tb.Context(), "udp", l.Addr().String())
		if err == nil {
			return l, p
		}
		_ = l.Close()
	}
	tb.Fatal("no port is free for both TCP and UDP")
	return nil, nil
}

// awaitLen waits until a member sees n members.
func awaitLen(tb testing.TB, m *cluster.Membership, n int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	for v := range m.Watch(ctx) {
		if v.Len() == n {
			return
		}
	}
	tb.Fatalf("%d members after 10 s, want %d", m.View().Len(), n)
}

func TestOnLoopback(t *testing.T) {
	others := goleak.IgnoreCurrent()
	members, links := onLoopback(t, 3)
	for _, m := range members {
		awaitLen(t, m, 3)
	}
	if err := members[2].Leave(t.Context()); err != nil {
		t.Error(err)
	}
	for _, m := range members[:2] {
		awaitLen(t, m, 2)
	}
	for i, m := range members {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("closed again: %v", err)
		}
		if err := links[i].Close(); err != nil {
			t.Error(err)
		}
	}
	// memberlist's probes in the air take up to half a second.
	err := goleak.Find(others)
	for deadline := time.Now().Add(5 * time.Second); err != nil && time.Now().Before(deadline); {
		err = goleak.Find(others)
	}
	if err != nil {
		t.Error(err)
	}
}

// BenchmarkIdle is what membership costs a process that does nothing else:
// milliseconds of CPU a second and member, TLS included.
func BenchmarkIdle(b *testing.B) {
	for _, n := range []int{3, 5} {
		b.Run(fmt.Sprintf("%d members", n), func(b *testing.B) {
			members, links := onLoopback(b, n)
			for _, m := range members {
				awaitLen(b, m, n)
			}
			second := time.NewTicker(time.Second)
			defer second.Stop()
			<-second.C
			before := cpu(b)
			for b.Loop() {
				<-second.C
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N)/float64(n), "cpu-ms/s/member")
			for i := range members {
				_ = members[i].Close()
				_ = links[i].Close()
			}
		})
	}
}

func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
