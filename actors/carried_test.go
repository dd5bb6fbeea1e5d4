package actors

import (
	"encoding/hex"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// registered is a cluster whose members know who has certainly ended, with
// journeys that their clients carry.
func registered(t testing.TB, n int) (*testCluster, *testRuns) {
	t.Helper()
	runs := newTestRuns()
	c := newClusterWith(t, n, func(own *Config) { own.Runs, own.Founding = runs, runs })
	withClient().choose(c.members[0])
	runs.begin(c.ids()...)
	return c, runs
}

// replace ends some members and starts as many others, which everybody sees.
func (c *testCluster) replace(runs *testRuns, ended ...placement.MemberID) {
	for _, id := range ended {
		c.kill(id)
		runs.end(id)
		runs.begin(c.add().config.Self)
	}
	var ids []placement.MemberID
	for _, m := range c.alive() {
		ids = append(ids, m.config.Self)
	}
	c.see(ids...)
}

// guard is what a member holds of a journey.
func (m *testMember) guard(t testing.TB, id journey.ID) body {
	t.Helper()
	h := m.slots.get(id)
	if h.Record == nil {
		t.Fatalf("%s holds nothing", m.config.Self)
	}
	b, err := decodeBody(h.Record.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGuardsGrowLean: for a minute a repeated request gets its reply, then no
// member holds the journey's state, and it goes on all the same, at any member.
func TestGuardsGrowLean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withClient().cluster(t, 3)
		defer c.close()
		first := c.members[0].start(t, "Steps")
		second, err := c.members[0].answer(t, first.Ref, "demo")
		if err != nil || second.Ref.Store != realm.JWT || len(second.Ref.State) == 0 {
			t.Fatalf("%+v, %v", second, err)
		}
		lean := func() (n int) {
			for _, m := range c.members {
				b := m.guard(t, first.Ref.Journey)
				if !b.carried || b.sum != m.digester.sum(mustCarry(t, m, second.Ref).state) {
					t.Errorf("%s holds %+v", m.config.Self, b)
				}
				if len(b.state) == 0 {
					n++
				}
			}
			return n
		}
		time.Sleep(replyGrace - 2*time.Second)
		again, err := c.members[1].answer(t, first.Ref, "demo")
		if err != nil || string(again.Ref.State) != string(second.Ref.State) {
			t.Errorf("a repeat within the minute: %+v, %v", again, err)
		}
		if n := lean(); n != 0 {
			t.Errorf("%d members have no state left", n)
		}
		time.Sleep(4 * time.Second)
		if n := lean(); n != 3 {
			t.Errorf("%d members have no state left after a minute", n)
		}
		_, err = c.members[1].answer(t, first.Ref, "demo")
		wantGone(t, err) // its reply is known no longer
		_, err = c.members[2].answer(t, first.Ref, "other")
		wantGone(t, err)
		c.kill("member-0")
		third, err := c.members[1].answer(t, second.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		if b := c.members[1].guard(t, first.Ref.Journey); b.step != 3 || len(b.state) == 0 {
			t.Errorf("the next step is guarded by %+v", b)
		}
		time.Sleep(time.Second) // what was planned for the step before spares this one
		if b := c.members[1].guard(t, first.Ref.Journey); len(b.state) == 0 {
			t.Error("the next step has lost its state early")
		}
		c.finish(t, nil, 1)
		if done, err := c.members[2].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("end: %+v, %v", done, err)
		}
	})
}

func mustCarry(t testing.TB, m *testMember, ref journey.Ref) *carried {
	t.Helper()
	got, err := decodeCarried(ref.State, m.slots.names.name)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestCarriedOutlivesEverybody: when every member has been replaced at once, each
// journey goes on from what its client has, whoever is asked and however many at
// a time: one answer is the step, and one session comes of it.
func TestCarriedOutlivesEverybody(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, runs := registered(t, n)
				defer c.close()
				refs := c.middles(t, 12)
				c.replace(runs, c.ids()...)
				for i, ref := range refs {
					results := make([]attemptResult, n)
					var work sync.WaitGroup
					for k := range n {
						work.Go(func() {
							guess := fmt.Sprintf("guess %d", i%2*k) // all the same, or all different
							reply, err := c.members[n+k].answer(t, ref, guess)
							results[k] = attemptResult{guess, reply, err}
						})
					}
					work.Wait()
					made := map[string]journey.Ref{}
					for _, r := range results {
						if r.err == nil {
							made[r.nonce] = r.reply.Ref
						} else {
							wantGone(t, r.err)
						}
					}
					if len(made) != 1 {
						t.Fatalf("journey %d was answered to %d answers: %+v", i, len(made), results)
					}
				}
				if len(runs.founded) != len(refs) {
					t.Errorf("%d of %d journeys were founded", len(runs.founded), len(refs))
				}
			})
		})
	}
	t.Run("again and again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, runs := registered(t, 3)
			defer c.close()
			ref := c.members[0].start(t, "Choose").Ref
			for turn, r := range []journey.ResumeRequest{
				resumeChoice(ref), resumeWith(ref, "demo"), resumeWith(ref, "wrong"), resumeWith(ref, "demo"), resumeWith(ref, "secret"),
			} {
				r.Ref = ref
				m := c.alive()[turn%3]
				reply, err := m.Resume(t.Context(), r)
				if err != nil {
					t.Fatalf("turn %d: %v", turn, err)
				}
				if reply.Done != nil {
					if !reply.Done.Success || turn != 4 {
						t.Errorf("turn %d: %+v", turn, reply.Done)
					}
					break
				}
				ref = reply.Ref
				var ended []placement.MemberID
				for _, m := range c.alive() {
					ended = append(ended, m.config.Self)
				}
				c.replace(runs, ended...)
			}
			if len(c.sessions.byJourney) != 1 {
				t.Errorf("%d sessions", len(c.sessions.byJourney))
			}
		})
	})
}

func resumeChoice(ref journey.Ref) journey.ResumeRequest {
	return journey.ResumeRequest{Ref: ref, Answers: []callback.Answer{say(callback.Choice, 0.0)}}
}

// TestCarriedIsRepairedAndDrained: guards move as journeys do, without the state
// as well.
func TestCarriedIsRepairedAndDrained(t *testing.T) {
	for _, wait := range []time.Duration{0, 2 * replyGrace} {
		t.Run(wait.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, runs := registered(t, 6)
				defer c.close()
				refs := c.middles(t, 100)
				time.Sleep(wait)
				for dead := range 2 {
					c.net.crash(c.ids()[dead])
					runs.end(c.ids()[dead])
					c.see(c.ids()[dead+1:]...)
					c.repaired(t, refs, 3, []int{1, 2, 3, 4, 5}[dead:]...)
				}
				c.see("member-2-", "member-3", "member-4", "member-5")
				if err := c.members[2].Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				c.net.crash("member-2")
				runs.end("member-2")
				c.see("member-3", "member-4", "member-5")
				c.finish(t, refs, 3, 4, 5)
				if len(runs.founded) != 0 {
					t.Errorf("%d journeys were founded anew", len(runs.founded))
				}
			})
		})
	}
}

// TestCarriedWaitsForTheRelease: as long as a member of the release before is
// there, journeys begin in memory, which it knows, and stay there.
func TestCarriedWaitsForTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := registered(t, 3)
		defer c.close()
		c.see("member-0", "member-1", "member-2!")
		ref := c.members[0].start(t, "Login").Ref
		if ref.Store != realm.InMemory {
			t.Errorf("began in store %v", ref.Store)
		}
		c.see("member-0", "member-1", "member-2")
		if reply, err := c.members[1].answer(t, ref, "demo", "secret"); err != nil || !reply.Done.Success {
			t.Errorf("%+v, %v", reply, err)
		}
		if ref := c.members[0].start(t, "Login").Ref; ref.Store != realm.JWT {
			t.Errorf("began in store %v", ref.Store)
		}
	})
}

// TestDecodeCarried: what a reference holds is read as it was written, and
// nothing else is.
func TestDecodeCarried(t *testing.T) {
	want := carried{register.Set{"a", "b"}, []byte("state")}
	raw := want.encode()
	if hex.EncodeToString(raw) != "01"+"02"+"0361"+"0362"+"7374617465" { // version, set, state
		t.Errorf("encoded as %x", []byte(raw))
	}
	got, err := decodeCarried(raw, register.Member)
	if err != nil || !got.set.Same(want.set) || string(got.state) != "state" {
		t.Errorf("%+v, %v", got, err)
	}
	for name, raw := range map[string]journey.Carried{
		"nothing":         nil,
		"another version": append([]byte{2}, raw[1:]...),
		"no set":          carried{nil, []byte("x")}.encode(),
		"no state":        carried{want.set, nil}.encode(),
		"cut":             raw[:3],
	} {
		if got, err := decodeCarried(raw, register.Member); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	m := newMember(t, time.Now)
	_, err = m.answer(t, journey.Ref{
		Journey: journey.ID{1}, Step: 2, Realm: "/", Store: realm.JWT, State: journey.Carried{9}, Expires: time.Now().Add(time.Minute),
	}, "demo")
	if _, away := err.(*session.UnavailableError); err == nil || away { //nolint:errorlint // not wrapped
		t.Errorf("what is no journey: %v", err)
	}
}
