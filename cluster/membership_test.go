package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster"
	"sojourn/cluster/placement"
	"sojourn/cluster/simnet"
)

const port = 8700

// world is a simulated network with members on it. It lives in a bubble.
type world struct {
	t    *testing.T
	net  *simnet.Network
	runs int
}

// run is one run of a member's process.
type run struct {
	*cluster.Membership
	id   placement.MemberID
	host *simnet.Host
	log  *journal
}

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// After the members are closed memberlist's probes in the air run out:
		// the bubble fails for a goroutine that stays.
		t.Cleanup(func() { time.Sleep(5 * time.Second) })
		w := &world{t: t, net: simnet.New(1, simnet.Options{Latency: time.Millisecond, Jitter: time.Millisecond})}
		for n := 1; n <= 2*cluster.MaxMembers; n++ {
			w.net.Host(host(n)) // gives it the address 10.0.0.<n>
		}
		f(w)
	})
}

func host(n int) string { return fmt.Sprintf("m%d", n) }

func key(b byte) []byte { return slices.Repeat([]byte{b}, cluster.KeySize) }

// start begins a run on the host 10.0.0.<n>; the seeds are the hosts 1 to 3.
func (w *world) start(n int, options ...func(*cluster.Config)) *run {
	w.t.Helper()
	w.runs++
	r := &run{id: placement.MemberID(fmt.Sprintf("%032x", w.runs)), host: w.net.Host(host(n)), log: &journal{out: w.t.Output()}}
	stream, err := r.host.Listen(port)
	if err != nil {
		w.t.Fatal(err)
	}
	packets, err := r.host.Packets(port)
	if err != nil {
		w.t.Fatal(err)
	}
	c := cluster.Config{
		Self: placement.Member{
			ID: r.id, Name: fmt.Sprintf("node-%d", n), Address: r.host.Addr(port), Store: fmt.Sprintf("store-%d", n), Protocol: 1,
		},
		Keys: [][]byte{key(1)}, Seeds: seeds(1, 2, 3),
		Stream: stream, DialStream: r.host.Dial, Packets: packets,
		Lookup: func(_ context.Context, host string) ([]string, error) {
			return nil, fmt.Errorf("no such host: %s", host)
		},
		Log: slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	for _, o := range options {
		o(&c)
	}
	r.Membership, err = cluster.Join(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

func closeRun(t *testing.T, r *run) {
	if err := r.Close(); err != nil {
		t.Errorf("close %s: %v", r.id, err)
	}
}

// kill ends a run as kill -9 does.
func (w *world) kill(r *run) {
	r.host.Crash()
	_ = r.Close()
}

func seeds(hosts ...int) []string {
	var out []string
	for _, n := range hosts {
		out = append(out, fmt.Sprintf("10.0.0.%d:%d", n, port))
	}
	return out
}

// until waits for a condition in virtual time and says how long it took.
func (w *world) until(limit time.Duration, what string, holds func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > limit {
			w.t.Fatalf("after %v: not %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// sees says whether exactly these runs are in r's view.
func (r *run) sees(runs ...*run) bool {
	var got, want []placement.MemberID
	for _, m := range r.View().Members() {
		got = append(got, m.ID)
	}
	for _, x := range runs {
		want = append(want, x.id)
	}
	slices.Sort(want) // a view is sorted
	return slices.Equal(got, want)
}

func agree(runs ...*run) func() bool {
	return func() bool {
		for _, r := range runs {
			if !r.sees(runs...) {
				return false
			}
		}
		return true
	}
}

func (w *world) form(n int) []*run {
	w.t.Helper()
	var runs []*run
	for i := range n {
		runs = append(runs, w.start(i+1))
	}
	w.until(3*time.Second, "formed", agree(runs...))
	return runs
}

// journal keeps a log for the test to read.
type journal struct {
	out io.Writer

	mu    sync.Mutex
	lines []map[string]any
}

func (j *journal) Write(b []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(b, &line); err != nil {
		return 0, err
	}
	j.mu.Lock()
	j.lines = append(j.lines, line)
	j.mu.Unlock()
	return j.out.Write(b)
}

// count is the number of lines with all the given texts.
func (j *journal) count(texts ...string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	var n int
	for _, line := range j.lines {
		whole := fmt.Sprint(line)
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(whole, s) }) {
			n++
		}
	}
	return n
}

func TestMembersForm(t *testing.T) {
	for _, n := range []int{1, 3, 5} {
		t.Run(fmt.Sprintf("%d members", n), func(t *testing.T) {
			inBubble(t, func(w *world) {
				runs := w.form(n)
				for _, m := range runs[0].View().Members() {
					if m.Name == "" || m.Address == "" || m.Store == "" || m.Protocol != 1 {
						t.Errorf("a member arrived without its fields: %+v", m)
					}
				}
			})
		})
	}
}

// TestDeathIsNoticed, in the time that DESIGN.md states, and is logged as one.
func TestDeathIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name    string
		members int
		calm    time.Duration // before the death: for 30 s memberlist counts the names of the dead
		within  time.Duration
	}{
		{"3 members", 3, 40 * time.Second, 4 * time.Second},
		{"3 members, the names of earlier processes linger", 3, 0, 5 * time.Second},
		{"5 members", 5, 40 * time.Second, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			var took []time.Duration
			for range 20 {
				inBubble(t, func(w *world) {
					runs := w.form(c.members)
					dead, rest := runs[c.members-1], runs[:c.members-1]
					if c.calm == 0 {
						w.kill(dead)
						time.Sleep(5 * time.Second)
						dead = w.start(c.members)
						runs = append(slices.Clone(rest), dead)
						w.until(3*time.Second, "formed again", agree(runs...))
					}
					time.Sleep(c.calm + time.Duration(len(took))*50*time.Millisecond)
					w.kill(dead)
					took = append(took, w.until(c.within, "dead", agree(rest...)))
					time.Sleep(time.Second)
					for _, r := range rest {
						if r.log.count("member dead", string(dead.id)) != 1 || r.log.count("member left") != 0 {
							t.Errorf("%s does not log the death as one", r.id)
						}
					}
				})
			}
			slices.Sort(took)
			t.Logf("dead to all after %v to %v, median %v", took[0], took[len(took)-1], took[len(took)/2])
			if took[0] < time.Second {
				t.Errorf("dead after %v: too soon for a suspicion", took[0])
			}
		})
	}
}

func TestLeaveIsToldFromDeath(t *testing.T) {
	inBubble(t, func(w *world) {
		runs := w.form(3)
		leaver, rest := runs[2], runs[:2]
		var draining [2]bool
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- leaver.Leave(w.t.Context()) }()
		w.until(time.Second, "gone", func() bool {
			for i, r := range rest {
				for _, m := range r.View().Members() {
					draining[i] = draining[i] || m.ID == leaver.id && m.Draining
				}
			}
			return agree(rest...)()
		})
		if draining != [2]bool{true, true} {
			t.Errorf("seen as draining before it went: %v", draining)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		t.Logf("left after %v", time.Since(began))
		closeRun(t, leaver)
		time.Sleep(10 * time.Second)
		for _, r := range rest {
			if r.log.count("member left", string(leaver.id)) != 1 || r.log.count("member dead") != 0 {
				t.Errorf("%s does not log the leave as one", r.id)
			}
		}
		if err := leaver.Leave(w.t.Context()); err == nil {
			t.Error("left twice")
		}
	})
}

// TestSplitHeals, also when it lasts longer than memberlist remembers the dead.
func TestSplitHeals(t *testing.T) {
	for _, lasts := range []time.Duration{10 * time.Second, 2 * time.Minute} {
		t.Run(lasts.String(), func(t *testing.T) {
			inBubble(t, func(w *world) {
				// Nobody has a seed on the other side but the address it knew.
				var runs []*run
				for n := 1; n <= 4; n++ {
					runs = append(runs, w.start(n, func(c *cluster.Config) { c.Seeds = seeds(1) }))
				}
				w.until(3*time.Second, "formed", agree(runs...))
				cut := func(f func(a, b string)) {
					for _, a := range []string{host(1), host(2)} {
						for _, b := range []string{host(3), host(4)} {
							f(a, b)
						}
					}
				}
				cut(w.net.Cut)
				w.until(15*time.Second, "split", func() bool { return agree(runs[:2]...)() && agree(runs[2:]...)() })
				time.Sleep(lasts)
				w.net.Heal()
				took := w.until(8*time.Second, "healed", agree(runs...))
				t.Logf("healed after %v", took)
			})
		})
	}
}

// TestAddressChange: a member comes back elsewhere, with its data folder.
func TestAddressChange(t *testing.T) {
	inBubble(t, func(w *world) {
		runs := w.form(3)
		w.kill(runs[2])
		again := w.start(9, func(c *cluster.Config) { c.Self.Store = "store-3" })
		// At once, not when the earlier process is dead to gossip.
		w.until(time.Second, "the new one in place of the old", agree(runs[0], runs[1], again))
		time.Sleep(20 * time.Second)
		if !agree(runs[0], runs[1], again)() {
			t.Error("the view changed again")
		}
		if n := runs[0].log.count("member superseded", string(runs[2].id)); n != 1 {
			t.Errorf("superseded %d times", n)
		}
	})
}

// TestReturnAtSameAddress: a new process has the address of one that gossip
// does not yet know to be dead.
func TestReturnAtSameAddress(t *testing.T) {
	inBubble(t, func(w *world) {
		runs := w.form(3)
		for range 3 {
			w.kill(runs[2])
			runs[2] = w.start(3, func(c *cluster.Config) { c.Self.Store = "" })
			w.until(time.Second, "the new one in place of the old", agree(runs...))
			time.Sleep(2 * time.Second)
			if !agree(runs...)() {
				t.Error("the view changed again")
			}
		}
	})
}

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

func TestAnnounce(t *testing.T) {
	inBubble(t, func(w *world) {
		runs := w.form(3)
		err := runs[0].Announce(func(m *placement.Member) {
			m.ID, m.Address = "x", "y:1"
			m.Cluster, m.Draining = [16]byte{7}, true
		})
		if err != nil {
			t.Fatal(err)
		}
		w.until(time.Second, "told", func() bool {
			return !slices.ContainsFunc(runs, func(r *run) bool {
				return !slices.ContainsFunc(r.View().Members(), func(m placement.Member) bool {
					return m.ID == runs[0].id && m.Address == seeds(1)[0] && m.Cluster == [16]byte{7} && m.Draining
				})
			})
		})
		before := runs[0].View()
		if err := runs[0].Announce(func(m *placement.Member) { m.Name = strings.Repeat("n", 64) }); err == nil {
			t.Error("a name of 64 bytes was announced")
		}
		if runs[0].View().Version != before.Version {
			t.Error("a refused change made a view")
		}
	})
}

func TestWatchGivesTheLatest(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.start(1)
		ctx, cancel := context.WithCancel(w.t.Context())
		defer cancel()
		var versions []uint64
		var last int
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for v := range first.Watch(ctx) {
				versions = append(versions, v.Version)
				last = v.Len()
				time.Sleep(3 * time.Second) // slow: changes pile up
			}
		}()
		time.Sleep(time.Second)
		for n := 2; n <= 5; n++ {
			w.start(n)
		}
		time.Sleep(10 * time.Second)
		cancel()
		<-ended
		if last != 5 || len(versions) < 2 || versions[0] != 1 || !slices.IsSorted(versions) || len(slices.Compact(versions)) != len(versions) {
			t.Errorf("watched versions %v, the last with %d members", versions, last)
		}
		if len(versions) >= 5 {
			t.Errorf("a slow watcher was shown %d views", len(versions))
		}
	})
}

func TestWatchEndsWithClose(t *testing.T) {
	inBubble(t, func(w *world) {
		r := w.start(1)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range r.Watch(w.t.Context()) { //nolint:revive // the views do not matter
			}
		}()
		synctest.Wait()
		closeRun(t, r)
		<-ended
		if err := r.Announce(func(*placement.Member) {}); err == nil {
			t.Error("announced after Close")
		}
	})
}

func TestKeysChangeWithoutSuspicion(t *testing.T) {
	inBubble(t, func(w *world) {
		runs := w.form(3)
		version := runs[0].View().Version
		each := func(what string, f func(*run) error) {
			t.Helper()
			for _, r := range runs {
				if err := f(r); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				time.Sleep(2 * time.Second)
			}
		}
		each("add", func(r *run) error { return r.AddKey(key(2)) })
		each("add again", func(r *run) error { return r.AddKey(key(2)) })
		each("use", func(r *run) error { return r.UseKey(key(2)) })
		each("remove", func(r *run) error { return r.RemoveKey(key(1)) })
		time.Sleep(15 * time.Second)
		for _, r := range runs {
			if r.View().Version != version || !agree(runs...)() {
				t.Errorf("%s: the view changed", r.id)
			}
			if n := r.log.count("gossip"); n != 0 {
				t.Errorf("%s: gossip complained %d times", r.id, n)
			}
		}
		late := w.start(4)
		time.Sleep(5 * time.Second)
		if !late.sees(late) || !agree(runs...)() {
			t.Error("the old key still opens")
		}
		if err := runs[0].AddKey(key(3)); err != nil {
			t.Error(err)
		}
		for _, err := range []error{runs[0].AddKey(key(4)), runs[0].AddKey([]byte("short")), runs[0].UseKey(key(5)), runs[0].RemoveKey(key(2))} {
			if err == nil {
				t.Error("a third key, a short one, an unknown one or the removal of the one in use was taken")
			}
		}
	})
}

// TestSeedNamesAreLookedUpAnew: the name of a seed leads nowhere at first.
func TestSeedNamesAreLookedUpAnew(t *testing.T) {
	inBubble(t, func(w *world) {
		var mu sync.Mutex
		found := []string{"10.0.0.77"}
		var lookups int
		a := w.start(1, func(c *cluster.Config) { c.Seeds = nil })
		b := w.start(2, func(c *cluster.Config) {
			c.Seeds = []string{fmt.Sprintf("members.test:%d", port)}
			c.Lookup = func(_ context.Context, host string) ([]string, error) {
				mu.Lock()
				defer mu.Unlock()
				lookups++
				return found, nil
			}
		})
		time.Sleep(5 * time.Second)
		if !b.sees(b) {
			t.Fatal("b met somebody at an address where nobody is")
		}
		mu.Lock()
		found = []string{"10.0.0.2", "10.0.0.1"}
		if lookups < 4 {
			t.Errorf("%d lookups in 5 s", lookups)
		}
		mu.Unlock()
		w.until(5*time.Second, "met", agree(a, b))
	})
}

// TestManyMembers: as many as there may be, with metadata as long as it may
// be, and one more that is refused.
func TestManyMembers(t *testing.T) {
	inBubble(t, func(w *world) {
		long := func(c *cluster.Config) {
			c.Self.Name = strings.Repeat("n", 63)
			c.Self.HTTP = strings.Repeat("h", 155) + ":8080"
			c.Self.Store += strings.Repeat("s", 50)
		}
		var runs []*run
		for n := range cluster.MaxMembers {
			runs = append(runs, w.start(n+1, long))
		}
		took := w.until(20*time.Second, "formed", agree(runs...))
		t.Logf("%d members after %v", len(runs), took)
		extra := w.start(100)
		time.Sleep(2 * time.Second)
		if !agree(runs...)() || extra.View().Len() > cluster.MaxMembers {
			t.Error("a member too many")
		}
		if runs[0].log.count("member refused", "are known already") == 0 {
			t.Error("the refusal is not logged")
		}
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
