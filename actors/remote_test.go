package actors

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// kept begins a journey of several steps that lives at the first member.
func (c *testCluster) kept() journey.Reply {
	c.t.Helper()
	first := c.members[0].start(c.t, "Steps")
	reply, err := c.members[0].answer(c.t, first.Ref, "demo")
	if err != nil {
		c.t.Fatal(err)
	}
	return reply
}

func wantGone(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, journey.ErrGone) {
		t.Errorf("got %v, want ErrGone", err)
	}
}

func wantUnavailable(t *testing.T, err error) *session.UnavailableError {
	t.Helper()
	var away *session.UnavailableError
	if !errors.As(err, &away) {
		t.Fatalf("got %v, want unavailable", err)
	}
	if away.RetryAfter <= 0 {
		t.Errorf("%v does not say when to come back", err)
	}
	return away
}

// TestOwnerLost: a journey goes on at once at the next member by rank when its
// owner is lost, whether it was answered before or not; nobody waits for a view.
func TestOwnerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		waiting, unanswered := c.kept(), c.members[0].start(t, "Login")
		c.net.crash("member-0")
		began := time.Now()
		third, err := c.members[1].answer(t, waiting.Ref, "secret")
		if err != nil {
			t.Fatalf("a journey whose owner was lost: %v", err)
		}
		if done, err := c.members[2].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("its last step: %+v, %v", done.Done, err)
		}
		if reply, err := c.members[1].answer(t, unanswered.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
			t.Errorf("the first answer after its owner was lost: %+v, %v", reply.Done, err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the next ranks were asked after %v", took)
		}
	})
}

// TestOwnerLostOfOne: of a journey that one member holds, what that had is
// unavailable while it may come back and gone when it has left the view, as in
// AM; but not for a member that may be cut off.
func TestOwnerLostOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, 3, func(own *Config) { own.Replicas = 1 })
		defer c.close()
		waiting, unanswered := c.kept(), c.members[0].start(t, "Login")
		moved, err := c.members[1].acts(t, c.kept().Ref, "secret")
		if err != nil {
			t.Fatalf("while its owner lives: %v", err)
		}
		c.net.crash("member-0")
		for _, ref := range []journey.Ref{waiting.Ref, unanswered.Ref} {
			_, err := c.members[1].answer(t, ref, "secret")
			wantUnavailable(t, err)
		}
		if done, err := c.members[1].answer(t, moved.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("one that had moved: %+v, %v", done.Done, err)
		}
		c.see("member-1", "member-2")
		for _, ref := range []journey.Ref{waiting.Ref, unanswered.Ref} {
			_, err := c.members[1].answer(t, ref, "secret")
			wantGone(t, err)
		}
		c.quorum.Store(&session.UnavailableError{Reason: "no quorum", RetryAfter: time.Second})
		_, err = c.members[1].answer(t, waiting.Ref, "secret")
		wantUnavailable(t, err)
	})
}

// TestAloneWithoutQuorum: a member that sees only itself does not call unknown
// what the others may have.
func TestAloneWithoutQuorum(t *testing.T) {
	c := newCluster(t, 3)
	waiting := c.kept()
	c.sees(1, "member-1")
	c.quorum.Store(&session.UnavailableError{Reason: "no quorum", RetryAfter: time.Second})
	_, err := c.members[1].answer(t, waiting.Ref, "secret")
	wantUnavailable(t, err)
}

// TestNothingBeginsInAMinority: a journey that a member begins while it is cut
// off would name it alone, and end with it. It says so at once, and without
// asking the store: a start needs no leader.
func TestNothingBeginsInAMinority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := newTestRuns()
		var c *testCluster
		c = newClusterWith(t, 3, func(own *Config) {
			own.Runs = runs
			view := own.View
			own.CutOff = func() bool { return c != nil && 2*view().Len() <= len(runs.Known()) }
		})
		defer c.close()
		c.quorum.Store(&session.UnavailableError{Reason: "no quorum", RetryAfter: time.Second})
		starts := func() (errs []error) {
			for _, tree := range []string{"Login", "Steps"} {
				_, err := c.members[1].Start(t.Context(), journey.StartRequest{Realm: "/", Tree: tree})
				errs = append(errs, err)
			}
			return errs
		}
		runs.begin("member-0", "member-1", "member-2")
		c.sees(1, "member-1", "member-2")
		for _, err := range starts() {
			if err != nil {
				t.Errorf("two of three: %v", err)
			}
		}
		cutOff := c.members[1].start(t, "Login") // its view has one other left, who may be cut off as well
		c.net.inject(func(from, to placement.MemberID) fault {
			if from != to && (from == "member-1" || to == "member-1") {
				return fault{kind: refused}
			}
			return fault{}
		})
		if _, err := c.members[0].answer(t, cutOff.Ref, "demo", "guess"); err != nil {
			t.Errorf("a page of a member that is cut off, at the majority: %v", err)
		}
		c.net.inject(nil)
		c.sees(1, "member-1")
		began := time.Now()
		for _, err := range starts() {
			wantUnavailable(t, err)
		}
		if time.Since(began) > 0 {
			t.Error("the refusal was waited for")
		}
		runs.end("member-0")
		runs.end("member-2")
		for _, err := range starts() {
			if err != nil {
				t.Errorf("the last one: %v", err)
			}
		}
	})
}

// TestJoin: a newcomer takes over the journeys that it ranks first for, each
// when it is asked for it.
func TestJoin(t *testing.T) {
	c := newCluster(t, 3)
	var waiting []journey.Reply
	for range 40 {
		waiting = append(waiting, c.kept())
	}
	c.add()
	c.see(c.ids()...)
	moved := 0
	for i, reply := range waiting {
		at := c.at(reply.Ref.Journey)
		before := c.net.total()
		third, err := c.members[i%3].answer(t, reply.Ref, "secret")
		if err != nil {
			t.Fatalf("journey %d at member %d: %v", i, i%3, err)
		}
		if hops := c.net.total() - before; hops > 1 {
			t.Errorf("journey %d: %d hops", i, hops)
		}
		if at == 3 {
			moved++
			if h := c.members[3].slots.get(reply.Ref.Journey); !h.Leads("member-3") {
				t.Errorf("the newcomer does not lead a journey that it answered for")
			}
		}
		if done, err := c.members[(i+1)%4].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Fatalf("end of journey %d: %+v, %v", i, done, err)
		}
	}
	if moved < 3 {
		t.Fatalf("only %d journeys changed their rank", moved)
	}
	if checks := int(c.users.checks.Load()); checks != len(waiting) {
		t.Errorf("%d password checks for %d journeys", checks, len(waiting))
	}
}

// TestViewsDiffer: members that see different clusters for a while answer for
// every journey all the same, and none is called unknown.
func TestViewsDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		c.sees(0, "member-0", "member-1")
		c.sees(1, "member-0", "member-1", "member-2")
		c.sees(2, "member-0", "member-2")
		for i := range 60 {
			reply := c.members[i%3].start(t, "Steps")
			for k, value := range []string{"demo", "secret", "yes"} {
				at := (i + k) % 3
				next, err := c.members[at].answer(t, reply.Ref, value)
				if _, away := errors.AsType[*session.UnavailableError](err); away {
					// A member that a set names is not in this one's view.
					next, err = c.members[1].answer(t, reply.Ref, value)
				}
				if err != nil {
					t.Fatalf("journey %d step %d at member %d: %v", i, k, at, err)
				}
				reply = next
			}
			if !reply.Done.Success {
				t.Fatalf("journey %d failed", i)
			}
		}
		if n := len(c.sessions.byJourney); n != 60 {
			t.Errorf("%d sessions for 60 journeys", n)
		}
	})
}

// TestOneHop: a member that was asked for a journey answers for itself, though
// by its own view another member owns it.
func TestOneHop(t *testing.T) {
	c := newCluster(t, 3)
	c.sees(0, "member-0", "member-1")
	c.sees(1, "member-0", "member-2")
	for range 20 {
		first := c.members[0].start(t, "Login")
		c.net.calls["member-1"] = 0
		c.sees(0, "member-1") // all journeys are member 1's
		if reply, err := c.members[0].answer(t, first.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
			t.Fatalf("%+v, %v", reply.Done, err)
		}
		if n := c.net.calls["member-1"]; n != 0 {
			t.Fatalf("the member that was asked asked others %d times", n)
		}
		c.sees(0, "member-0", "member-1")
	}
}

// TestLostAnswers: a step whose request or answer was lost is asked for again,
// at another member, and makes one session.
func TestLostAnswers(t *testing.T) {
	for name, kind := range map[string]faultKind{"request": loseRequest, "answer": loseAnswer, "delivered twice": twice} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3)
				defer c.close()
				first := c.members[0].start(t, "Login")
				c.net.only("member-0", kind, 3)
				reply, err := c.members[1].answer(t, first.Ref, "demo", "secret")
				if err != nil || !reply.Done.Success {
					t.Fatalf("%+v, %v", reply.Done, err)
				}
				synctest.Wait()
				if n := len(c.sessions.byJourney); n != 1 {
					t.Errorf("%d sessions of one journey", n)
				}
				if n := c.users.checks.Load(); kind == twice && n != 1 {
					t.Errorf("%d password checks for one step at one member", n)
				}
			})
		})
	}
}

// TestSilentOwner: an owner that neither answers nor refuses is waited for until
// its link is found dead, and then asked last for a while.
func TestSilentOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		c.net.only("member-0", frozen, -1)
		for i, want := range []time.Duration{linkPings, 0} {
			first := c.members[0].start(t, "Login")
			began := time.Now()
			reply, err := c.members[1].answer(t, first.Ref, "demo", "secret")
			if err != nil || !reply.Done.Success {
				t.Fatalf("%+v, %v", reply.Done, err)
			}
			if took := time.Since(began); took != want {
				t.Errorf("journey %d was answered after %v, want %v", i, took, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		<-ctx.Done()
		first := c.members[0].start(t, "Login")
		_, err := c.members[1].Resume(ctx, resumeWith(first.Ref, "demo", "secret"))
		wantUnavailable(t, err)
		if n := c.users.checks.Load(); n != 2 {
			t.Errorf("%d password checks with one request whose time was over", n)
		}
	})
}

// TestCloseEndsTheSearch: a member that stops does not hold those who wait for
// another member.
func TestCloseEndsTheSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2)
		defer c.close()
		first := c.members[0].start(t, "Login")
		c.net.only("member-0", frozen, -1)
		began := time.Now()
		time.AfterFunc(time.Second, c.members[1].Close)
		_, err := c.members[1].answer(t, first.Ref, "demo", "secret")
		wantUnavailable(t, err)
		if took := time.Since(began); took != time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

// TestErrorsFromAnotherMember: what a client is told does not depend on the
// member that it asked.
func TestErrorsFromAnotherMember(t *testing.T) {
	c := newCluster(t, 3)
	overloaded, down := identity.ErrOverloaded, identity.ErrUnavailable
	page := []callback.Answer{say(callback.Name, "demo"), say(callback.Password, "secret")}
	for name, tc := range map[string]struct {
		tree    string
		answers []callback.Answer
		users   *error
		store   *session.UnavailableError
		want    error
	}{
		"count":               {tree: "Login", answers: page[:1], want: callback.ErrCount},
		"type":                {tree: "Login", answers: []callback.Answer{page[1], page[0]}, want: callback.ErrType},
		"input":               {tree: "Login", answers: []callback.Answer{say(callback.Name), page[1]}, want: callback.ErrInput},
		"value":               {tree: "Choose", answers: []callback.Answer{say(callback.Choice, 9.0)}, want: &callback.ValueError{Type: callback.Choice, Detail: "the input is not one of the options"}},
		"identities away":     {tree: "Login", answers: page, users: &down, want: identity.ErrUnavailable},
		"identities flooded":  {tree: "Login", answers: page, users: &overloaded, want: identity.ErrOverloaded},
		"token store away":    {tree: "Login", answers: page, store: &session.UnavailableError{Reason: "no leader", RetryAfter: 3 * time.Second, Unknown: true}, want: &session.UnavailableError{Reason: "no leader", RetryAfter: 3 * time.Second, Unknown: true}},
		"a session was ended": {tree: "Login", answers: page, want: journey.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			first := c.members[0].start(t, tc.tree)
			c.users.err.Store(tc.users)
			c.sessions.err.Store(tc.store)
			c.sessions.ended.Store(errors.Is(tc.want, journey.ErrGone))
			defer c.users.err.Store(nil)
			defer c.sessions.err.Store(nil)
			defer c.sessions.ended.Store(false)
			before := c.net.total()
			_, err := c.members[1].Resume(t.Context(), journey.ResumeRequest{Ref: first.Ref, Answers: tc.answers})
			value, isValue := errors.AsType[*callback.ValueError](err)
			away, isAway := errors.AsType[*session.UnavailableError](err)
			same := errors.Is(err, tc.want)
			if want, ok := errors.AsType[*callback.ValueError](tc.want); ok {
				same = isValue && *value == *want
			}
			if want, ok := errors.AsType[*session.UnavailableError](tc.want); ok {
				same = isAway && *away == *want
			}
			if !same {
				t.Errorf("got %#v, want %#v", err, tc.want)
			}
			if c.net.total() != before+1 {
				t.Errorf("%d hops", c.net.total()-before)
			}
		})
	}
}

// TestStaleRecord: a member that has an earlier step of a journey than the
// client was given does not refuse the later one.
func TestStaleRecord(t *testing.T) {
	c := newCluster(t, 3)
	for range 10 {
		first := c.members[0].start(t, "Steps")
		second, err := c.members[0].answer(t, first.Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		c.net.only("member-0", refused, -1)
		if _, err := c.members[1].answer(t, first.Ref, "demo"); err != nil { // activates it again
			t.Fatal(err)
		}
		c.net.inject(nil)
		third, err := c.members[0].answer(t, second.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{1, 2} {
			if done, err := c.members[at].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
				t.Fatalf("the last step at member %d: %+v, %v", at, done.Done, err)
			}
		}
	}
}

// TestTreeNotReadYet: a member that has not read a tree's version looks into
// the store, and until it is there leaves the journey to those that have it.
func TestTreeNotReadYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		defer c.close()
		c.see("member-0", "member-2", "member-3") // who begins journeys
		late := c.members[1]
		late.docs = &memoryDocuments{}
		late.catalog.documents = late.docs
		late.publishLogin("Login", "Old")
		late.catalog.Invalidate("", "")
		if got := late.settingsHeader(t); got != "Old" {
			t.Fatalf("the late member shows %q", got)
		}
		var refs []journey.Ref
		for len(refs) < 40 {
			refs = append(refs, c.members[0].start(t, "Login").Ref)
		}
		c.see(c.ids()...)
		for i, ref := range refs[:20] {
			if reply, err := c.members[i%2].answer(t, ref, "demo", "secret"); err != nil || !reply.Done.Success {
				t.Fatalf("before the version is there: %+v, %v", reply.Done, err)
			}
		}
		if n := late.Metrics(); n.Succeeded != 0 || n.Takeovers != 0 {
			t.Errorf("%d journeys ran on a version that was not there, %d were taken over", n.Succeeded, n.Takeovers)
		}
		late.docs.mu.Lock() // the documents arrive, and nobody says so
		c.docs.mu.Lock()
		late.docs.docs = c.docs.docs
		c.docs.mu.Unlock()
		late.docs.mu.Unlock()
		time.Sleep(rereadAfter)
		for _, ref := range refs[20:] {
			if reply, err := late.answer(t, ref, "demo", "secret"); err != nil || !reply.Done.Success {
				t.Fatalf("after the version has arrived: %+v, %v", reply.Done, err)
			}
		}
		if late.Metrics().Succeeded == 0 {
			t.Error("no journey moved to the late member")
		}
	})
}

// settingsHeader is the header of the member's own login page.
func (m *testMember) settingsHeader(t *testing.T) string {
	t.Helper()
	p, err := m.catalog.plan(t.Context(), realm.Root, "Login")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := m.catalog.Settings(t.Context(), realm.Root)
	if err != nil {
		t.Fatal(err)
	}
	_, step := p.start(journey.Env{Now: time.Now(), Settings: settings, Request: &node.Request{}}, false)
	return step.(journey.Ask).Header
}
