package actors

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
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
func TestAnyMember(t *testing.T) { overStores(t, testAnyMember) }

func testAnyMember(t *testing.T, in where) {
	t.Helper()
	for name, s := range scripts() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one, three := newCluster(t, 1), in.cluster(t, 3)
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
				if in != inStore() && three.net.total() < 3 {
					t.Errorf("%d requests went from member to member", three.net.total())
				}
			})
		})
	}
}
