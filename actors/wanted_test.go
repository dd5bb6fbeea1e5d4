package actors

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

const levelID = "00000000-0000-4000-8000-000000000007"

// publishStepUp stores a tree that asks for a password and then raises the level
// to 5.
func (m *testMember) publishStepUp(name string) {
	m.docs.put(realm.KindNode, levelID, `{"_type":{"_id":"ModifyAuthLevelNode"},"authLevelIncrement":5}`)
	m.docs.put(realm.KindTree, name, fmt.Sprintf(`{"entryNodeId":%q,"nodes":{
		%q:{"nodeType":"PageNode","connections":{"outcome":%q}},
		%q:{"nodeType":"DataStoreDecisionNode","connections":{"true":%q,"false":%q}},
		%q:{"nodeType":"ModifyAuthLevelNode","connections":{"outcome":%q}}}}`,
		pageID, pageID, checkID, checkID, levelID, bad, levelID, ok))
	m.catalog.Invalidate(realm.KindTree, realm.Root)
}

// choose answers a choice of trees.
func choose(ref journey.Ref, i int) journey.ResumeRequest {
	return journey.ResumeRequest{Ref: ref, Answers: []callback.Answer{{Type: callback.Choice, Values: []any{float64(i)}}}}
}

// wants starts what an advice wants, and expects to be asked.
func (m *testMember) wants(t *testing.T, w journey.Wanted) journey.Reply {
	t.Helper()
	reply, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Wanted: &w, ForceAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	if reply.Ask == nil {
		t.Fatalf("nothing was asked: %+v", reply.Done)
	}
	return reply
}

func choicesOf(t *testing.T, ask *journey.Ask) []string {
	t.Helper()
	for _, e := range ask.Callbacks[0].Output {
		if e.Name == "choices" {
			return e.Value.([]string)
		}
	}
	t.Fatalf("%s is no choice", ask.Callbacks[0].Type)
	return nil
}

// One of several trees is chosen, and the journey is one on that tree, as if it
// had begun on it: nothing is kept until the choice is answered.
func TestChoice(t *testing.T) {
	m := newMember(t, time.Now)
	asked := m.wants(t, journey.Wanted{Trees: []string{"Steps", "Login", "Nothing", "Login"}})
	if got := choicesOf(t, asked.Ask); !slices.Equal(got, []string{"Login", "Steps"}) {
		t.Fatalf("choices %q", got)
	}
	if len(asked.Ref.Trace) == 0 || m.Metrics().Waiting != 0 {
		t.Error("a question about trees is kept")
	}
	page, err := m.Resume(t.Context(), choose(asked.Ref, 0))
	if err != nil || page.Ask == nil || page.Ask.Header != "User Name" {
		t.Fatalf("chose Login, got %+v, %v", page.Ask, err)
	}
	if again, err := m.Resume(t.Context(), choose(asked.Ref, 0)); err != nil || again.Ask == nil || again.Ref.Step != page.Ref.Step {
		t.Errorf("the same choice again: %+v, %v", again, err)
	}
	if _, err := m.Resume(t.Context(), choose(asked.Ref, 1)); !errors.Is(err, journey.ErrGone) {
		t.Errorf("another choice: %v", err)
	}
	done, err := m.answer(t, page.Ref, "demo", "secret")
	if err != nil || done.Done == nil || !done.Done.Success {
		t.Fatalf("the end: %+v, %v", done, err)
	}
	if trees := done.Done.Session.Trees; !slices.Equal(trees, []string{"Login"}) {
		t.Errorf("the session satisfies %q", trees)
	}
}

// A choice that is malformed leaves the question where it was.
func TestChoiceMalformed(t *testing.T) {
	m := newMember(t, time.Now)
	asked := m.wants(t, journey.Wanted{Trees: []string{"Steps", "Login"}})
	var value *callback.ValueError
	if _, err := m.Resume(t.Context(), choose(asked.Ref, 2)); !errors.As(err, &value) {
		t.Errorf("a choice that is not there: %v", err)
	}
	if page, err := m.Resume(t.Context(), choose(asked.Ref, 1)); err != nil || page.Ask == nil {
		t.Errorf("the right one afterwards: %v", err)
	}
}

// Any member goes on with a choice, also when it has another version of the
// trees by then.
func TestChoiceAtAnyMember(t *testing.T) {
	c := newCluster(t, 3)
	asked := c.members[0].wants(t, journey.Wanted{Trees: []string{"Steps", "Login"}})
	c.members[0].publishLogin("Login", "Another header")
	for _, m := range c.members {
		m.catalog.Invalidate(realm.KindNode, realm.Root)
	}
	page, err := c.members[1].Resume(t.Context(), choose(asked.Ref, 0))
	if err != nil || page.Ask == nil || page.Ask.Header != "User Name" {
		t.Fatalf("the choice: %+v, %v", page.Ask, err)
	}
	done, err := c.members[2].answer(t, page.Ref, "demo", "secret")
	if err != nil || done.Done == nil || !done.Done.Success {
		t.Fatalf("the end: %+v, %v", done, err)
	}
}

func TestWanted(t *testing.T) {
	m := newMember(t, time.Now)
	m.publishStepUp("StepUp")
	reaches := journey.Wanted{Level: 5, ByLevel: true}
	if reply := m.wants(t, reaches); reply.Ask.Callbacks[0].Type != callback.Name {
		t.Errorf("the one tree that reaches the level is not run: %+v", reply.Ask)
	}
	if reply := m.wants(t, journey.Wanted{Trees: []string{"Login", "StepUp"}, Level: 5, ByLevel: true}); reply.Ask.Callbacks[0].Type != callback.Name {
		t.Errorf("of two trees the one that reaches the level is not run: %+v", reply.Ask)
	}
	if reply := m.wants(t, journey.Wanted{Trees: []string{"Login", "Steps"}, Level: 5, ByLevel: true}); reply.Ask.Callbacks[0].Type != callback.Choice {
		t.Errorf("no named tree reaches the level: %+v", reply.Ask)
	}
	m.publishStepUp("StepUp2")
	if got := choicesOf(t, m.wants(t, reaches).Ask); !slices.Equal(got, []string{"StepUp", "StepUp2"}) {
		t.Errorf("choices %q", got)
	}
	for name, w := range map[string]struct {
		wanted journey.Wanted
		want   error
	}{
		"a level that no tree reaches": {journey.Wanted{Level: 6, ByLevel: true}, journey.ErrLevel},
		"trees that are not there":     {journey.Wanted{Trees: []string{"A", "B"}}, journey.ErrNoTree},
	} {
		if _, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Wanted: &w.wanted}); !errors.Is(err, w.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	chosen := m.wants(t, reaches).Ref
	name, _ := decodeTrace(chosen.Trace, m.slots.names.name)
	if _, err := m.Start(t.Context(), journey.StartRequest{Realm: realm.Root, Tree: name.tree}); !errors.Is(err, journey.ErrNoTree) {
		t.Errorf("the name of a choice as that of a tree: %v", err)
	}
}

// A session that has the level is enough. One that has not is raised by the
// journey, and stays as it is when the journey fails.
func TestStepUp(t *testing.T) {
	m := newMember(t, time.Now)
	m.publishStepUp("StepUp")
	first, err := m.answer(t, m.start(t, "Login").Ref, "demo", "secret")
	if err != nil {
		t.Fatal(err)
	}
	old := first.Done.Session
	start := func(x *session.Session, force bool) journey.Reply {
		t.Helper()
		reply, err := m.Start(t.Context(), journey.StartRequest{
			Realm: realm.Root, Session: x, ForceAuth: force, Wanted: &journey.Wanted{Level: 5, ByLevel: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	page := start(&old, false)
	if page.Ask == nil {
		t.Fatalf("level %d was enough", old.AuthLevel)
	}
	answer := func(password string) journey.Reply {
		t.Helper()
		m.sessions.replaced.Store(nil)
		r := resumeWith(start(&old, false).Ref, "demo", password)
		r.Session = &old
		reply, err := m.Resume(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	if failed := answer("wrong"); failed.Done.Success || m.sessions.replaced.Load() != nil {
		t.Errorf("a step-up that failed: %+v", failed.Done)
	}
	raised := answer("secret")
	x := raised.Done.Session
	if !raised.Done.Success || x.AuthLevel != 5 || !slices.Equal(x.Trees, []string{"Login", "StepUp"}) {
		t.Fatalf("raised: %+v", raised.Done)
	}
	if replaced := m.sessions.replaced.Load(); replaced == nil || *replaced != old.ID {
		t.Error("the old session was not replaced")
	}
	if reply := start(&x, false); !reply.Existing {
		t.Error("a session of level 5 was asked for level 5 again")
	}
	if reply := start(&x, true); reply.Ask == nil {
		t.Error("ForceAuth did not run the tree")
	}
}
