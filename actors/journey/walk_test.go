package journey_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

// TestRandomWalks builds trees of any node types with any connections and
// walks them with any answers. Whatever happens, the engine neither panics nor
// changes the state it was given, and a state that went through its encoding
// behaves like the one that did not.
func TestRandomWalks(t *testing.T) {
	types := node.Builtin()
	rapid.Check(t, func(t *rapid.T) {
		set := randomSet(t, types)
		plan, err := journey.Compile(set, "Main", types)
		if err != nil {
			t.Fatalf("compile: %v", err)
		}
		settings := realm.DefaultSettings()
		settings.Lockout.Enabled = rapid.Bool().Draw(t, "lockout")
		seed := rapid.Uint64().Draw(t, "seed")
		now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		env := func() journey.Env {
			return journey.Env{
				Now:      now,
				Rand:     rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}),
				Settings: &settings,
				Request:  &node.Request{Locales: []string{"en"}},

				Suspending: ids{}, LoginPage: "https://login.example.com/",
			}
		}
		state, step := journey.Start(plan, env(), false)
		for range 30 {
			var in journey.Input
			switch step := step.(type) {
			case journey.Done:
				return
			case journey.Ask:
				in.Answers = randomAnswers(t, step.Callbacks)
			case journey.Do:
				in.Result = randomResult(t, step.Effect)
			case journey.Suspended:
				in.Resumed = true
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * time.Second)

			before := fmt.Sprintf("%#v", state)
			next, nextStep, err := journey.Advance(plan, state, in, env())
			if fmt.Sprintf("%#v", state) != before {
				t.Fatalf("Advance changed the state it was given")
			}
			switch asked := step.(type) {
			case journey.Ask, journey.Suspended:
				again := reload(t, state)
				_, twinStep, twinErr := journey.Advance(plan, again, in, env())
				if fmt.Sprint(twinErr) != fmt.Sprint(err) || !alike(nextStep, twinStep) {
					t.Fatalf("after %+v a reloaded state went on to\n%+v %v\nnot to\n%+v %v", asked, twinStep, twinErr, nextStep, err)
				}
			}
			if err != nil {
				continue
			}
			state, step = next, nextStep
		}
	})
}

// alike compares steps as a client would see them: numbers lose their Go type
// in an encoding.
func alike(a, b journey.Step) bool {
	if a == nil || b == nil {
		return a == b
	}
	ja, _ := json.Marshal(a)
	jb, _ := json.Marshal(b)
	return reflect.TypeOf(a) == reflect.TypeOf(b) && bytes.Equal(ja, jb)
}

func reload(t *rapid.T, s journey.State) journey.State {
	raw, err := s.Encode()
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	again, err := journey.Decode(raw)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return again
}

func randomSet(t *rapid.T, types *node.Registry) *tree.Set {
	set := &tree.Set{Realm: realm.Root, Trees: map[string]*tree.Tree{}, Nodes: map[tree.NodeID]tree.Config{}}
	all := types.Types()
	for _, name := range []string{"Main", "Inner"} {
		count := rapid.IntRange(1, 6).Draw(t, name)
		tr := &tree.Tree{Name: name, Enabled: true, Nodes: map[tree.NodeID]tree.Vertex{}}
		id := func(i int) tree.NodeID { return nodeID(fmt.Sprintf("%.1s%d", name, i)) }
		tr.Entry = id(0)
		for i := range count {
			typ := rapid.SampledFrom(all).Draw(t, "type")
			c := tree.Config{ID: id(i), Type: typ.Name, Attributes: map[string]json.RawMessage{}}
			switch typ.Name {
			case node.InnerTreeType:
				c.Attributes["tree"] = json.RawMessage(`"Inner"`)
			case node.PageType:
				c.Attributes["nodes"] = randomPage(t, set, all, fmt.Sprintf("%.1s%d", name, i))
			default:
				fillRequired(typ, c.Attributes)
			}
			set.Nodes[c.ID] = c
			v := tree.Vertex{Type: typ.Name, Connections: map[tree.Outcome]tree.NodeID{}}
			for _, o := range outcomesOf(set, types, c) {
				to := rapid.IntRange(-2, count-1).Draw(t, "to")
				switch to {
				case -1:
					v.Connections[o] = tree.Success
				case -2:
					v.Connections[o] = tree.Failure
				default:
					v.Connections[o] = id(to)
				}
			}
			tr.Nodes[c.ID] = v
		}
		if _, ok := tr.Nodes[tr.Entry]; !ok {
			tr.Nodes[tr.Entry] = tree.Vertex{Type: "UsernameCollectorNode", Connections: map[tree.Outcome]tree.NodeID{node.Next: tree.Success}}
			set.Nodes[tr.Entry] = tree.Config{ID: tr.Entry, Type: "UsernameCollectorNode"}
		}
		set.Trees[name] = tr
	}
	return set
}

// outcomesOf are a node's exits; those of a page are its last child's.
func outcomesOf(set *tree.Set, types *node.Registry, c tree.Config) []tree.Outcome {
	if children, _ := tree.Children(c); len(children) > 0 {
		c = set.Nodes[children[len(children)-1].ID]
	}
	d, _ := types.Describe(c)
	return d.Outcomes
}

// fillRequired gives attributes that must be there a value.
func fillRequired(typ *node.Type, attributes map[string]json.RawMessage) {
	for _, p := range typ.Properties {
		if !p.Required {
			continue
		}
		switch p.Kind {
		case node.Whole:
			attributes[p.Name] = json.RawMessage(`8`)
		case node.List:
			attributes[p.Name] = json.RawMessage(`["one","two"]`)
		default:
			attributes[p.Name] = json.RawMessage(`"value"`)
		}
	}
}

func randomPage(t *rapid.T, set *tree.Set, all []*node.Type, prefix string) json.RawMessage {
	var children []map[string]any
	for i := range rapid.IntRange(1, 3).Draw(t, "children") {
		typ := rapid.SampledFrom(all).Draw(t, "child")
		if typ.New == nil {
			continue
		}
		c := tree.Config{ID: nodeID(fmt.Sprintf("%s.%d", prefix, i)), Type: typ.Name, Attributes: map[string]json.RawMessage{}}
		fillRequired(typ, c.Attributes)
		set.Nodes[c.ID] = c
		children = append(children, map[string]any{"_id": c.ID, "nodeType": typ.Name})
	}
	raw, _ := json.Marshal(children)
	return raw
}

func randomAnswers(t *rapid.T, asked []callback.Callback) []callback.Answer {
	answers := make([]callback.Answer, 0, len(asked))
	for _, c := range asked {
		a := callback.Answer{Type: c.Type}
		for range c.Input {
			a.Values = append(a.Values, rapid.SampledFrom([]any{"", "demo", "secret", "0", float64(1), true, nil, "12345678"}).Draw(t, "value"))
		}
		answers = append(answers, a)
	}
	if rapid.IntRange(0, 9).Draw(t, "drop") == 0 && len(answers) > 0 {
		answers = answers[1:]
	}
	return answers
}

func randomResult(t *rapid.T, effect node.Effect) node.Result {
	who := identity.Identity{Realm: realm.Root, Name: "demo"}
	if rapid.Bool().Draw(t, "inactive") {
		who.Status = identity.Inactive
	}
	verdict := identity.Verdict(rapid.IntRange(0, 4).Draw(t, "verdict"))
	switch effect.(type) {
	case node.Authenticate:
		return node.Authenticated{Verdict: verdict, Identity: who, UniversalID: "id=demo"}
	case node.ChangePassword:
		return node.PasswordChanged{Verdict: verdict, Identity: who, UniversalID: "id=demo"}
	case node.Measure:
		return node.Measured{}
	}
	return node.Found{OK: rapid.Bool().Draw(t, "found"), Identity: who, UniversalID: "id=demo"}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, '{', '}'})
	f.Add([]byte("\x01" + `{"tree":"Main","step":2,"frames":[{"tree":"Main","node":"x"}],"values":{"shared":{"a":1}},"asked":{"Callbacks":[{"t":"NameCallback"}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := journey.Decode(raw)
		if err != nil {
			return
		}
		again, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		twice, err := journey.Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprintf("%+v", s), fmt.Sprintf("%+v", twice); a != b {
			t.Fatalf("%s\nbecame\n%s", a, b)
		}
	})
}
