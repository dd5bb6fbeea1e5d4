package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/cluster"
	"sojourn/cluster/placement"
)

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

// TestAnnounceDuringLeave waits its turn.
func TestAnnounceDuringLeave(t *testing.T) {
	inBubble(t, func(w *world) {
		runs := w.form(3)
		left := make(chan error, 1)
		go func() { left <- runs[0].Leave(w.t.Context()) }()
		time.Sleep(50 * time.Millisecond)
		if err := runs[0].Announce(func(m *placement.Member) { m.Cluster = [16]byte{7} }); err != nil {
			t.Error(err)
		}
		if err := <-left; err != nil {
			t.Error(err)
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
