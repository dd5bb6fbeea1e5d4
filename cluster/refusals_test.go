package cluster_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/cluster"
	"sojourn/cluster/placement"
)

func TestWrongKeyIsRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		runs := w.form(3)
		stranger := w.start(4, func(c *cluster.Config) { c.Keys = [][]byte{key(2)} })
		time.Sleep(30 * time.Second)
		if !agree(runs...)() || !stranger.sees(stranger) {
			t.Error("a member with another key is in a view")
		}
		for _, r := range []*run{runs[0], stranger} {
			n := r.log.count("o installed keys could decrypt")
			if n == 0 || n > 6 {
				t.Errorf("%s logs it %d times in 30 s", r.id, n)
			}
		}
	})
}

func ofCluster(id byte) func(*cluster.Config) {
	return func(c *cluster.Config) { c.Self.Cluster = [16]byte{id} }
}

// TestClustersNeverMerge: two clusters with one secret, pointed at each other,
// and a newcomer that has met both.
func TestClustersNeverMerge(t *testing.T) {
	inBubble(t, func(w *world) {
		var one, two []*run
		for n := 1; n <= 3; n++ {
			one = append(one, w.start(n, ofCluster(1)))
			two = append(two, w.start(n+3, ofCluster(2), func(c *cluster.Config) { c.Seeds = seeds(1, 4) }))
		}
		newcomer := w.start(7, func(c *cluster.Config) { c.Seeds = seeds(1, 4) })
		for range 3000 {
			time.Sleep(10 * time.Millisecond)
			for _, r := range slices.Concat(one, two, []*run{newcomer}) {
				seen := map[[16]byte]bool{}
				for _, m := range r.View().Members() {
					seen[m.Cluster] = true
				}
				delete(seen, [16]byte{})
				if len(seen) > 1 {
					t.Fatalf("%s sees members of two clusters", r.id)
				}
			}
		}
		// The newcomer is told by those it sees which cluster it is in now. To
		// the others it is a stranger from then on.
		var learnt [16]byte
		for _, m := range newcomer.View().Members() {
			if m.Cluster != [16]byte{} {
				learnt = m.Cluster
			}
		}
		joined, others := append(one, newcomer), two
		if learnt == [16]byte{2} {
			joined, others = append(two, newcomer), one
		}
		if err := newcomer.Announce(func(m *placement.Member) { m.Cluster = learnt }); err != nil {
			t.Fatal(err)
		}
		w.until(3*time.Second, "the newcomer in one cluster", func() bool { return agree(joined...)() && agree(others...)() })
		time.Sleep(20 * time.Second)
		if !agree(joined...)() || !agree(others...)() {
			t.Error("the clusters changed again")
		}
		for _, r := range []*run{one[0], two[0]} {
			if r.log.count("member refused", "of another cluster") == 0 {
				t.Errorf("%s does not log the refusal", r.id)
			}
		}
	})
}

func TestIncompatibleProtocolIsRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		runs := w.form(2)
		newer := w.start(3, func(c *cluster.Config) { c.Self.Protocol, c.Oldest = 3, 2 })
		older := w.start(4, func(c *cluster.Config) { c.Self.Protocol, c.Oldest = 2, 1 })
		time.Sleep(5 * time.Second)
		// older speaks with both sides, which do not speak with each other.
		if !runs[0].sees(runs[0], runs[1], older) || !runs[1].sees(runs[0], runs[1], older) {
			t.Error("a member of protocol 1 does not see just those of protocol 1 and 1 to 2")
		}
		if !newer.sees(older, newer) || !older.sees(runs[0], runs[1], older, newer) {
			t.Error("a member of protocol 2 does not see just those that it can speak with")
		}
		for _, r := range []*run{runs[0], newer} {
			if r.log.count("member refused", "speaks protocol") == 0 {
				t.Errorf("%s does not log the refusal", r.id)
			}
		}
	})
}

// TestManyMembers: with metadata as long as it may be. Gossip alone may miss
// somebody; the exchange of states every ten seconds does not.
func TestManyMembers(t *testing.T) {
	inBubble(t, func(w *world) {
		var runs []*run
		for n := range 20 {
			runs = append(runs, w.start(n+1, func(c *cluster.Config) {
				c.Self.Name = strings.Repeat("n", 63)
				c.Self.HTTP = strings.Repeat("h", 155) + ":8080"
				c.Self.Store += strings.Repeat("s", 50)
				c.Seeds = seeds(1)
			}))
		}
		took := w.until(time.Minute, "formed", agree(runs...))
		t.Logf("%d members after %v", len(runs), took)
	})
}

func TestJoinRefuses(t *testing.T) {
	stream, packets := &closer{}, &closedPackets{}
	good := func() cluster.Config {
		return cluster.Config{
			Self: placement.Member{ID: "a", Address: "10.0.0.1:1", Protocol: 1}, Keys: [][]byte{key(1)},
			Stream: stream, Packets: packets, Log: slog.New(slog.DiscardHandler),
			DialStream: func(context.Context, string) (net.Conn, error) { return nil, io.EOF },
			Lookup:     func(context.Context, string) ([]string, error) { return nil, io.ErrUnexpectedEOF },
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(*cluster.Config)
		want  string
	}{
		{"no id", func(c *cluster.Config) { c.Self.ID = "" }, "no id"},
		{"no key", func(c *cluster.Config) { c.Keys = nil }, "0 keys"},
		{"short key", func(c *cluster.Config) { c.Keys = [][]byte{{1}} }, "key 0 has 1 bytes"},
		{"three keys", func(c *cluster.Config) { c.Keys = [][]byte{key(1), key(2), key(3)} }, "3 keys"},
		{"seed without port", func(c *cluster.Config) { c.Seeds = []string{"a"} }, "seed"},
		{"too many seeds", func(c *cluster.Config) { c.Seeds = slices.Repeat([]string{"a:1"}, 65) }, "65 seeds"},
		{"no stream", func(c *cluster.Config) { c.Stream = nil }, "required"},
		{"no dialer", func(c *cluster.Config) { c.DialStream = nil }, "required"},
		{"no packets", func(c *cluster.Config) { c.Packets = nil }, "required"},
		{"no log", func(c *cluster.Config) { c.Log = nil }, "required"},
		{"slow", func(c *cluster.Config) { c.Slow = 11 }, "slow 11"},
		{"negative slow", func(c *cluster.Config) { c.Slow = -1 }, "slow -1"},
		{"unspecified address", func(c *cluster.Config) { c.Self.Address = "0.0.0.0:1" }, "others can reach"},
		{"unknown host", func(c *cluster.Config) { c.Self.Address = "a.test:1" }, "look up own address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := good()
			c.spoil(&config)
			if _, err := cluster.Join(t.Context(), config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

type closer struct{ net.Listener }

type closedPackets struct{ net.PacketConn }
