package actors

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/internal/envelope"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// TestSurvivorOfThree: two of the three that guard a journey are gone. What the
// third one has may be the step that the client was told of, the one before, or
// one that nobody was told of, which then is what its answers lead to.
func TestSurvivorOfThree(t *testing.T) {
	for _, survivor := range []string{"has the guard", "missed the last step", "has a step that was told to nobody"} {
		t.Run(survivor, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, runs := registered(t, 3)
				defer c.close()
				page := c.members[0].start(t, "Steps")
				lead := c.at(page.Ref.Journey)
				second, err := c.members[lead].answer(t, page.Ref, "demo")
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // all three have it
				ref, answers, left := second.Ref, []string{"secret", "yes"}, (lead+1)%3
				switch survivor {
				case "missed the last step":
					c.net.only(c.members[left].config.Self, refused, 9)
					third, err := c.members[lead].acts(t, ref, "secret")
					if err != nil {
						t.Fatal(err)
					}
					ref, answers = third.Ref, answers[1:]
				case "has a step that was told to nobody":
					left = lead
					c.net.inject(func(_, _ placement.MemberID) fault { return fault{kind: refused} })
					if _, err := c.members[lead].acts(t, ref, "secret"); err == nil {
						t.Fatal("answered by one of three")
					}
				}
				synctest.Wait()
				c.net.inject(nil)
				c.replace(runs, c.members[(left+1)%3].config.Self, c.members[(left+2)%3].config.Self)
				if survivor == "has a step that was told to nobody" {
					_, err := c.members[4].answer(t, ref, "wrong")
					wantGone(t, err)
				}
				for i, value := range answers {
					reply, err := c.members[[]int{3, left}[i]].answer(t, ref, value)
					if err != nil {
						t.Fatalf("%s: %v", value, err)
					}
					if ref = reply.Ref; i == len(answers)-1 && !reply.Done.Success {
						t.Errorf("end: %+v", reply.Done)
					}
				}
			})
		})
	}
}

// TestChangeToTheDead: a journey that was being moved to members who have died
// is not founded anew while those who had it before could still go on with it:
// nobody can say whether the move was decided.
func TestChangeToTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs := registered(t, 6)
		defer c.close()
		ref := c.middles(t, 1)[0]
		synctest.Wait()
		client := mustCarry(t, c.members[0], ref)
		var old, others []int
		for i, id := range c.ids() {
			if client.set.Has(id) {
				old = append(old, i)
			} else {
				others = append(others, i)
			}
		}
		h := c.members[old[0]].slots.get(ref.Journey)
		slices.SortFunc(old, func(a, b int) int { // who leads makes the move
			return int(bit(c.ids()[b] == h.Record.Epoch.Member)) - int(bit(c.ids()[a] == h.Record.Epoch.Member))
		})
		to := register.Set{c.ids()[others[0]], c.ids()[others[1]], c.ids()[others[2]]}
		joint := register.Change(h.Record, to)
		for _, i := range append(others, old[0], old[1]) { // but not the third of the old ones
			if said := c.members[i].slots.accept(ref.Journey, joint, encoded(joint), c.now()); !said.OK {
				t.Fatalf("member %d does not accept the move", i)
			}
		}
		c.replace(runs, to...)
		ref.State = carried{to, client.state}.encode()
		if _, err := c.members[old[2]].acts(t, ref, "secret"); !errors.Is(err, envelope.ErrCutOff) {
			t.Errorf("got %v, want cut off", err)
		}
		if len(runs.founded) != 0 {
			t.Error("founded anew")
		}
	})
}

// TestCarriedNotTooEarly: as long as somebody who may hold the guard could come
// back or cannot be asked, the journey waits for that.
func TestCarriedNotTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs := registered(t, 3)
		defer c.close()
		ref := c.middles(t, 1)[0]
		for range 3 {
			runs.begin(c.add().config.Self)
		}
		refused := func(what string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err := c.members[3].Resume(ctx, resumeWith(ref, "secret"))
			if away := wantUnavailable(t, err); away == nil || len(runs.founded) != 0 {
				t.Errorf("%s: founded anew", what)
			}
		}
		for i := range 3 {
			c.kill(c.ids()[i])
		}
		c.see("member-3", "member-4", "member-5")
		runs.end("member-0")
		refused("one of three is over")
		runs.end("member-1")
		refused("another one runs unseen")
		runs.end("member-2")
		c.net.only("member-5", frozen, 1000)
		refused("one of those that run now cannot be asked")
		c.net.inject(nil)
		c.finish(t, []journey.Ref{ref}, 4)
	})
}

// TestMovedOutOfSight: the one member that had a guard is over, but has given it to
// another, which those who are asked do not see.
func TestMovedOutOfSight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := newTestRuns()
		c := newClusterWith(t, 3, func(own *Config) { own.Runs, own.Founding, own.Replicas = runs, runs, 1 })
		defer c.close()
		withClient().choose(c.members[0])
		runs.begin(c.ids()...)
		ref := c.middles(t, 1)[0]
		at := c.at(ref.Journey)
		ids := c.ids()
		ids[at] += "-"
		c.see(ids...)
		if err := c.members[at].Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.kill(c.members[at].config.Self)
		runs.end(c.members[at].config.Self)
		has, other := (at+1)%3, (at+2)%3
		if !c.members[has].slots.knows(ref.Journey) {
			has, other = other, has
		}
		self := c.members[other].config.Self
		c.see(self)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := c.members[other].Resume(ctx, resumeWith(ref, "wrong"))
		if away := wantUnavailable(t, err); away == nil || len(runs.founded) != 0 {
			t.Error("founded anew")
		}
		c.see(self, c.members[has].config.Self)
		c.finish(t, []journey.Ref{ref}, other)
	})
}

// TestChosenAfterLoss: after the loss of everybody too a majority knows which
// answers a session is made of, before it is made.
func TestChosenAfterLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs := registered(t, 3)
		defer c.close()
		third, err := c.members[0].answer(t, c.middles(t, 1)[0], "secret")
		if err != nil {
			t.Fatal(err)
		}
		c.replace(runs, c.ids()...)
		c.sessions.err.Store(&session.UnavailableError{Reason: "full", RetryAfter: time.Second})
		_, err = c.members[3].answer(t, third.Ref, "yes")
		wantUnavailable(t, err)
		c.sessions.err.Store(nil)
		_, err = c.members[4].Resume(t.Context(), journey.ResumeRequest{Ref: third.Ref, Answers: []callback.Answer{
			{Type: callback.TextOutput}, {Type: callback.Confirmation, Values: []any{"0"}}, // the same button
		}})
		wantGone(t, err)
		if done, err := c.members[5].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("the same answers: %+v, %v", done, err)
		}
	})
}

// TestOlderAfterLoss: only once everybody who knew the journey is gone can an
// older step be used in place of the newest. After that the newest is one too
// many: it must not be answered in the state of the other.
func TestOlderAfterLoss(t *testing.T) {
	for _, wait := range []time.Duration{0, 2 * replyGrace} { // with the state of the other at the members, and without
		t.Run(wait.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, runs := registered(t, 3)
				defer c.close()
				second := c.middles(t, 1)[0]
				third, err := c.members[0].answer(t, second, "secret")
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.members[1].answer(t, second, "wrong")
				wantGone(t, err)
				c.replace(runs, c.ids()...)
				other, err := c.members[4].answer(t, second, "wrong")
				if err != nil {
					t.Fatalf("the older step after the loss: %v", err)
				}
				time.Sleep(wait)
				_, err = c.members[5].answer(t, third.Ref, "yes")
				wantGone(t, err)
				if reply, err := c.members[3].answer(t, other.Ref, "yes"); err != nil || reply.Done.Success {
					t.Errorf("the other goes on: %+v, %v", reply, err)
				}
				if len(c.sessions.byJourney) != 0 {
					t.Error("a session came of the wrong password")
				}
			})
		})
	}
}

// TestHolderSessionAfterLoss: when all who knew that a journey has ended are gone,
// a page that was open can be ended again. Another user's session is another one,
// so that the end of one is not that of the other.
func TestHolderSessionAfterLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs := registered(t, 1)
		defer c.close()
		inMemory().choose(c.members[0])
		c.members[0].set(heldSessions)
		page := c.members[0].start(t, "Login")
		ids := map[session.ID]int{}
		for i, user := range []string{"demo", "other", "DEMO"} {
			done, err := c.members[i].answer(t, page.Ref, user, "secret")
			if err != nil || !done.Done.Session.ClientSide {
				t.Fatalf("%s: %+v, %v", user, done.Done, err)
			}
			ids[done.Done.Session.ID]++
			c.replace(runs, c.members[i].config.Self)
		}
		if len(ids) != 2 {
			t.Errorf("%d sessions of two users: %v", len(ids), ids)
		}
	})
}
