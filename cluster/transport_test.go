package cluster

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"

	"sojourn/cluster/placement"
	"sojourn/cluster/simnet"
)

// heavy is a delegate with as much state of its own as it is told to have.
type heavy struct {
	*table
	state []byte

	mu  sync.Mutex
	got []byte
}

func (h *heavy) LocalState(bool) []byte { return h.state }

func (h *heavy) MergeRemoteState(b []byte, _ bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = bytes.Clone(b)
}

// TestLargeStates: whole states of 64 KiB each way go through a stream, which
// is more than 64 members make.
func TestLargeStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(1, simnet.Options{Latency: time.Millisecond})
		var ends []*heavy
		var lists []*memberlist.Memberlist
		for i, name := range []string{"a", "b"} {
			h := net.Host(name)
			stream, err := h.Listen(8700)
			if err != nil {
				t.Fatal(err)
			}
			packets, err := h.Packets(8700)
			if err != nil {
				t.Fatal(err)
			}
			self := record{oldest: 1, started: time.Now(), member: placement.Member{ID: placement.MemberID(name), Address: h.Addr(8700), Protocol: 1}}
			n := newNotes(slog.New(slog.NewTextHandler(t.Output(), nil)))
			m := &Membership{
				config: Config{Self: self.member}, slow: 1, notes: n, table: newTable(self, self.member.Address, n),
				carrier: newTransport(netip.MustParseAddrPort(self.member.Address), Config{Stream: stream, DialStream: h.Dial, Packets: packets}, n),
			}
			if m.ring, err = memberlist.NewKeyring(nil, bytes.Repeat([]byte{1}, KeySize)); err != nil {
				t.Fatal(err)
			}
			end := &heavy{table: m.table, state: bytes.Repeat([]byte{byte('a' + i)}, 64<<10)}
			settings := m.settings()
			settings.Delegate = end
			list, err := memberlist.Create(settings)
			if err != nil {
				t.Fatal(err)
			}
			ends, lists = append(ends, end), append(lists, list)
		}
		if n, err := lists[1].Join([]string{ends[0].address}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		time.Sleep(time.Second)
		for i, end := range ends {
			end.mu.Lock()
			if !bytes.Equal(end.got, ends[1-i].state) {
				t.Errorf("end %d got %d bytes, not what the other sent", i, len(end.got))
			}
			end.mu.Unlock()
			if err := lists[i].Shutdown(); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(5 * time.Second)
	})
}

// TestSlowLogDoesNotHoldGossip: a log that never takes a line blocks nobody
// who has one to write.
func TestSlowLogDoesNotHoldGossip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		n := newNotes(slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) { <-release; return len(b), nil }), nil)))
		ctx, cancel := context.WithCancel(t.Context())
		go n.run(ctx)
		for range 3 * queuedNotes {
			n.add(slog.LevelWarn, "line")
		}
		close(release)
		cancel()
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestMemberlistsLinesBecomeOurs(t *testing.T) {
	for _, c := range []struct {
		name, line, want string
	}{
		{"a warning", "[WARN] memberlist: Refuting a suspect message (from: x)\n", `level=WARN msg=gossip detail="Refuting a suspect message (from: x)"`},
		{"an error is a warning", "[ERR] memberlist: Decrypt packet failed: no from=1.2.3.4:5\n", `level=WARN msg=gossip detail="Decrypt packet failed: no from=1.2.3.4:5"`},
		{"no metadata", "[WARN] memberlist: Refuting an alive message for 'x' (1.2.3.4:5) meta:([1 2] VS [3])\n", `level=WARN msg=gossip detail="Refuting an alive message for 'x' (1.2.3.4:5)"`},
		{"no debug lines", "[DEBUG] memberlist: Stream connection from=1.2.3.4:5\n", ""},
		{"what NotifyAlive says", "[WARN] memberlist: ignoring alive message for 'x': why\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			n := newNotes(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})))
			for range 3 { // once a minute
				if k, err := n.Write([]byte(c.line)); k != len(c.line) || err != nil {
					t.Fatal(k, err)
				}
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			n.run(ended)
			if got := string(bytes.TrimSpace(out.Bytes())); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}
