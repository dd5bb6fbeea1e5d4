package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sojourn/cluster"
)

// deaths is how many of each kind are timed.
const deaths = 6

// TestDeathIsNoticed in bounded time, and is logged as one. DESIGN.md has figures.
func TestDeathIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name    string
		members int
		calm    time.Duration // before the death: for 30 s memberlist counts the names of the dead
		within  time.Duration
	}{
		{"2 members", 2, 40 * time.Second, 5 * time.Second},
		{"3 members", 3, 40 * time.Second, 5 * time.Second},
		{"3 members, the names of earlier processes linger", 3, 0, 7 * time.Second},
		{"5 members", 5, 40 * time.Second, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			var took []time.Duration
			for range deaths {
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
				// The seed is a name that nobody can look up any more when the
				// split heals: what is left are the addresses that each knew.
				var mu sync.Mutex
				found := []string{"10.0.0.1"}
				var runs []*run
				for n := 1; n <= 4; n++ {
					runs = append(runs, w.start(n, func(c *cluster.Config) {
						c.Seeds = []string{fmt.Sprintf("first.test:%d", port)}
						c.Lookup = func(context.Context, string) ([]string, error) {
							mu.Lock()
							defer mu.Unlock()
							return found, nil
						}
					}))
				}
				w.until(3*time.Second, "formed", agree(runs...))
				mu.Lock()
				found = nil
				mu.Unlock()
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

// TestCloseDoesNotWaitForAPeer that is silent in the middle of an exchange.
func TestCloseDoesNotWaitForAPeer(t *testing.T) {
	inBubble(t, func(w *world) {
		silent, err := w.net.Host(host(2)).Listen(port)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close() //nolint:errcheck // of a listener in memory
		r := w.start(1)
		conn, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // of a stream in memory
		began := time.Now()
		closeRun(t, r)
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("closed after %v", took)
		}
	})
}
