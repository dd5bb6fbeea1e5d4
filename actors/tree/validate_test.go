package tree_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"sojourn/actors/tree"
)

// loginSet is a tree without a fault: a page with user name and password, a
// decision, and an inner tree after it.
func loginSet(t *testing.T) *tree.Set {
	t.Helper()
	at := func(typeName string, next map[tree.Outcome]tree.NodeID) tree.Vertex {
		return tree.Vertex{Type: typeName, DisplayName: "My " + typeName, Connections: next}
	}
	page := `{"nodes":[{"_id":"` + string(n3) + `","nodeType":"UsernameCollectorNode","displayName":"User"},
		{"_id":"` + string(n4) + `","nodeType":"PasswordCollectorNode","displayName":"Pass"}]}`
	config := func(id tree.NodeID, typeName, raw string) tree.Config {
		return tree.Config{ID: id, Type: typeName, Attributes: attributes(t, raw)}
	}
	const inner tree.NodeID = "00000000-0000-4000-8000-0000000000aa"
	const innerOnly tree.NodeID = "00000000-0000-4000-8000-0000000000bb"
	return &tree.Set{
		Realm: "/",
		Trees: map[string]*tree.Tree{
			"Login": {
				Name: "Login", Enabled: true, Entry: n1,
				Nodes: map[tree.NodeID]tree.Vertex{
					n1:    at(tree.PageType, map[tree.Outcome]tree.NodeID{"outcome": n2}),
					n2:    at("DataStoreDecisionNode", map[tree.Outcome]tree.NodeID{"true": inner, "false": tree.Failure}),
					inner: at(tree.InnerTreeType, map[tree.Outcome]tree.NodeID{"true": tree.Success, "false": n1}),
				},
			},
			"Inner": {
				Name: "Inner", Enabled: true, InnerOnly: true, Entry: innerOnly,
				Nodes: map[tree.NodeID]tree.Vertex{
					innerOnly: at("ChoiceCollectorNode", map[tree.Outcome]tree.NodeID{"one": tree.Success, "two": tree.Failure}),
				},
			},
		},
		Nodes: map[tree.NodeID]tree.Config{
			n1:        config(n1, tree.PageType, page),
			n2:        config(n2, "DataStoreDecisionNode", `{}`),
			n3:        config(n3, "UsernameCollectorNode", `{}`),
			n4:        config(n4, "PasswordCollectorNode", `{}`),
			inner:     config(inner, tree.InnerTreeType, `{"tree":"Inner"}`),
			innerOnly: config(innerOnly, "ChoiceCollectorNode", `{"choices":["one","two"]}`),
		},
	}
}

const innerCall tree.NodeID = "00000000-0000-4000-8000-0000000000aa"

func TestValidate(t *testing.T) {
	retype := func(s *tree.Set, id tree.NodeID, typeName string) {
		v, c := s.Trees["Login"].Nodes[id], s.Nodes[id]
		v.Type, c.Type = typeName, typeName
		s.Trees["Login"].Nodes[id], s.Nodes[id] = v, c
	}
	set := func(s *tree.Set, id tree.NodeID, name, value string) {
		c := s.Nodes[id]
		c.Attributes = maps.Clone(c.Attributes)
		c.Attributes[name] = json.RawMessage(value)
		s.Nodes[id] = c
	}
	move := func(s *tree.Set, from, to tree.NodeID) {
		nodes := s.Trees["Login"].Nodes
		nodes[to] = nodes[from]
		s.Nodes[to] = s.Nodes[from]
		delete(nodes, from)
		for _, v := range nodes {
			for outcome, next := range v.Connections {
				if next == from {
					v.Connections[outcome] = to
				}
			}
		}
	}
	children := func(s *tree.Set, ids ...tree.NodeID) {
		var list []map[string]any
		for _, id := range ids {
			list = append(list, map[string]any{"_id": id, "nodeType": s.Nodes[id].Type, "displayName": "Child"})
		}
		raw, _ := json.Marshal(list)
		set(s, n1, "nodes", string(raw))
	}
	tests := []struct {
		name   string
		change func(s *tree.Set)
		want   []string // "severity kind node"
	}{
		{"nothing wrong", func(*tree.Set) {}, nil},
		{"no tree", func(s *tree.Set) { delete(s.Trees, "Login") }, []string{"error no-tree "}},
		{"name", func(s *tree.Set) { s.Trees["Login"].Name = "a\nb" }, []string{"error name "}},
		{"too many nodes", func(s *tree.Set) {
			first := s.Trees["Login"].Nodes[n2]
			for i := range tree.MaxNodes {
				id := tree.NodeID(fmt.Sprintf("00000000-0000-4000-9000-%012d", i))
				s.Trees["Login"].Nodes[id], s.Nodes[id] = first, s.Nodes[n2]
			}
		}, []string{"error too-large "}},
		{"entry not named", func(s *tree.Set) { s.Trees["Login"].Entry = "" }, []string{
			"error no-entry ", "warning no-success ", "warning unreachable-node " + string(n1),
			"warning unreachable-node " + string(n2), "warning unreachable-node " + string(innerCall),
		}},
		{"entry elsewhere", func(s *tree.Set) {
			s.Trees["Login"] = &tree.Tree{Name: "Login", Enabled: true, Entry: n4}
		}, []string{"error no-entry ", "warning no-success "}},
		{"entry is Success", func(s *tree.Set) {
			s.Trees["Login"] = &tree.Tree{Name: "Login", Enabled: true, Entry: tree.Success}
		}, nil},
		{"id is not a UUID", func(s *tree.Set) { move(s, n2, "second") }, []string{"error node-id second"}},
		{"id is almost a UUID", func(s *tree.Set) { move(s, n2, "00000000-0000-4000-8000-00000000000g") }, []string{"error node-id 00000000-0000-4000-8000-00000000000g"}},
		{"node in the place of Failure", func(s *tree.Set) { move(s, n2, tree.Failure) }, []string{"error static-id " + string(tree.Failure)}},
		{"node in the place of the start", func(s *tree.Set) { move(s, n2, "startNode") }, []string{"error static-id startNode"}},
		{"unknown type", func(s *tree.Set) { retype(s, n2, "CastleNode") }, []string{"error unknown-type " + string(n2)}},
		{"no type", func(s *tree.Set) { retype(s, n2, "") }, []string{"error unknown-type " + string(n2)}},
		{"type with a prefix", func(s *tree.Set) { retype(s, n2, "product-DataStoreDecisionNode") }, nil},
		{"configuration missing", func(s *tree.Set) { delete(s.Nodes, n2) }, []string{"error missing-config " + string(n2)}},
		{"configuration of another type", func(s *tree.Set) {
			c := s.Nodes[n2]
			c.Type = "ChoiceCollectorNode"
			s.Nodes[n2] = c
		}, []string{"error missing-config " + string(n2)}},
		{"attribute at fault", func(s *tree.Set) { set(s, n2, "fault", "1") }, []string{"error config " + string(n2)}},
		{"attribute not known", func(s *tree.Set) { set(s, n2, "stranger", "1") }, []string{"warning unknown-attribute " + string(n2)}},
		{"connection to nowhere", func(s *tree.Set) { s.Trees["Login"].Nodes[n2].Connections["false"] = n4 }, []string{"error dangling-connection " + string(n2)}},
		{"outcome leads nowhere", func(s *tree.Set) { delete(s.Trees["Login"].Nodes[n2].Connections, "false") }, []string{"warning unconnected-outcome " + string(n2)}},
		{"outcome in capitals", func(s *tree.Set) {
			c := s.Trees["Login"].Nodes[n2].Connections
			c["TRUE"] = c["true"]
			delete(c, "true")
		}, []string{"warning unconnected-outcome " + string(n2), "warning unknown-outcome " + string(n2)}},
		{"page with another outcome", func(s *tree.Set) { s.Trees["Login"].Nodes[n1].Connections["more"] = n2 }, []string{"warning unknown-outcome " + string(n1)}},
		{"unreachable", func(s *tree.Set) { s.Trees["Login"].Nodes[n2].Connections["true"] = tree.Success }, []string{"warning unreachable-node " + string(innerCall)}},
		{"never a success", func(s *tree.Set) { s.Trees["Login"].Nodes[innerCall].Connections["true"] = tree.Failure }, []string{"warning no-success "}},
		{"inner tree missing", func(s *tree.Set) { delete(s.Trees, "Inner") }, []string{"error missing-inner-tree " + string(innerCall)}},
		{"inner tree not named", func(s *tree.Set) { set(s, innerCall, "tree", `""`) }, []string{"error missing-inner-tree " + string(innerCall)}},
		{"inner tree disabled", func(s *tree.Set) { s.Trees["Inner"].Enabled = false }, []string{"error disabled-inner-tree " + string(innerCall)}},
		{"calls itself", func(s *tree.Set) { set(s, innerCall, "tree", `"Login"`) }, []string{"warning recursion " + string(innerCall)}},
		{"calls itself through another", func(s *tree.Set) {
			const id tree.NodeID = "00000000-0000-4000-8000-0000000000cc"
			s.Trees["Inner"].Nodes[id] = tree.Vertex{Type: tree.InnerTreeType}
			s.Nodes[id] = tree.Config{ID: id, Type: tree.InnerTreeType, Attributes: map[string]json.RawMessage{"tree": json.RawMessage(`"Login"`)}}
		}, []string{"warning recursion " + string(innerCall)}},
		{"calls a tree that calls itself", func(s *tree.Set) {
			const id tree.NodeID = "00000000-0000-4000-8000-0000000000cc"
			s.Trees["Inner"].Nodes[id] = tree.Vertex{Type: tree.InnerTreeType}
			s.Nodes[id] = tree.Config{ID: id, Type: tree.InnerTreeType, Attributes: map[string]json.RawMessage{"tree": json.RawMessage(`"Inner"`)}}
		}, nil},
		{"page without children", func(s *tree.Set) { set(s, n1, "nodes", "[]") }, []string{"error empty-page " + string(n1)}},
		{"page without a list", func(s *tree.Set) { set(s, n1, "nodes", "null") }, []string{"error empty-page " + string(n1)}},
		{"page that cannot be read", func(s *tree.Set) { set(s, n1, "nodes", `[{"_id":1}]`) }, []string{"error config " + string(n1)}},
		{"page in a page", func(s *tree.Set) { children(s, n1) }, []string{"error nested " + string(n1)}},
		{"inner tree in a page", func(s *tree.Set) { children(s, n3, innerCall) }, []string{"error nested " + string(innerCall)}},
		{"decision before the end of a page", func(s *tree.Set) { children(s, n2, n4) }, []string{"error page-outcomes " + string(n2)}},
		{"decision at the end of a page", func(s *tree.Set) { children(s, n3, n2) }, []string{
			"warning unconnected-outcome " + string(n1), "warning unconnected-outcome " + string(n1), "warning unknown-outcome " + string(n1),
		}},
		{"child without configuration", func(s *tree.Set) { delete(s.Nodes, n4) }, []string{"error missing-config " + string(n4)}},
		{"child of an unknown type", func(s *tree.Set) {
			set(s, n1, "nodes", `["`+string(n4)+`:CastleNode:1.0:Castle"]`)
			s.Nodes[n4] = tree.Config{ID: n4, Type: "CastleNode"}
		}, []string{"error unknown-type " + string(n4)}},
		{"page of version 2", func(s *tree.Set) {
			v := s.Trees["Login"].Nodes[n1]
			v.Version, v.Connections = "2.0", map[tree.Outcome]tree.NodeID{tree.Outcome(n4) + "-outcome": n2}
			s.Trees["Login"].Nodes[n1] = v
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := loginSet(t)
			tt.change(s)
			report := s.Validate("Login", someTypes())
			var got []string
			for _, p := range report {
				// The many copies of the large tree are of no interest here.
				if tt.name == "too many nodes" && p.Kind == tree.KindUnreachable {
					continue
				}
				got = append(got, fmt.Sprintf("%s %s %s", p.Severity, p.Kind, p.Node))
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", report, strings.Join(tt.want, "\n"))
			}
			if fails := strings.HasPrefix(strings.Join(tt.want, "\n"), "error"); (report.Err() != nil) != fails {
				t.Errorf("Err() = %v", report.Err())
			}
			if again := s.Validate("Login", someTypes()); again.String() != report.String() {
				t.Errorf("a second look says otherwise:\n%s\n%s", report, again)
			}
		})
	}
}

func TestReport(t *testing.T) {
	s := loginSet(t)
	v := s.Trees["Login"].Nodes[n2]
	v.DisplayName = "Check\x1b[2J"
	s.Trees["Login"].Nodes[n2] = v
	delete(s.Nodes, n2)
	delete(v.Connections, "true")
	delete(s.Trees, "Inner")
	report := s.Validate("Login", someTypes())
	want := `error   tree "Login", node "Check\x1b[2J" ("00000000-0000-4000-8000-000000000002"): the node has no configuration
error   tree "Login", node "My InnerTreeEvaluatorNode" ("00000000-0000-4000-8000-0000000000aa"): there is no inner tree "Inner"
warning tree "Login": no path leads to Success
warning tree "Login", node "My InnerTreeEvaluatorNode" ("00000000-0000-4000-8000-0000000000aa"): no path from the entry leads here
`
	if report.String() != want {
		t.Errorf("got\n%swant\n%s", report, want)
	}
	var p tree.Problem
	if err := report.Err(); !errors.As(err, &p) || p.Kind != tree.KindMissingConfig || strings.Contains(err.Error(), "Success") {
		t.Errorf("got %v", err)
	}
}

func TestDescribePage(t *testing.T) {
	s := loginSet(t)
	tests := []struct {
		name    string
		version string
		want    tree.Outcome
	}{{"version 1", "1.0", "outcome"}, {"no version", "", "outcome"}, {"version 2", "2.0", tree.Outcome(n4) + "-outcome"}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.Nodes[n1]
			c.Version = tt.version
			d, ok := s.Describe(c, someTypes())
			if !ok || len(d.Outcomes) != 1 || d.Outcomes[0] != tt.want {
				t.Errorf("got %+v, %v", d, ok)
			}
		})
	}
}
