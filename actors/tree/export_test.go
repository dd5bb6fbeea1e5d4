package tree_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/actors/tree"
)

// The parts of one journey, as the forms of export arrange them.
const (
	treeJSON = `{"_id":"Login","_rev":"1","entryNodeId":"00000000-0000-4000-8000-000000000001","nodes":{
		"00000000-0000-4000-8000-000000000001":{"nodeType":"PageNode","displayName":"Page","connections":{"outcome":"70e691a5-1e33-4ac3-a356-e7b6d60d92e0"}}}}`
	pageJSON  = `{"_id":"00000000-0000-4000-8000-000000000001","_type":{"_id":"PageNode"},"nodes":[{"_id":"00000000-0000-4000-8000-000000000002","nodeType":"X","displayName":"x"}]}`
	childJSON = `{"_id":"00000000-0000-4000-8000-000000000002","script":"00000000-0000-4000-8000-00000000000f","_type":{"_id":"X"}}`
	page      = `"00000000-0000-4000-8000-000000000001":` + pageJSON
	child     = `"00000000-0000-4000-8000-000000000002":` + childJSON
	script    = `"00000000-0000-4000-8000-00000000000f":{"_id":"00000000-0000-4000-8000-00000000000f","name":"s","language":"JAVASCRIPT","script":["a","b"],"context":"C"}`
)

func TestDecodeExportForms(t *testing.T) {
	tests := []struct {
		name, raw string
		nodes     int
		scripts   int
		ignored   []string
	}{
		{"frodo, several", `{"meta":{},"trees":{"Login":{"tree":` + treeJSON + `,"nodes":{` + page + `},"innerNodes":{` + child + `},"scripts":{` + script + `}}}}`, 2, 1, nil},
		{"frodo, one", `{"meta":{},"tree":` + treeJSON + `,"nodes":{` + page + `},"innerNodes":{` + child + `},"scripts":{` + script + `},"themes":[],"saml2Entities":{}}`, 2, 1, nil},
		{"treetool", `{"origin":"x","tree":` + treeJSON + `,"nodes":{` + page + `},"innernodes":{` + child + `},"scripts":{}}`, 2, 0, nil},
		{"list of nodes", `{"tree":` + treeJSON + `,"nodes":[` + pageJSON + `,` + childJSON + `]}`, 2, 0, nil},
		{"list of nodes with details", `{"tree":` + treeJSON + `,"nodes":[` + pageJSON + `,{"_id":"00000000-0000-4000-8000-000000000002","nodeType":"X","details":{"a":1}}]}`, 2, 0, nil},
		{"bare tree", treeJSON, 0, 0, nil},
		{"byte order mark", "\ufeff" + treeJSON, 0, 0, nil},
		{"nulls", `{"tree":` + treeJSON + `,"nodes":null,"innerNodes":null,"scripts":null,"themes":null}`, 0, 0, nil},
		{"other sections", `{"trees":{"Login":{"tree":` + treeJSON + `,"emailTemplates":{"a":{}},"themes":[1],"variable":{}}},"more":1}`, 0, 0, []string{`section "themes" of journey "Login"`, `section "more"`}},
		{"node of nobody", `{"tree":` + treeJSON + `,"nodes":{` + page + `,"zz":{"_type":{"_id":"X"}}}}`, 1, 0, []string{`node "zz", which is not part of journey "Login"`}},
		{"script without text", `{"tree":` + treeJSON + `,"scripts":{"s":{"_id":"s"}}}`, 0, 0, []string{`script "s" of journey "Login", which has no text`}},
		{"name of the key", `{"trees":{"Login":{"tree":` + strings.Replace(treeJSON, "Login", "default/Login", 1) + `}}}`, 0, 0, nil},
		{"type from the tree", `{"tree":` + treeJSON + `,"nodes":{"00000000-0000-4000-8000-000000000001":{"nodes":[{"_id":"00000000-0000-4000-8000-000000000002","nodeType":"X"}]},"00000000-0000-4000-8000-000000000002":{}}}`, 2, 0, nil},
		{"no journeys", `{"trees":{}}`, 0, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tree.DecodeExport([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Ignored, tt.ignored) {
				t.Errorf("ignored %q, want %q", got.Ignored, tt.ignored)
			}
			if tt.name == "no journeys" {
				if len(got.Journeys) != 0 {
					t.Errorf("got %d journeys", len(got.Journeys))
				}
				return
			}
			if len(got.Journeys) != 1 || got.Journeys[0].Tree.Name != "Login" {
				t.Fatalf("got %+v", got.Journeys)
			}
			j := got.Journeys[0]
			if len(j.Nodes) != tt.nodes || len(j.Scripts) != tt.scripts {
				t.Errorf("%d nodes and %d scripts, want %d and %d", len(j.Nodes), len(j.Scripts), tt.nodes, tt.scripts)
			}
			for id, typeName := range map[tree.NodeID]string{n1: tree.PageType, n2: "X"} {
				if c, ok := j.Nodes[id]; ok && (c.Type != typeName || c.ID != id || c.Attributes["details"] != nil) {
					t.Errorf("node %s: %+v", id, c)
				}
			}
			for _, s := range j.Scripts {
				if s.Text != "a\nb" || s.Name != "s" || s.Language != "JAVASCRIPT" || string(s.Attributes["context"]) != `"C"` {
					t.Errorf("script: %+v", s)
				}
			}
		})
	}
}

func TestDecodeExportFaults(t *testing.T) {
	journey := `{"tree":` + treeJSON + `,"nodes":{` + page + `}}`
	other := strings.Replace(strings.ReplaceAll(journey, "Login", "Other"), `"displayName":"x"`, `"displayName":"y"`, 1)
	many := make([]string, tree.MaxNodes+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"%d":{}`, i)
	}
	journeys := make([]string, tree.MaxJourneys+1)
	for i := range journeys {
		journeys[i] = fmt.Sprintf(`"%d":{"tree":{}}`, i)
	}
	tests := []struct{ name, raw, want string }{
		{"empty", "", "journey file: the text ends too early"},
		{"a list", "[]", "an object is needed, not a list"},
		{"something else", `{"foo":1,"bar":2}`, "neither trees nor tree nor entryNodeId is there, only bar, foo"},
		{"Amster", `{"metadata":{},"data":{}}`, "one entity of an Amster or file-based export"},
		{"a key twice", `{"trees":{"A":` + journey + `,"A":` + journey + `}}`, `/trees: the key "A" stands there twice`},
		{"a node twice", `{"tree":` + treeJSON + `,"nodes":{` + page + `,` + page + `}}`, `/nodes: the key "` + string(n1) + `" stands there twice`},
		{"trailing data", journey + journey, "more data follows"},
		{"invalid UTF-8", "{\"tree\":\"\xc3\x28\"}", "not valid UTF-8"},
		{"cut off", journey[:len(journey)-3], "the text ends too early"},
		{"too deep", `{"tree":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "deeper than 64 levels"},
		{"too large", `{"a":"` + strings.Repeat("a", tree.MaxFileSize) + `"}`, "larger than 8388608 bytes"},
		{"trees are a list", `{"trees":[]}`, "/trees: an object is needed, not a list"},
		{"too many journeys", `{"trees":{` + strings.Join(journeys, ",") + `}}`, "/trees: 5001 journeys are more than the limit of 5000"},
		{"journey is a list", `{"trees":{"A":[]}}`, "/trees/A: an object is needed, not a list"},
		{"journey without tree", `{"trees":{"A":{}}}`, "/trees/A: /tree: it is missing"},
		{"tree is null", `{"tree":null,"entryNodeId":1}`, "/tree: it is missing"},
		{"tree without a name", `{"tree":{}}`, "/tree/_id: the tree's name is needed"},
		{"broken tree", `{"trees":{"A":{"tree":{"nodes":{"a":1}}}}}`, "/trees/A: /tree: nodes/a: an object is needed, not a number"},
		{"name", `{"trees":{"":{"tree":{"_id":"a\nb"}}}}`, "control character"},
		{"nodes are a text", `{"tree":` + treeJSON + `,"nodes":"x"}`, "/nodes: an object is needed, not a text"},
		{"node is a text", `{"tree":` + treeJSON + `,"innerNodes":{"a":"x"}}`, "/innerNodes/a: an object is needed, not a text"},
		{"listed node without id", `{"tree":` + treeJSON + `,"nodes":[{}]}`, "/nodes/0: _id is needed"},
		{"listed node's details", `{"tree":` + treeJSON + `,"nodes":[{"_id":"a","nodeType":"X","details":1}]}`, "/nodes/0: details: an object is needed, not a number"},
		{"too many nodes", `{"tree":` + treeJSON + `,"nodes":{` + strings.Join(many, ",") + `}}`, "/nodes: 2001 nodes are more than the limit of 2000"},
		{"node too large", `{"tree":` + treeJSON + `,"nodes":{"a":{"b":"` + strings.Repeat("a", 1<<20) + `"}}}`, "/nodes/a: larger than 1048576 bytes"},
		{"scripts are a list", `{"tree":` + treeJSON + `,"scripts":[1]}`, "/scripts: an object is needed, not a list"},
		{"script's text", `{"tree":` + treeJSON + `,"scripts":{"a":{"script":{}}}}`, "/scripts/a: script: a text or a list of lines is needed"},
		{"one node in two ways", `{"trees":{"Login":` + journey + `,"Other":` + other + `}}`, `node "` + string(n1) + `" of journey "Other" is configured otherwise in another journey`},
		{
			"one script in two ways",
			`{"trees":{"A":{"tree":` + treeJSON + `,"scripts":{"s":{"script":["a"]}}},"B":{"tree":` + treeJSON + `,"scripts":{"s":{"script":["b"]}}}}}`,
			`script "s" of journey "B" has another text in another journey`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tree.DecodeExport([]byte(tt.raw))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %d journeys and error %v, want %q", len(got.Journeys), err, tt.want)
			}
		})
	}
}

func TestImportOrder(t *testing.T) {
	calls := func(name, inner string) string {
		var vertices, configs []string
		for i, inner := range strings.Fields(inner) {
			vertices = append(vertices, fmt.Sprintf(`"%s%d":{"nodeType":"InnerTreeEvaluatorNode"}`, name, i))
			configs = append(configs, fmt.Sprintf(`"%s%d":{"_type":{"_id":"InnerTreeEvaluatorNode"},"tree":%q}`, name, i, inner))
		}
		return `{"tree":{"nodes":{` + strings.Join(vertices, ",") + `}},"nodes":{` + strings.Join(configs, ",") + `}}`
	}
	tests := []struct {
		name  string
		calls map[string]string
		want  []string
	}{
		{"by name", map[string]string{"B": "", "A": "", "C": ""}, []string{"A", "B", "C"}},
		{"inner first", map[string]string{"A": "B", "B": "C", "C": ""}, []string{"C", "B", "A"}},
		{"many inner, by name", map[string]string{"A": "F E D C B", "B": "", "C": "", "D": "", "E": "", "F": ""}, []string{"B", "C", "D", "E", "F", "A"}},
		{"missing", map[string]string{"A": "X", "B": ""}, []string{"A", "B"}},
		{"itself", map[string]string{"A": "A"}, []string{"A"}},
		{"circle", map[string]string{"A": "B", "B": "A", "C": "A"}, []string{"B", "A", "C"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var parts []string
			for _, name := range slices.Sorted(maps.Keys(tt.calls)) {
				parts = append(parts, `"`+name+`":`+calls(name, tt.calls[name]))
			}
			export, err := tree.DecodeExport([]byte(`{"trees":{` + strings.Join(parts, ",") + `}}`))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, j := range export.Journeys {
				got = append(got, j.Tree.Name)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEncodeExport(t *testing.T) {
	export, err := tree.DecodeExport([]byte(`{"tree":` + treeJSON + `,"nodes":{` + page + `},"innerNodes":{` + child + `},"scripts":{` + script + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	meta := tree.Meta{Origin: "https://login.example/am", Date: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), Tool: "sojourn", ToolVersion: "1"}
	got, err := tree.EncodeExport(export.Journeys, meta, fakeTypes{tree.PageType: nil, "X": {"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	ab := `"_outcomes":[{"id":"a","displayName":"A"},{"id":"b","displayName":"B"}]`
	want := `{"meta":{"origin":"https://login.example/am","exportDate":"2026-01-02T03:04:05.006Z","exportTool":"sojourn","exportToolVersion":"1"},
		"trees":{"Login":{
			"circlesOfTrust":{},"emailTemplates":{},"saml2Entities":{},"socialIdentityProviders":{},"themes":[],
			"scripts":{` + script + `},
			"innerNodes":{"00000000-0000-4000-8000-000000000002":{"_id":"00000000-0000-4000-8000-000000000002",` + ab + `,
				"_type":{"_id":"X","name":"X","collection":true},"script":"00000000-0000-4000-8000-00000000000f"}},
			"nodes":{"00000000-0000-4000-8000-000000000001":{"_id":"00000000-0000-4000-8000-000000000001",` + ab + `,
				"_type":{"_id":"PageNode","name":"Page","collection":true},
				"nodes":[{"_id":"00000000-0000-4000-8000-000000000002","nodeType":"X","displayName":"x"}]}},
			"tree":{"_id":"Login","enabled":true,"innerTreeOnly":false,"mustRun":false,"noSession":false,"transactionalOnly":false,
				"entryNodeId":"00000000-0000-4000-8000-000000000001","uiConfig":{},"staticNodes":{},
				"nodes":{"00000000-0000-4000-8000-000000000001":{"nodeType":"PageNode","displayName":"Page",
					"connections":{"outcome":"70e691a5-1e33-4ac3-a356-e7b6d60d92e0"}}}}}}}`
	same(t, "export", got, []byte(want))
	if ids := export.Journeys[0].ScriptIDs(); !slices.Equal(ids, []string{"00000000-0000-4000-8000-00000000000f"}) {
		t.Errorf("scripts %q", ids)
	}
}

func TestSetJourney(t *testing.T) {
	s := loginSet(t)
	j, ok := s.Journey("Login")
	if want := []tree.NodeID{n1, n2, n3, n4, innerCall}; !ok || !slices.Equal(slices.Sorted(maps.Keys(j.Nodes)), want) {
		t.Errorf("got %v, %v", slices.Sorted(maps.Keys(j.Nodes)), ok)
	}
	if _, ok := s.Journey("None"); ok {
		t.Error("a journey that is not there")
	}
	inner, _ := s.Journey("Inner")
	raw, err := tree.EncodeExport([]tree.Journey{j, inner}, tree.Meta{}, someTypes())
	if err != nil {
		t.Fatal(err)
	}
	export, err := tree.DecodeExport(raw)
	if err != nil {
		t.Fatal(err)
	}
	back := (&tree.Set{}).With(export)
	if back.Version("Login") != s.Version("Login") {
		t.Error("the version changed on the way")
	}
	if report := back.Validate("Login", someTypes()); len(report) > 0 {
		t.Error(report)
	}
}

func TestScriptText(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte("var ä;\n"))
	tests := []struct{ name, script, want string }{
		{"lines", `["var ä;",""]`, "var ä;\n"},
		{"base64", `"` + encoded + `"`, "var ä;\n"},
		{"quoted", `"\"var ä;\\n\""`, "var ä;\n"},
		{"plain", `"var x = 1;"`, "var x = 1;"},
		{"plain, but for its letters base64", `"true"`, "true"},
		{"null", `null`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := tree.DecodeScript([]byte(`{"_id":"i","_rev":"1","name":"n","script":` + tt.script + `}`))
			if err != nil || s.Text != tt.want || s.ID != "i" || s.Name != "n" || len(s.Attributes) != 0 {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
	raw, err := tree.EncodeScript(tree.Script{ID: "i", Name: "n", Language: "JAVASCRIPT", Text: "var ä;\n"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "API's form", raw, []byte(`{"_id":"i","name":"n","language":"JAVASCRIPT","script":"`+encoded+`"}`))
}

func FuzzDecodeExport(f *testing.F) {
	f.Add([]byte(`{"meta":{},"trees":{"Login":{"tree":` + treeJSON + `,"nodes":{` + page + `},"innerNodes":{` + child + `},"scripts":{` + script + `}}}}`))
	f.Add([]byte(`{"tree":` + treeJSON + `,"nodes":[` + pageJSON + `,{"_id":"a","nodeType":"X","details":{"a":1}}]}`))
	f.Add([]byte(treeJSON))
	f.Fuzz(func(t *testing.T, raw []byte) {
		export, err := tree.DecodeExport(raw)
		if err != nil {
			return
		}
		set := (&tree.Set{}).With(export)
		for _, j := range export.Journeys {
			if report := set.Validate(j.Tree.Name, someTypes()); (report.Err() == nil) != !slices.ContainsFunc(report, func(p tree.Problem) bool { return p.Severity == tree.Error }) {
				t.Fatalf("Err() of %v", report)
			}
		}
		first, err := tree.EncodeExport(export.Journeys, tree.Meta{}, someTypes())
		if err != nil {
			t.Fatal(err)
		}
		again, err := tree.DecodeExport(first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v in %s", err, first)
		}
		second, err := tree.EncodeExport(again.Journeys, tree.Meta{}, someTypes())
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
		for _, j := range export.Journeys {
			if set.Version(j.Tree.Name) != (&tree.Set{}).With(again).Version(j.Tree.Name) {
				t.Fatalf("the version of %q changed", j.Tree.Name)
			}
		}
	})
}
