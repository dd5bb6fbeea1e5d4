package journey_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

// ids makes ids of what they are for.
type ids struct{}

func (ids) Suspend(id journey.ID, step uint32, answers [16]byte) journey.SuspendedID {
	return journey.SuspendedID(fmt.Sprintf("%x-%d-%x", id[:2], step, answers[:2]))
}

// holdNode runs an effect with its link, suspends, runs another when it is back,
// and goes on.
type holdNode struct{ seen *[]string }

func (h holdNode) Process(c *node.Context) (node.Action, error) {
	note := func(text string) { *h.seen = append(*h.seen, text) }
	switch {
	case c.Resumed && c.Result == nil:
		note("back")
		return node.Do{Effect: node.Measure{Key: "back"}}, nil
	case c.Resumed:
		note("on")
		return node.Goto{Outcome: node.Next}, nil
	case c.Result != nil:
		id, err := c.SuspendedID()
		note(id)
		return node.Suspend{Message: "Wait", Duration: time.Minute}, err
	}
	link, err := c.ResumeURI()
	note(link)
	return node.Do{Effect: node.Measure{Key: link}}, err
}

// holding compiles a tree: a name, inside an inner tree a holdNode, then another
// name. A page holds one as well in "Paged".
func holding(t *testing.T, seen *[]string) (types *node.Registry, set *tree.Set) {
	t.Helper()
	types = node.NewRegistry(append(builtins(), node.Type{
		Name: "HoldNode", Title: "Hold", Suspends: true, New: func(node.Config) (node.Node, error) { return holdNode{seen}, nil },
	})...)
	set = &tree.Set{Realm: "/al pha", Trees: map[string]*tree.Tree{}, Nodes: map[tree.NodeID]tree.Config{}}
	put := func(name, typ, config string) tree.NodeID {
		id := nodeID(name)
		decoded, err := tree.DecodeNode([]byte(`{"_type":{"_id":"` + typ + `"}` + config + `}`))
		if err != nil {
			t.Fatal(err)
		}
		decoded.ID = id
		set.Nodes[id] = decoded
		return id
	}
	vertex := func(typ string, next map[tree.Outcome]tree.NodeID) tree.Vertex {
		return tree.Vertex{Type: typ, Connections: next}
	}
	name, inner := put("n1", "UsernameCollectorNode", ""), put("i1", "InnerTreeEvaluatorNode", `,"tree":"Inner"`)
	last, hold := put("n2", "UsernameCollectorNode", ""), put("h1", "HoldNode", "")
	set.Trees["Main"] = &tree.Tree{Name: "Main", Enabled: true, Entry: name, Nodes: map[tree.NodeID]tree.Vertex{
		name:  vertex("UsernameCollectorNode", map[tree.Outcome]tree.NodeID{node.Next: inner}),
		inner: vertex("InnerTreeEvaluatorNode", map[tree.Outcome]tree.NodeID{node.True: last, node.False: tree.Failure}),
		last:  vertex("UsernameCollectorNode", map[tree.Outcome]tree.NodeID{node.Next: tree.Success}),
	}}
	set.Trees["Inner"] = &tree.Tree{Name: "Inner", Enabled: true, Entry: hold, Nodes: map[tree.NodeID]tree.Vertex{
		hold: vertex("HoldNode", map[tree.Outcome]tree.NodeID{node.Next: tree.Success}),
	}}
	page := put("p1", "PageNode", `,"pageHeader":{},"pageDescription":{},"nodes":[{"_id":"`+string(hold)+`","nodeType":"HoldNode"}]`)
	set.Trees["Paged"] = &tree.Tree{Name: "Paged", Enabled: true, Entry: page, Nodes: map[tree.NodeID]tree.Vertex{
		page: vertex("PageNode", map[tree.Outcome]tree.NodeID{node.Next: tree.Success}),
	}}
	return types, set
}

func builtins() []node.Type {
	var all []node.Type
	for _, t := range node.Builtin().Types() {
		all = append(all, *t)
	}
	return all
}

func suspendEnv(settings *realm.Settings, now time.Time) journey.Env {
	return journey.Env{
		Now: now, Rand: rand.NewChaCha8([32]byte{1}), Settings: settings, Request: &node.Request{},
		Suspending: ids{}, Journey: journey.ID{0xab, 0xcd}, Answers: [16]byte{1, 2}, LoginPage: "https://own.example.com/am/XUI/",
	}
}

// TestSuspend: a node runs an effect with the link of the suspension, suspends,
// and is called again once somebody is back, through its effects, and not after.
func TestSuspend(t *testing.T) {
	var seen []string
	types, set := holding(t, &seen)
	plan, err := journey.Compile(set, "Main", types)
	if err != nil {
		t.Fatal(err)
	}
	settings, now := realm.DefaultSettings(), time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	env := func() journey.Env { return suspendEnv(&settings, now) }
	advance := func(s journey.State, in journey.Input) (journey.State, journey.Step) {
		t.Helper()
		next, step, err := journey.Advance(plan, s, in, env())
		if err != nil {
			t.Fatal(err)
		}
		return next, step
	}
	name := journey.Input{Answers: []callback.Answer{{Type: callback.Name, Values: []any{"demo"}}}}
	state, _ := journey.Start(plan, env(), false)
	state, _ = advance(state, name)
	state, step := advance(state, journey.Input{Result: node.Measured{}})
	held, ok := step.(journey.Suspended)
	if !ok || len(held.Callbacks) != 1 || held.Callbacks[0].Type != callback.SuspendedText || held.Callbacks[0].Out("message") != "Wait" {
		t.Fatalf("%#v", step)
	}
	if !held.Until.Equal(now.Add(time.Minute)) || state.Suspended == nil || !state.Suspended.Until.Equal(held.Until) || state.Step != 2 {
		t.Errorf("until %v, state %+v", held.Until, state.Suspended)
	}
	id := "abcd-1-0102"
	link := "https://own.example.com/am/XUI/?realm=%2Fal+pha&suspendedId=" + id + "&authIndexType=service&authIndexValue=Main"
	if want := []string{link, id}; fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("saw %v\nwant %v", seen, want)
	}
	if _, _, err := journey.Advance(plan, state, name, env()); err == nil {
		t.Error("answers were taken while it was suspended")
	}
	raw, err := state.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if state, err = journey.Decode(raw); err != nil {
		t.Fatal(err)
	}
	seen = nil
	state, step = advance(state, journey.Input{Resumed: true})
	if _, ok := step.(journey.Do); !ok {
		t.Fatalf("%#v", step)
	}
	state, step = advance(state, journey.Input{Result: node.Measured{}})
	if ask, ok := step.(journey.Ask); !ok || ask.Callbacks[0].Type != callback.Name || state.Step != 3 || state.Suspended != nil || !state.Resumed {
		t.Fatalf("%#v, state %+v", step, state)
	}
	if fmt.Sprint(seen) != "[back on]" {
		t.Errorf("saw %v", seen)
	}
	if _, _, err := journey.Advance(plan, state, journey.Input{Resumed: true}, env()); err == nil {
		t.Error("a journey was resumed that is not suspended")
	}
}

// TestSuspendNeeds: a journey that cannot be suspended, or resumed at no page,
// fails at its node; so does one whose page suspends.
func TestSuspendNeeds(t *testing.T) {
	for name, tc := range map[string]struct {
		tree   string
		change func(*journey.Env)
		want   string
	}{
		"nobody who suspends": {"Inner", func(e *journey.Env) { e.Suspending = nil }, "nothing can be suspended"},
		"no page":             {"Inner", func(e *journey.Env) { e.LoginPage = "" }, "no page at which"},
		"no address":          {"Inner", func(e *journey.Env) { e.LoginPage = "/am/XUI/" }, "is not the address of one"},
		"in a page":           {"Paged", func(*journey.Env) {}, "of a page suspends"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			types, set := holding(t, &seen)
			plan, err := journey.Compile(set, tc.tree, types)
			if err != nil {
				t.Fatal(err)
			}
			settings := realm.DefaultSettings()
			env := suspendEnv(&settings, time.Now())
			tc.change(&env)
			state, step := journey.Start(plan, env, false)
			if _, does := step.(journey.Do); does {
				if _, step, err = journey.Advance(plan, state, journey.Input{Result: node.Measured{}}, env); err != nil {
					t.Fatal(err)
				}
			}
			done, ok := step.(journey.Done)
			if !ok || done.Success || done.Err == nil || !strings.Contains(done.Err.Error(), tc.want) {
				t.Errorf("%#v", step)
			}
		})
	}
}

// TestResumeURI: the realm's page comes before the server's, and keeps what its
// own address says. A suspension never outlasts its journey.
func TestResumeURI(t *testing.T) {
	for page, want := range map[string]string{
		"https://x.example.com/login":     "https://x.example.com/login?realm=",
		"https://x.example.com/login?a=1": "https://x.example.com/login?a=1&realm=",
		"https://x.example.com/#login":    "https://x.example.com/?realm=",
	} {
		var seen []string
		types, set := holding(t, &seen)
		plan, err := journey.Compile(set, "Inner", types)
		if err != nil {
			t.Fatal(err)
		}
		settings := realm.DefaultSettings()
		settings.LoginPage, settings.JourneyMaxDuration = page, 10*time.Second
		env := suspendEnv(&settings, time.Now())
		state, _ := journey.Start(plan, env, false)
		_, step, err := journey.Advance(plan, state, journey.Input{Result: node.Measured{}}, env)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(seen[0], want) || strings.Contains(page, "#") != strings.HasSuffix(seen[0], "#login") {
			t.Errorf("%s became %s", page, seen[0])
		}
		if held, ok := step.(journey.Suspended); !ok || !held.Until.Equal(state.Started.Add(10*time.Second)) {
			t.Errorf("%#v", step)
		}
	}
}

// A suspended id prints as nothing that could be used.
func TestSuspendedIDIsHidden(t *testing.T) {
	id := journey.SuspendedID(hex.EncodeToString([]byte("secret")))
	if text := fmt.Sprintf("%v %s %+v %#v", id, id, id, id); strings.Contains(text, string(id)) || errors.Is(journey.ErrSuspended, journey.ErrGone) {
		t.Errorf("printed as %s", text)
	}
}
