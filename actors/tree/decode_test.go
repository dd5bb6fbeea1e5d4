package tree_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/tree"
)

func TestDecodeTree(t *testing.T) {
	const entry = `"entryNodeId":"00000000-0000-4000-8000-000000000001"`
	plain := func(change func(*tree.Tree)) *tree.Tree {
		want := &tree.Tree{Name: "T", Enabled: true, Nodes: map[tree.NodeID]tree.Vertex{}}
		change(want)
		return want
	}
	tests := []struct {
		name, raw string
		want      *tree.Tree
	}{
		{"nothing said", `{}`, plain(func(*tree.Tree) {})},
		{"API's own attributes", `{"_id":"Other","_rev":"1","_type":{}}`, plain(func(*tree.Tree) {})},
		{"entry", `{` + entry + `}`, plain(func(w *tree.Tree) { w.Entry = n1 })},
		{
			"flags", `{"enabled":false,"innerTreeOnly":true,"mustRun":true,"noSession":true,"transactionalOnly":true}`,
			plain(func(w *tree.Tree) {
				w.Enabled, w.InnerOnly, w.MustRun, w.NoSession, w.Transactional = false, true, true, true, true
			}),
		},
		{"flags as texts", `{"enabled":"false","mustRun":"true"}`, plain(func(w *tree.Tree) { w.Enabled, w.MustRun = false, true })},
		{
			"nulls", `{"enabled":null,"description":null,"treeTimeout":null,"nodes":null,"uiConfig":null}`,
			plain(func(*tree.Tree) {}),
		},
		{
			"times", `{"treeTimeout":10,"maximumSessionTime":"60","maximumIdleTime":2147483647}`,
			plain(func(w *tree.Tree) {
				w.MaxDuration, w.MaxSession, w.MaxIdle = 10*time.Minute, time.Hour, 153722867*time.Minute
			}),
		},
		{
			"texts", `{"description":"d","identityResource":"managed/user"}`,
			plain(func(w *tree.Tree) { w.Description, w.IdentityResource = "d", "managed/user" }),
		},
		{
			"node", `{"nodes":{"n":{"nodeType":"X","version":1.0,"displayName":"A","connections":{"a":"b"},"x":1.5}}}`,
			plain(func(w *tree.Tree) {
				w.Nodes["n"] = tree.Vertex{
					Type: "X", Version: "1.0", DisplayName: "A", Connections: map[tree.Outcome]tree.NodeID{"a": "b"},
					Extra: map[string]json.RawMessage{"x": json.RawMessage("1.5")},
				}
			}),
		},
		{
			"node without anything", `{"nodes":{"n":{}}}`,
			plain(func(w *tree.Tree) { w.Nodes["n"] = tree.Vertex{Connections: map[tree.Outcome]tree.NodeID{}} }),
		},
		{
			"kept", `{"uiConfig":{"a":1},"staticNodes":{},"newThing":[1]}`,
			plain(func(w *tree.Tree) {
				w.Extra = map[string]json.RawMessage{
					"uiConfig": json.RawMessage(`{"a":1}`), "staticNodes": json.RawMessage(`{}`), "newThing": json.RawMessage(`[1]`),
				}
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tree.DecodeTree("T", []byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeTreeFaults(t *testing.T) {
	many := make([]string, tree.MaxNodes+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"%d":{}`, i)
	}
	tests := []struct{ name, raw, want string }{
		{"not JSON", `{`, "the text ends too early"},
		{"a list", `[]`, "an object is needed, not a list"},
		{"trailing data", `{} x`, "more data follows the JSON value at byte"},
		{"a key twice", `{"nodes":{"a":{"nodeType":"X","nodeType":"Y"}}}`, `/nodes/a: the key "nodeType" stands there twice`},
		{"a key twice, once escaped", `{"enabled":true,"\u0065nabled":false}`, `the key "enabled" stands there twice`},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", "not valid UTF-8"},
		{"too deep", strings.Repeat("[", 100) + strings.Repeat("]", 100), "deeper than 64 levels"},
		{"too large", `{"a":"` + strings.Repeat("a", 1<<20) + `"}`, "larger than 1048576 bytes"},
		{"nodes are a list", `{"nodes":[]}`, "nodes: an object is needed, not a list"},
		{"node is a text", `{"nodes":{"a/b":"x"}}`, "nodes/a~1b: an object is needed, not a text"},
		{"node is null", `{"nodes":{"a":null}}`, "nodes/a: an object is needed, not null"},
		{"connections are a list", `{"nodes":{"a":{"connections":["b"]}}}`, "nodes/a/connections: an object is needed, not a list"},
		{"connection is a number", `{"nodes":{"a":{"connections":{"true":1}}}}`, "nodes/a/connections/true: a node's id is needed, not a number"},
		{"connection is null", `{"nodes":{"a":{"connections":{"true":null}}}}`, "nodes/a/connections/true: a node's id is needed, not null"},
		{"type is an object", `{"nodes":{"a":{"nodeType":{}}}}`, "nodes/a/nodeType: a text is needed, not an object"},
		{"too many nodes", `{"nodes":{` + strings.Join(many, ",") + `}}`, "nodes: 2001 nodes are more than the limit of 2000"},
		{"flag", `{"enabled":"yes"}`, "enabled: true or false is needed"},
		{"negative time", `{"treeTimeout":-1}`, "treeTimeout: a whole number from 0 to 2147483647 is needed"},
		{"entry is an object", `{"entryNodeId":{}}`, "entryNodeId: a text is needed, not an object"},
		{"editor's data", `{"uiConfig":"x"}`, "uiConfig: an object is needed, not a text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tree.DecodeTree("T", []byte(tt.raw))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v and error %v, want %q", got, err, tt.want)
			}
		})
	}
	for name, bad := range map[string]string{"empty": "", "long": strings.Repeat("a", 256), "control": "a\nb", "UTF-8": "\xff"} {
		t.Run("name "+name, func(t *testing.T) {
			var fault *tree.NameError
			if _, err := tree.DecodeTree(bad, []byte("{}")); !errors.As(err, &fault) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDecodeTreeStrict(t *testing.T) {
	node := `"nodes":{"` + string(n1) + `":{"nodeType":"X","connections":{}}}`
	entry := `"entryNodeId":"` + string(n1) + `"`
	t.Run("complete", func(t *testing.T) {
		raw := `{"_id":"T","_rev":"1","uiConfig":{},"staticNodes":{},` + node + `,` + entry + `}`
		if _, err := tree.DecodeTreeStrict("T", []byte(raw)); err != nil {
			t.Error(err)
		}
	})
	t.Run("entry is the end", func(t *testing.T) {
		if _, err := tree.DecodeTreeStrict("T", []byte(`{"entryNodeId":"`+string(tree.Failure)+`"}`)); err != nil {
			t.Error(err)
		}
	})
	t.Run("unknown attribute", func(t *testing.T) {
		var fault *tree.AttributeError
		_, err := tree.DecodeTreeStrict("T", []byte(`{"colour":1,`+node+`,`+entry+`}`))
		if !errors.As(err, &fault) || fault.Name != "colour" || !reflect.DeepEqual(fault.Valid, tree.WritableAttributes()) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no type", func(t *testing.T) {
		var fault *tree.ValueError
		_, err := tree.DecodeTreeStrict("T", []byte(`{"nodes":{"`+string(n1)+`":{}},`+entry+`}`))
		if !errors.As(err, &fault) || fault.Attribute != "nodes" || fault.At != "/"+string(n1) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nodes malformed", func(t *testing.T) {
		var fault *tree.ValueError
		if _, err := tree.DecodeTreeStrict("T", []byte(`{"nodes":[]}`)); !errors.As(err, &fault) || fault.Attribute != "nodes" {
			t.Errorf("got %v", err)
		}
	})
	for name, raw := range map[string]string{"no entry": `{` + node + `}`, "entry elsewhere": `{` + node + `,"entryNodeId":"` + string(n2) + `"}`} {
		t.Run(name, func(t *testing.T) {
			var fault *tree.EntryError
			if _, err := tree.DecodeTreeStrict("T", []byte(raw)); !errors.As(err, &fault) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEncodeTree(t *testing.T) {
	minimal := &tree.Tree{Name: "A/B", Enabled: true, Entry: n1, MaxIdle: 90 * time.Second}
	got, err := minimal.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"_id":"A/B","enabled":true,"entryNodeId":"` + string(n1) + `","innerTreeOnly":false,"maximumIdleTime":2,` +
		`"mustRun":false,"noSession":false,"nodes":{},"staticNodes":{},"transactionalOnly":false,"uiConfig":{}}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	broken := &tree.Tree{Name: "T", Extra: map[string]json.RawMessage{"x": json.RawMessage("{")}}
	if raw, err := broken.Encode(); err == nil {
		t.Errorf("a broken attribute was written: %s", raw)
	}
}

// drawTree is any tree that a file can hold.
func drawTree(t *rapid.T) *tree.Tree {
	text := rapid.StringMatching(`[a-z<&"é ]{0,6}`)
	minutes := rapid.Map(rapid.IntRange(0, 1<<20), func(n int) time.Duration { return time.Duration(n) * time.Minute })
	extra := rapid.SampledFrom([]map[string]json.RawMessage{nil, {"x": json.RawMessage("1.50")}, {"zz": json.RawMessage(`{"b":1,"a":[null]}`)}})
	out := &tree.Tree{
		Name: "T", Entry: tree.NodeID(text.Draw(t, "entry")), Nodes: map[tree.NodeID]tree.Vertex{}, Description: text.Draw(t, "description"),
		Enabled: rapid.Bool().Draw(t, "enabled"), InnerOnly: rapid.Bool().Draw(t, "inner"), MustRun: rapid.Bool().Draw(t, "must"),
		NoSession: rapid.Bool().Draw(t, "noSession"), Transactional: rapid.Bool().Draw(t, "transactional"),
		MaxDuration: minutes.Draw(t, "duration"), MaxSession: minutes.Draw(t, "session"), MaxIdle: minutes.Draw(t, "idle"),
		IdentityResource: text.Draw(t, "resource"),
		Extra:            map[string]json.RawMessage{"uiConfig": json.RawMessage("{}"), "staticNodes": json.RawMessage("{}")},
	}
	maps.Copy(out.Extra, extra.Draw(t, "extra"))
	for range rapid.IntRange(0, 4).Draw(t, "nodes") {
		out.Nodes[tree.NodeID(text.Draw(t, "id"))] = tree.Vertex{
			Type: text.Draw(t, "type"), Version: text.Draw(t, "version"), DisplayName: text.Draw(t, "name"),
			Connections: rapid.MapOf(rapid.Map(text, func(s string) tree.Outcome { return tree.Outcome(s) }),
				rapid.Map(text, func(s string) tree.NodeID { return tree.NodeID(s) })).Draw(t, "connections"),
			Extra: extra.Draw(t, "vertex extra"),
		}
	}
	return out
}

func TestTreeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTree(t)
		raw, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := tree.DecodeTree("T", raw)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}

func FuzzDecodeTree(f *testing.F) {
	f.Add([]byte(`{"nodes":{"a":{"nodeType":"X","connections":{"true":"b"},"x":1}},"treeTimeout":"5","extra":[1,{}]}`))
	f.Add([]byte(`{"enabled":"false","uiConfig":null,"maximumIdleTime":2147483647}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		first, err := tree.DecodeTree("T", raw)
		if err != nil {
			return
		}
		one, err := first.Encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := tree.DecodeTree("T", one)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v in %s", err, one)
		}
		two, err := second.Encode()
		if err != nil || string(one) != string(two) {
			t.Fatalf("%v\n%s\n%s", err, one, two)
		}
	})
}

func TestNode(t *testing.T) {
	raw := `{"_id":"` + string(n1) + `","_rev":"5","_type":{"_id":"X","name":"An X","collection":true,"version":"1.0"},"_outcomes":[{"id":"a"}],"b":[1,2],"a":"<&>"}`
	c, err := tree.DecodeNode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	want := tree.Config{ID: n1, Type: "X", Version: "1.0", Title: "An X", Attributes: map[string]json.RawMessage{
		"a": json.RawMessage(`"<&>"`), "b": json.RawMessage(`[1,2]`),
	}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v", c)
	}
	for _, tt := range []struct{ name, title, shown string }{{"own title", "", "An X"}, {"the server's title", "The X", "The X"}} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tree.EncodeNode(c, tt.title, []tree.Outcome{"outcome", "NOT_REGISTERED", "localAuthentication", "true"})
			if err != nil {
				t.Fatal(err)
			}
			want := `{"_id":"` + string(n1) + `","_outcomes":[{"displayName":"Outcome","id":"outcome"},{"displayName":"Not Registered","id":"NOT_REGISTERED"},` +
				`{"displayName":"Local Authentication","id":"localAuthentication"},{"displayName":"True","id":"true"}],` +
				`"_type":{"_id":"X","collection":true,"name":"` + tt.shown + `","version":"1.0"},"a":"<&>","b":[1,2]}`
			if string(got) != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
	for name, bad := range map[string]string{"list": `[]`, "type": `{"_type":"X"}`, "type's name": `{"_type":{"_id":{}}}`, "id": `{"_id":[]}`, "twice": `{"a":1,"a":1}`} {
		t.Run(name, func(t *testing.T) {
			if c, err := tree.DecodeNode([]byte(bad)); err == nil {
				t.Errorf("got %+v", c)
			}
		})
	}
}
