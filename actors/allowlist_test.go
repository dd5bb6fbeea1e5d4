package actors

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
)

// allowlisted has journeys that begin from now on wait there, with AM's
// allowlisting or without.
func (in where) allowlisted(m *testMember, on bool) {
	m.docs.put(realm.KindSettings, realm.DocumentAuthentication, fmt.Sprintf(
		`{"trees":{"authenticationSessionsStateManagement":%q,"authenticationSessionsWhitelist":%t}}`, in.setting, on))
	m.catalog.Invalidate(realm.KindSettings, realm.Root)
}

// TestAllowlists: every step has a value of its own, which is the same at all
// members. The same request again gets its reply, as always; one that presents
// another value, or other answers, is refused.
func TestAllowlists(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c := newCluster(t, 3)
		defer c.close()
		in.allowlisted(c.members[0], true)
		seen := map[[16]byte]bool{}
		fresh := func(ref journey.Ref) {
			t.Helper()
			if v := ref.Allowlist; seen[v] || v == [16]byte{} || v[6]>>4 != 4 || v[8]>>6 != 2 {
				t.Errorf("step %d has the value %x", ref.Step, v)
			}
			seen[ref.Allowlist] = true
		}
		first := c.members[0].start(t, "Steps")
		fresh(first.Ref)
		stranger := c.members[1].start(t, "Steps")
		fresh(stranger.Ref)
		second, err := c.members[1].answer(t, first.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		fresh(second.Ref)
		again, err := c.members[2].answer(t, first.Ref, "demo")
		if err != nil || again.Ref.Allowlist != second.Ref.Allowlist {
			t.Errorf("the same request again: %x, %v", again.Ref.Allowlist, err)
		}
		_, err = c.members[0].answer(t, first.Ref, "other")
		wantGone(t, err)
		for name, value := range map[string][16]byte{"the step before": first.Ref.Allowlist, "another journey": stranger.Ref.Allowlist, "nobody": {1}} {
			ref := second.Ref
			ref.Allowlist = value
			if _, err := c.members[1].answer(t, ref, "secret"); err == nil {
				t.Errorf("the value of %s is taken", name)
			}
		}
		in.allowlisted(c.members[0], false)
		third, err := c.members[0].answer(t, second.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		fresh(third.Ref)
		if done, err := c.members[2].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("end: %+v, %v", done, err)
		}
		if _, err := c.members[0].answer(t, third.Ref, "yes"); err != nil {
			t.Errorf("the last request again: %v", err)
		}
		if plain := c.members[0].start(t, "Steps"); plain.Ref.Allowlist != [16]byte{} {
			t.Error("a journey is allowlisted after that was switched off")
		}
	})
}

// TestAllowlistedComesBack: a suspended journey is allowlisted as before when
// somebody comes back to it.
func TestAllowlistedComesBack(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		for _, on := range []bool{true, false} {
			c, sent := mailing(t, in, 3)
			defer c.close()
			in.allowlisted(c.members[0], on)
			first := c.members[0].start(t, "Mail")
			waiting, err := c.members[1].answer(t, first.Ref, "demo")
			if err != nil || listed(&waiting.Ref) != on {
				t.Fatalf("%+v, %v", waiting.Ref, err)
			}
			back, err := c.members[2].back(t, sent.last(t))
			if err != nil || listed(&back.Ref) != on || on && back.Ref.Allowlist == waiting.Ref.Allowlist {
				t.Fatalf("%+v, %v", back.Ref, err)
			}
			if done, err := c.members[0].answer(t, back.Ref, "secret"); err != nil || !done.Done.Success {
				t.Errorf("end: %+v, %v", done, err)
			}
		}
	})
}

// TestAllowlistsWaitForTheRelease: a member of the release before does not know
// of them.
func TestAllowlistsWaitForTheRelease(t *testing.T) {
	c := newCluster(t, 2)
	inMemory().allowlisted(c.members[0], true)
	c.see("member-0", "member-1!")
	if ref := c.members[0].start(t, "Login").Ref; ref.Allowlist != [16]byte{} {
		t.Errorf("allowlisted: %x", ref.Allowlist)
	}
}

// TestAllowlistedOutlivesEverybody: when every member has been replaced, only the
// newest authId of an allowlisted journey is good, and a request that was answered
// before gets what it got.
func TestAllowlistedOutlivesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs := registered(t, 3)
		defer c.close()
		withClient().allowlisted(c.members[0], true)
		page := c.members[0].start(t, "Steps")
		second, err := c.members[1].answer(t, page.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		third, err := c.members[2].answer(t, second.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		c.replace(runs, c.ids()...)
		for name, old := range map[string]journey.ResumeRequest{
			"the first step": resumeWith(page.Ref, "other"), "the first step, as before": resumeWith(page.Ref, "demo"),
			"the second step": resumeWith(second.Ref, "wrong"),
		} {
			if reply, err := c.members[3].Resume(t.Context(), old); err == nil {
				t.Errorf("%s goes on: %+v", name, reply.Ref)
			}
		}
		again, err := c.members[4].answer(t, second.Ref, "secret")
		if err != nil || again.Ref.Allowlist != third.Ref.Allowlist {
			t.Errorf("the last request again: %+v, %v", again.Ref, err)
		}
		if done, err := c.members[5].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("the newest: %+v, %v", done, err)
		}
		_, err = c.members[5].answer(t, third.Ref, "secret")
		if err == nil {
			t.Error("other answers to the last step")
		}
	})
}

// TestAllowlistedEndIsFinal: a journey that has failed is not tried again when
// all who knew of it are gone.
func TestAllowlistedEndIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs := registered(t, 3)
		defer c.close()
		withClient().allowlisted(c.members[0], true)
		second := c.middles(t, 1)[0]
		third, err := c.members[0].answer(t, second, "wrong")
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := c.members[0].answer(t, third.Ref, "yes"); err != nil || reply.Done.Success {
			t.Fatalf("%+v, %v", reply, err)
		}
		c.replace(runs, c.ids()...)
		_, err = c.members[3].Resume(t.Context(), journey.ResumeRequest{Ref: third.Ref, Answers: []callback.Answer{
			{Type: callback.TextOutput}, {Type: callback.Confirmation, Values: []any{1}},
		}})
		wantGone(t, err)
	})
}

// TestAllowlistedWaitsForTheStore: without the store no step is made, and the
// same answers make it later.
func TestAllowlistedWaitsForTheStore(t *testing.T) {
	m := withClient().member(t, time.Now)
	withClient().allowlisted(m, true)
	first := m.start(t, "Steps")
	m.tokens.inject(func() storeFault { return storeFault{before: true} })
	_, err := m.answer(t, first.Ref, "demo")
	wantUnavailable(t, err)
	m.tokens.inject(func() storeFault { return storeFault{after: true} })
	_, err = m.answer(t, first.Ref, "demo")
	wantUnavailable(t, err)
	m.tokens.inject(nil)
	_, err = m.answer(t, first.Ref, "other") // the store has the first ones
	wantGone(t, err)
	if second, err := m.answer(t, first.Ref, "demo"); err != nil || second.Ref.Step != 2 {
		t.Errorf("%+v, %v", second.Ref, err)
	}
	if got := m.Metrics(); got.StoredWrites != 1 || got.Stored != 2 { // the try that is not known to have failed counts
		t.Errorf("%+v", got)
	}
}

// TestChainsThroughLosses: with allowlisting no step of a journey that its client
// carries is lost or answered twice, though all members are replaced at once,
// again and again.
func TestChainsThroughLosses(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		if t.Failed() {
			break
		}
		chainsThroughLosses(t, seed)
	}
}

func chainsThroughLosses(t *testing.T, seed uint64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, runs := registered(t, 3)
		defer c.close()
		c.members[0].publishTree(testTree{"Chain", []testNode{{"chX", "ChainNode", "", "outcome>ok"}}})
		withClient().allowlisted(c.members[0], true)
		c.tokens.random(seed, 0.1, 5*time.Millisecond)
		c.net.random(seed, 0.1, 8*time.Millisecond, refused, loseRequest, loseAnswer, twice)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		random := rand.New(rand.NewPCG(seed, 4)) //nolint:gosec // a seed decides
		var weather sync.WaitGroup
		weather.Go(func() {
			for range 12 {
				rest(ctx, time.Duration(5+random.IntN(60))*time.Millisecond)
				if ctx.Err() != nil {
					return
				}
				var ended []placement.MemberID
				for _, m := range c.alive() {
					ended = append(ended, m.config.Self)
				}
				c.replace(runs, ended...)
			}
		})
		const journeys = 4
		results := make(chan error, journeys)
		for i := range journeys {
			x := &chain{c: c, random: rand.New(rand.NewPCG(seed, uint64(100+i))), name: fmt.Sprintf("journey %d", i)} //nolint:gosec // a seed decides
			go func() { results <- x.run(ctx) }()
		}
		for range journeys {
			if err := <-results; err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		cancel()
		weather.Wait()
		if n := len(c.sessions.byJourney); n > journeys {
			t.Errorf("seed %d: %d sessions of %d journeys", seed, n, journeys)
		}
	})
}
