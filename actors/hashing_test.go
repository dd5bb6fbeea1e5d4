package actors

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
)

// cheap are parameters for tests that count hashes and do not weigh them.
func cheap() identity.Params { return identity.Params{Memory: 8, Time: 1, Threads: 1} }

func newHashing(tb testing.TB, c HashingConfig) *Hashing {
	tb.Helper()
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Params == (identity.Params{}) {
		c.Params = cheap()
	}
	h, err := NewHashing(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(h.Close)
	return h
}

// gate is a random source that a hash has to pass: it tells that it is read
// and gives bytes when it is let through. It makes a worker stop in the middle
// of its work.
type gate struct{ reached, open chan struct{} }

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) Read(p []byte) (int, error) {
	g.reached <- struct{}{}
	<-g.open
	return len(p), nil
}

func TestHashingMakesAndVerifies(t *testing.T) {
	h := newHashing(t, HashingConfig{})
	hash, err := h.Make(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[identity.Secret]bool{"secret": true, "Secret": false} {
		if ok, err := h.Verify(t.Context(), hash, password); err != nil || ok != want {
			t.Errorf("Verify = %t, %v; want %t", ok, err, want)
		}
	}
	if _, err := h.Verify(t.Context(), "{SSHA}xyz", "secret"); !errors.Is(err, identity.ErrHash) {
		t.Errorf("Verify of an unknown hash: %v", err)
	}
	if m := h.Metrics(); m.Done != 3 || m.Busy != 0 || m.Waiting != 0 || m.Worked <= 0 {
		t.Errorf("metrics %+v", m)
	}
}

func TestNewHashingRefuses(t *testing.T) {
	for name, c := range map[string]HashingConfig{
		"no random source": {},
		"workers":          {Rand: rand.Reader, Workers: -1},
		"queue":            {Rand: rand.Reader, Queue: -1},
		"parameters":       {Rand: rand.Reader, Params: identity.Params{Memory: 1 << 30, Time: 1, Threads: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if h, err := NewHashing(c); err == nil {
				h.Close()
				t.Fatal("no error")
			}
		})
	}
}

// TestHashingQueueIsBounded fills a pool of one worker and two places: the
// fourth caller is refused, before its salt is read, and the order of the
// others is theirs.
func TestHashingQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		h := newHashing(t, HashingConfig{Workers: 1, Queue: 2, Rand: g})
		var order []int
		var callers sync.WaitGroup
		for i := range 3 {
			callers.Go(func() {
				err := h.do(t.Context(), func() {
					_, _ = g.Read(nil)
					order = append(order, i)
				})
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
			if i == 0 {
				<-g.reached
			}
			synctest.Wait()
		}
		if m := h.Metrics(); m.Busy != 1 || m.Waiting != 2 {
			t.Errorf("metrics %+v", m)
		}
		if _, err := h.Make(t.Context(), "secret"); !errors.Is(err, identity.ErrOverloaded) {
			t.Errorf("the fourth caller: %v", err)
		}
		g.open <- struct{}{}
		for range 2 {
			<-g.reached
			g.open <- struct{}{}
		}
		callers.Wait()
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("served in the order %v", order)
		}
		if m := h.Metrics(); m.Done != 3 || m.Refused != 1 {
			t.Errorf("metrics %+v", m)
		}
	})
}

// TestHashingRanks: whoever goes on with a journey comes before the newcomers,
// and in a full queue takes the place of the one who came last.
func TestHashingRanks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		h := newHashing(t, HashingConfig{Workers: 1, Queue: 3, Rand: g})
		var order []string
		var callers sync.WaitGroup
		errs := map[string]error{}
		var mu sync.Mutex
		call := func(name string, ctx context.Context) {
			callers.Go(func() {
				err := h.do(ctx, func() {
					_, _ = g.Read(nil)
					order = append(order, name)
				})
				mu.Lock()
				defer mu.Unlock()
				errs[name] = err
			})
			synctest.Wait()
		}
		fresh := asNewcomer(t.Context())
		call("working", fresh)
		<-g.reached
		call("new one", fresh)
		call("new two", fresh)
		call("begun one", t.Context())
		call("new three", fresh) // the queue is full
		if m := h.Metrics(); m.Waiting != 3 || m.Newcomers != 2 || m.Refused != 1 {
			t.Errorf("metrics %+v", m)
		}
		call("begun two", t.Context())   // takes the place of new two
		call("begun three", t.Context()) // and of new one
		call("begun four", t.Context())  // there is no newcomer left
		if m := h.Metrics(); m.Waiting != 3 || m.Newcomers != 0 || m.Refused != 4 {
			t.Errorf("metrics %+v", m)
		}
		g.open <- struct{}{}
		for range 3 {
			<-g.reached
			g.open <- struct{}{}
		}
		callers.Wait()
		if want := []string{"working", "begun one", "begun two", "begun three"}; !slices.Equal(order, want) {
			t.Errorf("served in the order %v", order)
		}
		for _, name := range []string{"new one", "new two", "new three", "begun four"} {
			if !errors.Is(errs[name], identity.ErrOverloaded) {
				t.Errorf("%s: %v", name, errs[name])
			}
		}
	})
}

// TestHashingCancel ends the wait of a queued caller, which frees its place at
// once and costs no hash. A hash that has begun is computed to its end.
func TestHashingCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		h := newHashing(t, HashingConfig{Workers: 1, Queue: 1, Rand: g})
		gone := errors.New("client went away")
		results := make(chan error, 2)
		call := func() context.CancelCauseFunc {
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				_, err := h.Make(ctx, "secret")
				results <- err
			}()
			return cancel
		}
		cancelRunning := call()
		<-g.reached
		cancelWaiting := call()
		synctest.Wait()

		cancelWaiting(gone)
		if err := <-results; !errors.Is(err, gone) {
			t.Errorf("waiting caller: %v", err)
		}
		if m := h.Metrics(); m.Waiting != 0 || m.Abandoned != 1 {
			t.Errorf("metrics %+v", m)
		}
		cancelRunning(gone)
		if _, err := h.Make(must(context.WithCancel(t.Context())), "secret"); !errors.Is(err, context.Canceled) {
			t.Errorf("caller that was gone before: %v", err)
		}
		g.open <- struct{}{}
		if err := <-results; err != nil {
			t.Errorf("running caller: %v", err)
		}
		if m := h.Metrics(); m.Done != 1 || m.Abandoned != 1 || m.Busy != 0 {
			t.Errorf("metrics %+v", m)
		}
	})
}

// must gives a context that is cancelled already.
func must(ctx context.Context, cancel context.CancelFunc) context.Context {
	cancel()
	return ctx
}

// TestHashingClose refuses who waits and waits for who works.
func TestHashingClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		h := newHashing(t, HashingConfig{Workers: 1, Queue: 1, Rand: g})
		running, waiting, closed := make(chan error, 1), make(chan error, 1), make(chan struct{})
		go func() { _, err := h.Make(t.Context(), "secret"); running <- err }()
		<-g.reached
		go func() { _, err := h.Make(t.Context(), "secret"); waiting <- err }()
		synctest.Wait()
		go func() { h.Close(); close(closed) }()
		if err := <-waiting; !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("waiting caller: %v", err)
		}
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait for the running hash")
		default:
		}
		g.open <- struct{}{}
		<-closed
		if err := <-running; err != nil {
			t.Errorf("running caller: %v", err)
		}
		if _, err := h.Make(t.Context(), "secret"); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestHashingKeepsItsBound lets many callers at few workers and wants that no
// more than these ever work at once and that everybody is served or refused.
func TestHashingKeepsItsBound(t *testing.T) {
	const workers, queue, callers = 3, 5, 64
	h := newHashing(t, HashingConfig{Workers: workers, Queue: queue})
	var mu sync.Mutex
	var busy, most, served, refused int
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			err := h.do(t.Context(), func() {
				mu.Lock()
				busy++
				most = max(most, busy)
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				busy--
				mu.Unlock()
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				served++
			case errors.Is(err, identity.ErrOverloaded):
				refused++
			default:
				t.Errorf("error %v", err)
			}
		})
	}
	all.Wait()
	m := h.Metrics()
	if most > workers || served+refused != callers || m.Done != uint64(served) || m.Refused != uint64(refused) {
		t.Fatalf("most at once %d, served %d, refused %d, metrics %+v", most, served, refused, m)
	}
}

// BenchmarkBareHash is what the cores give when nothing stands before the hash
// function: GOMAXPROCS callers, argon2id with the default parameters. Its
// hashes per second are the yardstick of BenchmarkPool.
func BenchmarkBareHash(b *testing.B) {
	hash, err := identity.Make("secret", identity.DefaultParams(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, err := identity.Verify(hash, "secret"); err != nil || !ok {
				b.Errorf("Verify = %t, %v", ok, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
}

// BenchmarkPool is the same through the pool with more callers than workers.
func BenchmarkPool(b *testing.B) {
	for _, callers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("callers=%dx", callers), func(b *testing.B) {
			h := newHashing(b, HashingConfig{Params: identity.DefaultParams()})
			hash, err := h.Make(b.Context(), "secret")
			if err != nil {
				b.Fatal(err)
			}
			b.SetParallelism(callers)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if ok, err := h.Verify(b.Context(), hash, "secret"); err != nil || !ok {
						b.Errorf("Verify = %t, %v", ok, err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
		})
	}
}

// BenchmarkPoolHandover is the pool's own price: a job that does nothing.
func BenchmarkPoolHandover(b *testing.B) {
	h := newHashing(b, HashingConfig{Rand: io.LimitReader(rand.Reader, 0), Queue: 1 << 20})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := h.do(b.Context(), func() {}); err != nil {
				b.Error(err)
			}
		}
	})
}

// TestNewcomers: a login with credentials at its start is a newcomer where
// passwords are checked, an answer to a page is not.
func TestNewcomers(t *testing.T) {
	m := newMember(t, time.Now)
	name, password := "demo", identity.Secret("secret")
	if _, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: "Login", Username: &name, Password: &password}); err != nil {
		t.Fatal(err)
	}
	if got := m.users.rank.Load(); got != newcomer {
		t.Errorf("a login with its start has rank %d", got)
	}
	first := m.start(t, "Login")
	if _, err := m.answer(t, first.Ref, "demo", "secret"); err != nil {
		t.Fatal(err)
	}
	if got := m.users.rank.Load(); got != begun {
		t.Errorf("an answered page has rank %d", got)
	}
}
