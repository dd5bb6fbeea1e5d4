package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cluster/runs"
	"sojourn/cts/ctstest"
	"sojourn/cts/session"
)

// registryRig is a store whose registries hear of its changes.
type registryRig struct {
	t     *testing.T
	store *ctstest.Memory

	mu  sync.Mutex
	all []*registry
}

func newRegistryRig(t *testing.T) *registryRig {
	r := &registryRig{t: t}
	r.store = ctstest.New(ctstest.Options{OnDocument: func(kind realm.DocumentKind, _ realm.Name) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, one := range r.all {
			if kind == realm.KindRun || kind == "" {
				one.look()
			}
		}
	}})
	return r
}

// process is a run of the program on a folder.
type process struct {
	*registry
	end  func() // kills it
	over chan struct{}
}

func (r *registryRig) start(folder string, id placement.MemberID) *process {
	p := &process{over: make(chan struct{})}
	p.registry = newRegistry(r.store, id, folder, slog.New(slog.NewTextHandler(r.t.Output(), nil)), func() { close(p.over) })
	r.mu.Lock()
	r.all = append(r.all, p.registry)
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { p.follow(ctx) })
	p.end = func() {
		cancel()
		work.Wait()
	}
	r.t.Cleanup(p.end)
	return p
}

func (p *process) isOver() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

func (p *process) want(t *testing.T, what string, current []placement.MemberID, dead ...placement.MemberID) {
	t.Helper()
	synctest.Wait()
	got, err := p.Current(t.Context())
	if err != nil || !slices.Equal(got, current) {
		t.Errorf("%s: current are %v, %v; want %v", what, got, err, current)
	}
	for _, id := range append(dead, current...) {
		if p.Dead(id) != slices.Contains(dead, id) {
			t.Errorf("%s: %s is dead: %t", what, id, p.Dead(id))
		}
	}
}

type ids = []placement.MemberID

// TestRegistry: a run is registered when it starts, over when it has said so,
// when the next one uses its folder, or when it was removed; and comes back
// after a restore, unless it is over.
func TestRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRegistryRig(t)
		a, b, c := r.start("A", "a1"), r.start("B", "b1"), r.start("C", "c1")
		a.await(ctx, time.Hour)
		a.want(t, "all started", ids{"a1", "b1", "c1"})

		b.end() // killed, and started again
		r.start("B", "b2")
		a.want(t, "b restarted", ids{"a1", "b2", "c1"}, "b1")

		c.end()
		if err := c.retire(ctx); err != nil {
			t.Fatal(err)
		}
		a.want(t, "c left", ids{"a1", "b2"}, "b1", "c1")

		if there, err := a.remove(ctx, "B"); !there || err != nil {
			t.Fatalf("remove: %t, %v", there, err)
		}
		if there, err := a.remove(ctx, "B"); there || err != nil {
			t.Fatalf("remove again: %t, %v", there, err)
		}
		a.want(t, "b was removed", ids{"a1"}, "b1", "b2", "c1")
		if a.isOver() {
			t.Error("a takes itself to be over")
		}

		// A backup of a time when an earlier run of A was there is restored.
		old, _ := runs.Folder{}.Begin("a0", time.Now())
		put(t, r.store, realm.KindRun, "A", old.Encode())
		a.want(t, "after a restore", ids{"a1"}, "a0")
	})
}

// TestRemovedWhileItRuns: a process that an operator removed learns of it, once,
// and does not register again.
func TestRemovedWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistryRig(t)
		a, b := r.start("A", "a1"), r.start("B", "b1")
		a.want(t, "both started", ids{"a1", "b1"})
		if _, err := a.remove(t.Context(), "B"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !b.isOver() || a.isOver() {
			t.Errorf("over: a %t, b %t", a.isOver(), b.isOver())
		}
		b.look()
		a.want(t, "later", ids{"a1"}, "b1")
	})
}

// TestRegistryWaitsForTheStore: while nothing can be read or written nothing is
// known to be over, nobody waits for it longer than they like, and a run is
// registered as soon as it can be.
func TestRegistryWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistryRig(t)
		r.store.SetOutage(&session.UnavailableError{Reason: "no leader"})
		a := r.start("A", "a1")
		begun := time.Now()
		a.await(t.Context(), registryPatience)
		if took := time.Since(begun); took != registryPatience {
			t.Errorf("waited for %v", took)
		}
		if _, err := a.Current(t.Context()); err == nil || a.Dead("x") {
			t.Errorf("without a store: %v, %t", err, a.Dead("x"))
		}
		r.store.SetOutage(nil)
		begun = time.Now()
		a.await(t.Context(), time.Hour)
		if took := time.Since(begun); took > registryPause {
			t.Errorf("took %v to register", took)
		}
		a.want(t, "at last", ids{"a1"})
	})
}

// TestFounding: of many that found a journey at once all get the same set.
func TestFounding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRegistryRig(t)
		a := r.start("A", "a1")
		id := journey.ID{1}
		if set, err := a.Founded(ctx, id); set != nil || err != nil {
			t.Fatalf("founded before anybody did: %v, %v", set, err)
		}
		const askers = 8
		sets := make([]ids, askers)
		var work sync.WaitGroup
		for i := range askers {
			work.Go(func() {
				set, err := a.Found(ctx, id, nil, ids{placement.MemberID(fmt.Sprint("m", i)), "x"}, time.Now().Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				sets[i] = set
			})
		}
		work.Wait()
		founded, err := a.Founded(ctx, id)
		if err != nil || len(founded) != 2 {
			t.Fatalf("founded: %v, %v", founded, err)
		}
		for i, set := range sets {
			if !slices.Equal(set, founded) {
				t.Errorf("asker %d was given %v, the document says %v", i, set, founded)
			}
		}
		until := time.Now().Add(time.Minute)
		if set, err := a.Found(ctx, id, ids{"x"}, ids{"y"}, until); err != nil || !slices.Equal(set, founded) {
			t.Errorf("instead of what it is not: %v, %v", set, err)
		}
		if set, err := a.Found(ctx, id, founded, ids{"y"}, until); err != nil || !slices.Equal(set, ids{"y"}) {
			t.Errorf("instead of those that have died: %v, %v", set, err)
		}
	})
}

// TestSweep: whoever leads removes foundings that have expired and folders of
// which nothing is known any more, and takes runs of folders for over that have
// been out of the cluster for a day.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistryRig(t)
		a, b := r.start("A", "a1"), r.start("B", "b1")
		a.want(t, "both started", ids{"a1", "b1"})
		b.end()                        // its machine burnt
		var leads, without atomic.Bool // B
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() {
			a.sweep(ctx, leads.Load, func(context.Context) (map[string]bool, error) {
				return map[string]bool{"A": true, "B": !without.Load()}, nil
			})
		})
		defer work.Wait()
		defer cancel()
		for i := range sweepMost + 5 {
			if _, err := a.Found(ctx, journey.ID{byte(i), byte(i >> 8)}, nil, ids{"a1"}, time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		foundings := func() int {
			all, err := r.store.Documents(ctx, realm.KindFounding, realm.Root)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		steps := []struct {
			what    string
			wait    time.Duration
			change  func()
			left    int
			current ids
			dead    ids
		}{
			{"another leads", time.Hour, func() {}, sweepMost + 5, ids{"a1", "b1"}, nil},
			{"leads", sweepPause, func() { leads.Store(true) }, 5, ids{"a1", "b1"}, nil},
			{"a minute later", sweepPause, func() {}, 0, ids{"a1", "b1"}, nil},
			{"B is out for hours", 23 * time.Hour, func() { without.Store(true) }, 0, ids{"a1", "b1"}, nil},
			{"and for a day", 2 * time.Hour, func() {}, 0, ids{"a1"}, ids{"b1"}},
			{"two days later it is forgotten", 25 * time.Hour, func() {}, 0, ids{"a1"}, nil},
		}
		for _, s := range steps {
			s.change()
			time.Sleep(s.wait + time.Second)
			synctest.Wait()
			if left := foundings(); left != s.left {
				t.Errorf("%s: %d foundings are left, want %d", s.what, left, s.left)
			}
			a.want(t, s.what, s.current, s.dead...)
		}
		if a.Dead("b1") {
			t.Error("b1 is remembered for longer than a day")
		}
	})
}

func put(t *testing.T, store *ctstest.Memory, kind realm.DocumentKind, id string, body []byte) {
	t.Helper()
	d := realm.Document{Kind: kind, Realm: realm.Root, ID: id, Body: body}
	if _, _, err := store.PutDocument(t.Context(), d, realm.Precondition{}); err != nil {
		t.Fatal(err)
	}
}
