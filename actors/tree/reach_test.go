package tree_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/tree"
)

func TestReach(t *testing.T) {
	s := loginSet(t)
	s.Trees["Other"] = &tree.Tree{Name: "Other", Enabled: true, Entry: tree.Success}
	r, ok := s.Reach("Login")
	if !ok {
		t.Fatal("no tree")
	}
	if want := []string{"Inner", "Login"}; !slices.Equal(r.Trees, want) {
		t.Errorf("trees %q, want %q", r.Trees, want)
	}
	if want := slices.Sorted(maps.Keys(s.Nodes)); !slices.Equal(r.Nodes, want) {
		t.Errorf("nodes %q, want %q", r.Nodes, want)
	}
	if r.Version != s.Version("Login") || r.Version == (tree.Version{}) {
		t.Errorf("version %v, %v", r.Version, s.Version("Login"))
	}
	if inner, _ := s.Reach("Inner"); !slices.Equal(inner.Trees, []string{"Inner"}) || len(inner.Nodes) != 1 {
		t.Errorf("inner tree: %+v", inner)
	}
	if _, ok := s.Reach("None"); ok || s.Version("None") != (tree.Version{}) {
		t.Error("a tree that is not there has a reach")
	}
}

// The version changes with all that a run can notice, and with nothing else.
func TestVersion(t *testing.T) {
	attribute := func(id tree.NodeID, name, value string) func(*tree.Set) {
		return func(s *tree.Set) { s.Nodes[id].Attributes[name] = json.RawMessage(value) }
	}
	vertex := func(change func(*tree.Vertex)) func(*tree.Set) {
		return func(s *tree.Set) {
			v := s.Trees["Login"].Nodes[n2]
			change(&v)
			s.Trees["Login"].Nodes[n2] = v
		}
	}
	login := func(change func(*tree.Tree)) func(*tree.Set) {
		return func(s *tree.Set) { change(s.Trees["Login"]) }
	}
	tests := []struct {
		name    string
		change  func(*tree.Set)
		matters bool
	}{
		{"attribute of a node", attribute(n2, "a", "1"), true},
		{"attribute of a page's child", attribute(n4, "a", "1"), true},
		{"attribute in an inner tree", attribute("00000000-0000-4000-8000-0000000000bb", "choices", `["two","one"]`), true},
		{"node removed", func(s *tree.Set) { delete(s.Nodes, n2) }, true},
		{"inner tree removed", func(s *tree.Set) { delete(s.Trees, "Inner") }, true},
		{"inner tree disabled", func(s *tree.Set) { s.Trees["Inner"].Enabled = false }, true},
		{"entry", login(func(t *tree.Tree) { t.Entry = n2 }), true},
		{"must run", login(func(t *tree.Tree) { t.MustRun = true }), true},
		{"duration", login(func(t *tree.Tree) { t.MaxDuration = time.Minute }), true},
		{"durations exchanged", login(func(t *tree.Tree) { t.MaxIdle = time.Minute }), true},
		{"identity resource", login(func(t *tree.Tree) { t.IdentityResource = "managed/user" }), true},
		{"connection", vertex(func(v *tree.Vertex) { v.Connections["true"] = tree.Success }), true},
		{"display name", vertex(func(v *tree.Vertex) { v.DisplayName = "x" }), true},
		{"node's version", vertex(func(v *tree.Vertex) { v.Version = "2.0" }), true},

		{"coordinates", vertex(func(v *tree.Vertex) { v.Extra = map[string]json.RawMessage{"x": json.RawMessage("1")} }), false},
		{"description", login(func(t *tree.Tree) { t.Description = "x" }), false},
		{"editor's data", login(func(t *tree.Tree) { t.Extra = map[string]json.RawMessage{"uiConfig": json.RawMessage("{}")} }), false},
		{"order and spaces in JSON", attribute("00000000-0000-4000-8000-0000000000aa", "tree", ` "Inn\u0065r" `), false},
		{"another tree", func(s *tree.Set) { s.Trees["Other"] = &tree.Tree{Name: "Other"} }, false},
		{"a node of another tree", func(s *tree.Set) { s.Nodes["other"] = tree.Config{} }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := loginSet(t)
			before := s.Version("Login")
			tt.change(s)
			if changed := s.Version("Login") != before; changed != tt.matters {
				t.Errorf("version changed: %v", changed)
			}
		})
	}
	t.Run("who stands for one minute", func(t *testing.T) {
		a, b := loginSet(t), loginSet(t)
		a.Trees["Login"].MaxSession, b.Trees["Login"].MaxIdle = time.Minute, time.Minute
		if a.Version("Login") == b.Version("Login") {
			t.Error("two different trees have one version")
		}
	})
}

func TestVersionText(t *testing.T) {
	want := loginSet(t).Version("Login")
	text, err := want.MarshalText()
	if err != nil || string(text) != want.String() {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
	var got tree.Version
	if err := got.UnmarshalText(text); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for name, bad := range map[string]string{
		"empty": "", "short": string(text[2:]), "long": string(text) + "00", "odd": string(text[1:]), "not hexadecimal": "zz" + string(text[2:]),
	} {
		t.Run(name, func(t *testing.T) {
			if err := got.UnmarshalText([]byte(bad)); err == nil || got != want {
				t.Errorf("%q is read as %v, %v", bad, got, err)
			}
		})
	}
}

// Any JSON value has the version of the same value written otherwise.
func TestVersionOfValues(t *testing.T) {
	leaf := rapid.OneOf(
		rapid.Map(rapid.StringMatching(`[a-z<>&é]{0,4}`), func(s string) any { return s }),
		rapid.Map(rapid.IntRange(-9, 9), func(n int) any { return n }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just(any(nil)),
	)
	value := rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`), leaf, 0, 5), func(m map[string]any) any { return m })
	rapid.Check(t, func(t *rapid.T) {
		compact, _ := json.Marshal(value.Draw(t, "value"))
		var again any
		if err := json.Unmarshal(compact, &again); err != nil {
			t.Fatal(err)
		}
		indented, _ := json.MarshalIndent(again, "", "\t")
		version := func(raw []byte) tree.Version {
			s := tree.Set{
				Trees: map[string]*tree.Tree{"T": {Name: "T", Nodes: map[tree.NodeID]tree.Vertex{n1: {Type: "X"}}}},
				Nodes: map[tree.NodeID]tree.Config{n1: {ID: n1, Type: "X", Attributes: map[string]json.RawMessage{"a": raw}}},
			}
			return s.Version("T")
		}
		if version(compact) != version(indented) {
			t.Fatalf("%s and %s differ", compact, indented)
		}
	})
}
