package actors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/internal/envelope"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// script is a journey and what a client does in it.
type script struct {
	tree    string
	request journey.StartRequest
	turns   []turn
}

// turn is one request: answers to the step that was asked last, or to one
// before it.
type turn struct {
	answers []callback.Answer
	request node.Request
	session *session.Session
	back    int           // answers the step so many before the last
	wait    time.Duration // before it
}

func say(t callback.Type, values ...any) callback.Answer {
	return callback.Answer{Type: t, Values: values}
}

func text(t callback.Type, value string) turn {
	return turn{answers: []callback.Answer{say(t, value)}}
}

func scripts() map[string]script {
	name, password := text(callback.Name, "demo"), text(callback.Password, "secret")
	wrong := text(callback.Password, "guess")
	press := turn{answers: []callback.Answer{say(callback.TextOutput), say(callback.Confirmation, 0.0)}}
	pick := func(i any) turn { return turn{answers: []callback.Answer{say(callback.Choice, i)}} }
	page := turn{answers: []callback.Answer{say(callback.Name, "demo"), say(callback.Password, "secret")}}
	french := node.Request{Locales: []string{"fr"}, ClientIP: "192.0.2.1", Parameters: map[string][]string{"goto": {"/there"}}}
	upgrade := &session.Session{
		ID: session.ID{1}, Principal: session.Principal{Realm: "/", Username: "demo", UniversalID: "id=demo,ou=user,ou=am-config"},
		Trees: []string{"Other"}, AuthLevel: 3, Properties: map[string]string{"am.x": "from the session"},
	}
	stranger := *upgrade
	stranger.Principal.UniversalID = "id=else,ou=user,ou=am-config"
	again, old := func(n turn, back int) turn { n.back = back; return n }, 1
	return map[string]script{
		"page":         {tree: "Login", turns: []turn{page}},
		"page retried": {tree: "Login", turns: []turn{page, again(page, 1), again(page, 1)}},
		"steps":        {tree: "Steps", turns: []turn{name, password, press}},
		"each retried": {tree: "Steps", turns: []turn{name, again(name, old), password, again(password, old), press, again(press, old)}},
		"going back":   {tree: "Steps", turns: []turn{name, password, again(text(callback.Name, "other"), 2), again(wrong, 1), press}},
		"malformed":    {tree: "Steps", turns: []turn{password, {}, name, name, password, pick(7.0), press}},
		"choice":       {tree: "Choose", turns: []turn{pick(0.0), name, password}},
		"no choice":    {tree: "Choose", turns: []turn{pick(3.0), pick("x"), pick("2")}},
		"retry":        {tree: "Choose", turns: []turn{pick(0.0), name, wrong, name, password}},
		"retry limit":  {tree: "Choose", turns: []turn{pick(0.0), name, wrong, name, wrong, name, wrong, password}},
		"code":         {tree: "Choose", turns: []turn{pick(1.0), text(callback.Password, "000000"), name, password}},
		"never":        {tree: "Choose", turns: []turn{pick(2.0), pick(2.0), pick(0.0)}},
		"headers and clock": {tree: "Wait", turns: []turn{
			{answers: []callback.Answer{say(callback.PollingWait)}},
			{answers: []callback.Answer{say(callback.PollingWait)}, wait: 6 * time.Second},
			{answers: []callback.Answer{say(callback.Name, "x")}, request: node.Request{
				Headers: map[string][]string{"X-Openam-Username": {"demo"}, "X-Openam-Password": {"secret"}},
			}},
		}},
		"session, language and goto": {tree: "Carry", turns: []turn{
			{answers: press.answers, request: node.Request{Session: upgrade.Properties}, session: upgrade},
			{answers: []callback.Answer{say(callback.TextOutput), say(callback.TextOutput), say(callback.TextOutput)}},
			{answers: name.answers, request: french, session: upgrade},
		}},
		"another user's session": {tree: "Login", turns: []turn{{answers: page.answers, session: &stranger}, page}},
		"kept from its start": {tree: "Login", request: journey.StartRequest{Request: node.Request{
			Locales: []string{"de"}, Parameters: map[string][]string{"x": {strings.Repeat("long", maxTrace)}},
		}}, turns: []turn{page}},
		"no session": {tree: "Login", request: journey.StartRequest{NoSession: true}, turns: []turn{page}},
		"too late":   {tree: "Steps", turns: []turn{name, {answers: password.answers, wait: time.Hour}}},
	}
}

// play runs a script, each request at the member that turn gives, and writes
// down what was answered, without what is random.
func play(t *testing.T, s script, at func(turn int) *testMember) string {
	t.Helper()
	var out strings.Builder
	request := s.request
	request.Realm, request.Tree = realm.Root, s.tree
	reply, err := at(0).Start(t.Context(), request)
	refs := []journey.Ref{reply.Ref}
	write(&out, reply, err)
	for i, n := range s.turns {
		time.Sleep(n.wait)
		reply, err := at(i+1).Resume(t.Context(), journey.ResumeRequest{
			Ref: refs[max(0, len(refs)-1-n.back)], Answers: n.answers, Request: n.request, Session: n.session,
		})
		write(&out, reply, err)
		if err == nil && (reply.Ask == nil || reply.Ref.Step > refs[len(refs)-1].Step) {
			refs = append(refs, reply.Ref)
			if reply.Ask == nil {
				refs[len(refs)-1] = refs[len(refs)-2]
			}
		}
	}
	return out.String()
}

func write(out *strings.Builder, reply journey.Reply, err error) {
	if err != nil {
		fmt.Fprintf(out, "error %v\n", err)
		return
	}
	if done := reply.Done; done != nil {
		fmt.Fprintf(out, "done %v url=%q message=%q lockout=%v user=%v level=%d trees=%v token=%v existing=%v err=%v details=%v\n",
			done.Success, done.URL, done.Message, done.Lockout, done.Session.Principal, done.Session.AuthLevel, done.Session.Trees,
			reply.Token != "", reply.Existing, done.Err, done.Details)
		for name, value := range done.Session.Properties {
			if name != session.PropertyContextID {
				fmt.Fprintf(out, "  %s=%s\n", name, value)
			}
		}
		return
	}
	asked, err := json.Marshal(reply.Ask)
	fmt.Fprintf(out, "ask %d %s %s %s %v\n", reply.Ref.Step, reply.Realm, reply.Ref.Expires.Sub(reply.Ref.Started), asked, err)
}

// TestAnyMember (P1): a journey whose every request goes to another member gets
// the answers that it gets from one.
func TestAnyMember(t *testing.T) {
	for name, s := range scripts() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one, three := newCluster(t, 1), newCluster(t, 3)
				defer one.close()
				defer three.close()
				want := play(t, s, func(int) *testMember { return one.members[0] })
				if !strings.Contains(want, "done") && !strings.Contains(want, "error") {
					t.Fatalf("the script ends nowhere:\n%s", want)
				}
				for _, next := range []func(turn int) int{
					func(i int) int { return i },
					func(i int) int { return 2 * i },
					func(i int) int { return min(i, 1) }, // all but the first at another
				} {
					for offset := range three.members {
						got := play(t, s, func(i int) *testMember { return three.members[(offset+next(i))%3] })
						if got != want {
							t.Errorf("three members answered\n%s\none answers\n%s", got, want)
						}
					}
				}
				if three.net.total() < 3 {
					t.Errorf("%d requests went from member to member", three.net.total())
				}
			})
		})
	}
}

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

// TestOwnerLost: with one copy of each journey, what a lost member had is
// unavailable while it may come back and gone when it has left the view, as in
// AM. A journey that nobody has answered yet goes on elsewhere at once.
func TestOwnerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		waiting, unanswered := c.kept(), c.members[0].start(t, "Login")
		c.net.crash("member-0")

		_, err := c.members[1].answer(t, waiting.Ref, "secret")
		wantUnavailable(t, err)
		began := time.Now()
		if reply, err := c.members[1].answer(t, unanswered.Ref, "demo", "secret"); err != nil || !reply.Done.Success {
			t.Errorf("the first answer after its owner was lost: %+v, %v", reply.Done, err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the next rank was asked after %v", took)
		}

		c.see("member-1", "member-2")
		_, err = c.members[1].answer(t, waiting.Ref, "secret")
		wantGone(t, err)
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

// TestJoin: a journey whose rank moved to a newcomer is found where it lives,
// and not called unknown while the member that may have it cannot be asked.
func TestJoin(t *testing.T) {
	c := newCluster(t, 2)
	var waiting []journey.Reply
	for range 40 {
		waiting = append(waiting, c.kept())
	}
	c.add()
	c.see(c.ids()...)
	moved := 0
	for i, reply := range waiting {
		if c.at(reply.Ref.Journey) == 2 {
			moved++
			c.net.only("member-0", refused, -1)
			if i%3 != 0 {
				_, err := c.members[i%3].answer(t, reply.Ref, "secret")
				wantUnavailable(t, err)
			} else { // nobody has to be asked
				before := c.net.total()
				if _, err := c.members[0].answer(t, reply.Ref, "secret"); err != nil || c.net.total() != before {
					t.Errorf("at the member that has the journey: %v, %d hops", err, c.net.total()-before)
				}
			}
			c.net.inject(nil)
		}
		third, err := c.members[i%3].answer(t, reply.Ref, "secret")
		if err != nil {
			t.Fatalf("journey %d at member %d: %v", i, i%3, err)
		}
		if done, err := c.members[(i+1)%3].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
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

// TestViewsDiffer: members that see different clusters for a while agree about
// journeys whose members they see. What one calls unknown because it does not
// see all, a member that does still goes on with.
func TestViewsDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		c.sees(0, "member-0", "member-1")
		c.sees(1, "member-0", "member-1", "member-2")
		c.sees(2, "member-0", "member-2")
		unknown := 0
		for i := range 60 {
			reply := c.members[i%3].start(t, "Steps")
			for k, value := range []string{"demo", "secret", "yes"} {
				at := (i + k) % 3
				next, err := c.members[at].answer(t, reply.Ref, value)
				if at != 1 && k > 0 && errors.Is(err, journey.ErrGone) {
					unknown++
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
		if unknown == 0 {
			t.Error("the views did not differ in anything")
		}
		if n := int(c.users.checks.Load()); n != 60 {
			t.Errorf("%d password checks for 60 journeys", n)
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

// TestDraining: a member that leaves keeps the journeys that it has, is asked
// for them first, and takes no new ones.
func TestDraining(t *testing.T) {
	c := newCluster(t, 3)
	waiting := c.kept()
	answered := c.members[0].start(t, "Login")
	first, err := c.members[0].answer(t, answered.Ref, "demo", "secret")
	if err != nil {
		t.Fatal(err)
	}
	c.see("member-0-", "member-1", "member-2")

	before := c.net.total()
	third, err := c.members[1].answer(t, waiting.Ref, "secret")
	if err != nil {
		t.Fatalf("a journey of a draining member: %v", err)
	}
	if hops := c.net.total() - before; hops != 1 {
		t.Errorf("%d hops to a journey of a draining member", hops)
	}
	if _, err := c.members[0].answer(t, third.Ref, "yes"); err != nil {
		t.Errorf("at the draining member itself: %v", err)
	}
	again, err := c.members[2].answer(t, answered.Ref, "demo", "secret")
	if err != nil || again.Token != first.Token {
		t.Errorf("a repeated first answer: %v", err)
	}
	if n := c.users.checks.Load(); n != 2 {
		t.Errorf("%d password checks, want one for each journey", n)
	}

	long := journey.StartRequest{Realm: realm.Root, Tree: "Login", Request: node.Request{
		Headers:    map[string][]string{"X-Y": {"z"}},
		Parameters: map[string][]string{"x": {strings.Repeat("long", maxTrace)}},
	}}
	name, password := "demo", identity.Secret("secret")
	for range 10 {
		traceless := c.members[0].start(t, "Steps")
		kept, err := c.members[0].Start(t.Context(), long)
		if err != nil || kept.Ask == nil {
			t.Fatalf("a start at a draining member: %+v, %v", kept, err)
		}
		for _, id := range []journey.ID{traceless.Ref.Journey, kept.Ref.Journey} {
			if c.at(id) == 0 {
				t.Error("a draining member began a journey of its own")
			}
		}
		if _, err := c.members[0].answer(t, traceless.Ref, "demo"); err != nil {
			t.Error(err)
		}
		if done, err := c.members[1].answer(t, kept.Ref, "demo", "secret"); err != nil || !done.Done.Success {
			t.Errorf("the end of a journey begun at a draining member: %v", err)
		}
		zero := long
		zero.Username, zero.Password = &name, &password
		if done, err := c.members[0].Start(t.Context(), zero); err != nil || done.Done == nil || !done.Done.Success {
			t.Errorf("zero-page login at a draining member: %+v, %v", done, err)
		}
	}
	if n := c.members[0].Metrics().Waiting; n != 0 {
		t.Errorf("%d journeys wait at the draining member", n)
	}
	c.see("member-0-", "member-1-", "member-2-")
	if reply := c.members[0].start(t, "Login"); c.views[0].Load().Len() != 3 || reply.Ref.Journey == (journey.ID{}) {
		t.Error("no start when all members leave")
	}
}

// TestStartAtAMemberThatLeaves: the first member by rank that can be reached
// takes the journey; if it is not known whether one did, the client is told so.
func TestStartAtAMemberThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		c.see("member-0-", "member-1", "member-2")
		long := journey.StartRequest{Realm: realm.Root, Tree: "Login", Request: node.Request{
			Parameters: map[string][]string{"x": {strings.Repeat("long", maxTrace)}},
		}}
		for kind, unknown := range map[faultKind]bool{refused: false, loseRequest: true, loseAnswer: true} {
			hits := 0
			for range 16 {
				hit := false
				c.net.inject(func(_, to placement.MemberID) fault {
					if hit = hit || to == "member-1"; to == "member-1" {
						return fault{kind: kind}
					}
					return fault{}
				})
				reply, err := c.members[0].Start(t.Context(), long)
				switch {
				case hit && unknown:
					if !wantUnavailable(t, err).Unknown {
						t.Errorf("fault %d: %v claims to know", kind, err)
					}
				case err != nil || reply.Ask == nil:
					t.Errorf("fault %d: %+v, %v", kind, reply, err)
				}
				hits += int(bit(hit))
			}
			if hits == 0 {
				t.Errorf("fault %d hit nothing", kind)
			}
		}
		c.net.inject(func(_, _ placement.MemberID) fault { return fault{kind: refused} })
		if reply, err := c.members[0].Start(t.Context(), long); err != nil || reply.Ask == nil {
			t.Errorf("a leaving member alone: %+v, %v", reply, err)
		}
	})
}

// TestLostAnswers: a step whose request or answer was lost is asked for again
// and runs once.
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
				if checks, creates := c.users.checks.Load(), c.sessions.calls.Load(); checks != 1 || creates != 1 {
					t.Errorf("%d password checks and %d sessions created for one step", checks, creates)
				}
			})
		})
	}
}

// TestSilentOwner: an owner that neither answers nor refuses is waited for
// until the request's deadline, or until it has left the view.
func TestSilentOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		first := c.members[0].start(t, "Login")
		c.net.only("member-0", frozen, -1)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := c.members[1].Resume(ctx, resumeWith(first.Ref, "demo", "secret"))
		wantUnavailable(t, err)
		c.net.only("member-0", refused, -1)
		_, err = c.members[1].Resume(ctx, resumeWith(first.Ref, "demo", "secret"))
		wantUnavailable(t, err)
		if n := c.users.checks.Load(); n != 0 {
			t.Errorf("%d password checks for a request that is over", n)
		}

		c.net.only("member-0", loseRequest, -1)
		time.AfterFunc(time.Second, func() { c.see("member-1", "member-2") })
		began := time.Now()
		reply, err := c.members[1].answer(t, first.Ref, "demo", "secret")
		if err != nil || !reply.Done.Success {
			t.Fatalf("after the owner left the view: %+v, %v", reply.Done, err)
		}
		if took := time.Since(began); took < time.Second || took > time.Second+maxPause {
			t.Errorf("the next rank was asked after %v", took)
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
		c := newCluster(t, 2)
		defer c.close()
		c.see("member-0") // journeys that begin are all member 0's
		late := c.members[1]
		late.docs = &memoryDocuments{}
		late.catalog.documents = late.docs
		late.publishLogin("Login", "Old")
		late.catalog.Invalidate("", "")
		if got := late.settingsHeader(t); got != "Old" {
			t.Fatalf("the late member shows %q", got)
		}
		var refs []journey.Ref
		for len(refs) < 30 {
			refs = append(refs, c.members[0].start(t, "Login").Ref)
		}
		c.see("member-0", "member-1")
		for i, ref := range refs[:15] {
			if reply, err := c.members[i%2].answer(t, ref, "demo", "secret"); err != nil || !reply.Done.Success {
				t.Fatalf("before the version is there: %+v, %v", reply.Done, err)
			}
		}
		if n := late.Metrics().Succeeded; n != 0 {
			t.Errorf("%d journeys ran on a version that was not there", n)
		}
		c.net.only("member-0", refused, -1)
		asked := false
		for _, ref := range refs[15:] {
			if c.at(ref.Journey) == 1 {
				asked = true
				_, err := late.answer(t, ref, "demo", "secret")
				wantUnavailable(t, err)
			}
		}
		late.docs.mu.Lock() // the documents arrive, and nobody says so
		c.docs.mu.Lock()
		late.docs.docs = c.docs.docs
		c.docs.mu.Unlock()
		late.docs.mu.Unlock()
		time.Sleep(rereadAfter)
		for _, ref := range refs[15:] {
			if reply, err := late.answer(t, ref, "demo", "secret"); err != nil || !reply.Done.Success {
				t.Fatalf("after the version has arrived: %+v, %v", reply.Done, err)
			}
		}
		if !asked {
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

// TestFaults: whatever becomes of messages, no journey is lost and each step
// runs once, as long as the owners live and stay.
func TestFaults(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			c.net.random(seed, 0.4, 50*time.Millisecond, loseRequest, loseAnswer, twice)
			const journeys = 6
			runAll(t, c, journeys)
			synctest.Wait()
			if checks, creates := c.users.checks.Load(), c.sessions.calls.Load(); checks != journeys || creates != journeys {
				t.Errorf("seed %d: %d password checks and %d sessions created for %d journeys", seed, checks, creates, journeys)
			}
		})
	}
}

// TestFaultsOfConnections: with members that cannot reach each other for a
// moment a step may run twice (DESIGN.md), but no journey is lost and none has
// two sessions.
func TestFaultsOfConnections(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			c.net.random(seed, 0.4, 50*time.Millisecond, refused, loseRequest, loseAnswer, twice)
			const journeys = 6
			runAll(t, c, journeys)
			if n := len(c.sessions.byJourney); n != journeys {
				t.Errorf("seed %d: %d sessions of %d journeys", seed, n, journeys)
			}
		})
	}
}

// TestComingAndLeaving: while a member joins and others begin to leave, and each
// member hears of it at a time of its own, no journey is lost or called unknown.
func TestComingAndLeaving(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3)
			defer c.close()
			c.add()
			c.sees(3, c.ids()...) // sees the others before they see it
			c.net.random(seed, 0.2, 50*time.Millisecond, loseRequest, loseAnswer)
			random := rand.New(rand.NewPCG(seed, 2))
			var lags [8]time.Duration // two for each member
			for i := range lags {
				lags[i] = time.Duration(random.Int64N(int64(viewSpread) * 4 / 5))
			}
			var churn sync.WaitGroup
			for i := range c.members {
				churn.Go(func() {
					time.Sleep(lags[2*i])
					c.sees(i, c.ids()...)
					time.Sleep(lags[2*i+1])
					c.sees(i, "member-0", "member-1-", "member-2", "member-3")
				})
			}
			const journeys = 8
			runAll(t, c, journeys)
			churn.Wait()
			if n := len(c.sessions.byJourney); n != journeys {
				t.Errorf("seed %d: %d sessions of %d journeys", seed, n, journeys)
			}
		})
	}
}

// runAll runs journeys at the same time, each request at the next member, and
// sends a request again, elsewhere, when it was answered as unavailable.
func runAll(t *testing.T, c *testCluster, journeys int) {
	t.Helper()
	done := make(chan error, journeys)
	for i := range journeys {
		go func() { done <- runOne(t.Context(), c, i) }()
	}
	for range journeys {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func runOne(ctx context.Context, c *testCluster, i int) error {
	at := i
	reply, err := c.members[at%len(c.members)].Start(ctx, journey.StartRequest{Realm: realm.Root, Tree: "Steps"})
	for _, value := range []string{"demo", "secret", "yes"} {
		if err != nil {
			return err
		}
		request := resumeWith(reply.Ref, value)
		for try := 0; ; try++ {
			at++
			limited, cancel := context.WithTimeout(ctx, 5*time.Second)
			reply, err = c.members[at%len(c.members)].Resume(limited, request)
			cancel()
			if _, away := errors.AsType[*session.UnavailableError](err); !away {
				break
			}
			if try == 50 {
				return fmt.Errorf("journey %d: still %w", i, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("journey %d, answer %q: %w", i, value, err)
		}
	}
	if !reply.Done.Success {
		return fmt.Errorf("journey %d failed", i)
	}
	return nil
}

// TestServeRefuses: what cannot be read, or comes too late, is refused in a way
// that tells the caller that nothing was done.
func TestServeRefuses(t *testing.T) {
	c := newCluster(t, 1)
	m := c.members[0]
	good, err := envelope.Encode(&envelope.Resume{})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, body []byte) {
		t.Helper()
		raw, err := m.Serve(t.Context(), "member-1", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := envelope.DecodeAnswer(raw)
		var refused *envelope.RefusedError
		if err != nil || !errors.As(answer.Err, &refused) {
			t.Errorf("%s: %v, %v", name, answer.Err, err)
		}
	}
	refused("nothing", nil)
	refused("another version", []byte{9, 9, 9})
	refused("cut", good[:len(good)-1])
	m.Close()
	refused("a member that stops", good)
}

// TestLogsKeepSecrets: neither messages nor their faults show what a client
// sent.
func TestLogsKeepSecrets(t *testing.T) {
	var out safeBuffer
	c := newCluster(t, 3)
	for _, m := range c.members {
		m.logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	const password = "correct horse"
	first := c.members[0].start(t, "Login")
	request := resumeWith(first.Ref, "demo", password)
	if _, err := c.members[1].Resume(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	body, err := envelope.Encode(&envelope.Resume{Request: request})
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{body[:len(body)-3], append(bytes.Clone(body), 1)} {
		if _, err := c.members[2].Serve(t.Context(), "member-0", raw); err != nil {
			t.Fatal(err)
		}
	}
	c.users.panics.Store(true)
	second := c.members[0].start(t, "Login")
	if _, err := c.members[1].Resume(t.Context(), resumeWith(second.Ref, "demo", password)); err == nil {
		t.Error("a panic gave a reply")
	}
	if got := out.String(); strings.Contains(got, password) || !strings.Contains(got, "cannot be read") || !strings.Contains(got, "panicked") {
		t.Errorf("the log says\n%s", got)
	}
}
