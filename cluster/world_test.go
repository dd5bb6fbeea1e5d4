package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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
	t.Helper()
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
	if r.View().Len() != len(runs) {
		return false
	}
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
