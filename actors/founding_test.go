package actors

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// TestFoundedAnew: a page that was opened before all members that could know it
// were replaced is answered, by as many members as are asked at once, and gives
// one journey.
func TestFoundedAnew(t *testing.T) {
	t.Run("and again", func(t *testing.T) { // a login of one page leaves no record, its last step can be repeated
		synctest.Test(t, func(t *testing.T) {
			runs := newTestRuns()
			c := newClusterWith(t, 1, func(own *Config) { own.Runs, own.Founding = runs, runs })
			defer c.close()
			runs.begin("member-0")
			page := c.members[0].start(t, "Login")
			var first journey.Reply
			for i := range 3 {
				old := c.ids()[i]
				next := c.add()
				runs.begin(next.config.Self)
				c.net.crash(old)
				runs.end(old)
				c.see(next.config.Self)
				reply, err := next.answer(t, page.Ref, "demo", "secret")
				if err != nil || i > 0 && reply.Token != first.Token {
					t.Errorf("after %d restarts: %v", i+1, err)
				}
				first = reply
			}
		})
	})
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runs := newTestRuns()
				c := newClusterWith(t, n, func(own *Config) { own.Runs, own.Founding = runs, runs })
				defer c.close()
				runs.begin(c.ids()...)
				old := c.ids()
				pages := make([]journey.Reply, 10)
				for i := range pages {
					pages[i] = c.members[i%n].start(t, "Steps")
				}
				for i := range old {
					runs.begin(c.add().config.Self)
					c.net.crash(old[i])
					runs.end(old[i])
				}
				c.see(c.ids()[n:]...)
				for i, page := range pages {
					replies := make([]journey.Reply, n)
					var work sync.WaitGroup
					for k := range n {
						work.Go(func() {
							var err error
							if replies[k], err = c.members[n+k].answer(t, page.Ref, "demo"); err != nil {
								t.Errorf("page %d at member %d: %v", i, k, err)
							}
						})
					}
					work.Wait()
					for _, r := range replies {
						if r.Ref.Step != replies[0].Ref.Step {
							t.Errorf("page %d leads to %v and %v", i, r.Ref, replies[0].Ref)
						}
					}
					c.finish(t, []journey.Ref{replies[0].Ref}, n)
				}
				if runs.asked == 0 || len(runs.founded) != len(pages) {
					t.Errorf("%d journeys are founded anew, want %d", len(runs.founded), len(pages))
				}
			})
		})
	}
}

// TestNotFoundedTooEarly: as long as one of the members that may have begun a
// journey could come back, or one that runs cannot be asked, it is not begun
// elsewhere.
func TestNotFoundedTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := newTestRuns()
		c := newClusterWith(t, 3, func(own *Config) { own.Runs, own.Founding = runs, runs })
		defer c.close()
		runs.begin(c.ids()...)
		page := c.members[0].start(t, "Steps")
		for range 3 {
			runs.begin(c.add().config.Self)
		}
		refused := func(what string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := c.members[3].Resume(ctx, resumeWith(page.Ref, "demo"))
			wantUnavailable(t, err)
			if len(runs.founded) != 0 {
				t.Errorf("%s: founded anew", what)
			}
		}
		for i := range 3 {
			c.net.crash(c.ids()[i])
		}
		c.see("member-3", "member-4", "member-5")
		runs.end("member-0")
		refused("one of three is over")
		runs.end("member-1")
		refused("another one runs unseen")
		runs.end("member-2")
		next, err := c.members[3].answer(t, page.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		c.finish(t, []journey.Ref{next.Ref}, 4)
	})
}

// TestDraftOfTheDead: a first record that its writer could not bring to the
// others, one of whom was over and one about to be, does not keep the journey
// from beginning later: with what was answered then, and at once with many.
func TestDraftOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := newTestRuns()
		c := newClusterWith(t, 3, func(own *Config) { own.Runs, own.Founding = runs, runs })
		defer c.close()
		runs.begin(c.ids()...)
		pages := make([]journey.Reply, 10)
		for i := range pages {
			pages[i] = c.members[1].start(t, "Steps") // which is the first of their sets
		}
		replace := func(dead placement.MemberID) {
			runs.begin(c.add().config.Self)
			runs.end(dead)
		}
		c.net.crash("member-2")
		replace("member-2") // by member-3
		c.net.crash("member-0")
		c.see("member-0", "member-1", "member-3") // nobody has noticed
		for i, page := range pages {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			_, err := c.members[1].Resume(ctx, resumeWith(page.Ref, "demo"))
			cancel()
			if err == nil {
				t.Fatalf("page %d was answered by one member of three", i)
			}
			wantUnavailable(t, err)
		}
		replace("member-0") // by member-4
		c.see("member-1", "member-3", "member-4")
		for i, page := range pages {
			var work sync.WaitGroup
			replies := make([]journey.Reply, 3)
			for k, at := range []int{1, 3, 4} {
				work.Go(func() {
					var err error
					if replies[k], err = c.members[at].answer(t, page.Ref, "demo"); err != nil {
						t.Errorf("page %d at member-%d: %v", i, at, err)
					}
				})
			}
			work.Wait()
			c.finish(t, []journey.Ref{replies[i%3].Ref}, 1, 3, 4)
		}
	})
}
