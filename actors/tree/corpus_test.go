package tree_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/actors/tree"
)

const corpusSize = 98

// Every journey of the corpus is read, keeps all that its file says through an
// export and a second reading, and is judged without a panic.
func TestCorpus(t *testing.T) {
	files := corpus(t, "frodo")
	if len(files) < corpusSize {
		t.Errorf("%d files in the corpus, want %d", len(files), corpusSize)
	}
	found := map[tree.Kind]int{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw := read(t, file)
			export, err := tree.DecodeExport(raw)
			if err != nil {
				t.Fatal(err)
			}
			keepsAll(t, raw, export)
			comesBack(t, export)
			set := (&tree.Set{}).With(export)
			for _, j := range export.Journeys {
				for _, p := range set.Validate(j.Tree.Name, corpusTypes(raw)) {
					found[p.Kind]++
					t.Log(p.Severity, p.Error())
				}
			}
		})
	}
	for _, kind := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(t.Output(), "%4d %s\n", found[kind], kind)
	}
	// Inner trees are missing because each file brings one journey; types of
	// third parties are known to nobody here.
	want := map[tree.Kind]int{
		tree.KindMissingInner: 28, tree.KindUnknownType: 86, tree.KindUnconnectedOutcome: 12, tree.KindUnknownOutcome: 2,
		tree.KindUnreachable: 9, tree.KindNoSuccess: 5, tree.KindMissingConfig: 2, tree.KindDangling: 1,
	}
	if !maps.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
}

// keepsAll compares what was decoded with the file, value by value.
func keepsAll(t *testing.T, raw []byte, export tree.Export) {
	t.Helper()
	var file struct {
		Trees map[string]struct {
			Tree       map[string]json.RawMessage
			Nodes      map[tree.NodeID]map[string]json.RawMessage
			InnerNodes map[tree.NodeID]map[string]json.RawMessage
			Scripts    map[string]struct{ Script []string }
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Trees) != len(export.Journeys) {
		t.Fatalf("%d journeys, want %d", len(export.Journeys), len(file.Trees))
	}
	for _, j := range export.Journeys {
		want := file.Trees[j.Tree.Name]
		encoded, err := j.Tree.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got := attributes(t, string(encoded))
		for name, value := range want.Tree {
			if !strings.HasPrefix(name, "_") {
				same(t, "tree "+name, got[name], value)
			}
		}
		maps.Copy(want.Nodes, want.InnerNodes)
		maps.DeleteFunc(want.Nodes, func(id tree.NodeID, _ map[string]json.RawMessage) bool {
			return slices.ContainsFunc(export.Ignored, func(text string) bool { return strings.Contains(text, string(id)) })
		})
		if len(want.Nodes) != len(j.Nodes) {
			t.Errorf("%d nodes, want %d", len(j.Nodes), len(want.Nodes))
		}
		for id, node := range want.Nodes {
			for name, value := range node {
				if !strings.HasPrefix(name, "_") {
					same(t, string(id)+" "+name, j.Nodes[id].Attributes[name], value)
				}
			}
		}
		for id, s := range want.Scripts {
			if j.Scripts[id].Text != strings.Join(s.Script, "\n") {
				t.Errorf("script %s changed", id)
			}
		}
	}
}

// comesBack exports and imports again, by frodo's form and by the single
// documents of the API.
func comesBack(t *testing.T, export tree.Export) {
	t.Helper()
	meta := tree.Meta{Origin: "http://localhost/am", Date: time.Unix(1e9, 0), Tool: "sojourn"}
	first, err := tree.EncodeExport(export.Journeys, meta, someTypes())
	if err != nil {
		t.Fatal(err)
	}
	again, err := tree.DecodeExport(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := tree.EncodeExport(again.Journeys, meta, someTypes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("an export changes when it is imported and exported again:\n%s\n%s", first, second)
	}
	set, other := (&tree.Set{}).With(export), (&tree.Set{}).With(again)
	for _, j := range export.Journeys {
		if set.Version(j.Tree.Name) != other.Version(j.Tree.Name) {
			t.Errorf("journey %q has another version after the round trip", j.Tree.Name)
		}
		for id, s := range j.Scripts {
			raw, err := tree.EncodeScript(s)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := tree.DecodeScript(raw); err != nil || back.Text != s.Text || back.Name != s.Name {
				t.Errorf("script %s changed through the API's form: %v", id, err)
			}
		}
	}
}

// corpusTypes takes the outcomes of each type from the exports themselves,
// where they say them.
func corpusTypes(raw []byte) tree.Types {
	var file struct {
		Trees map[string]struct {
			Nodes, InnerNodes map[tree.NodeID]struct {
				Outcomes []struct{ ID tree.Outcome } `json:"_outcomes"`
			}
		}
	}
	types := exportTypes{}
	if json.Unmarshal(raw, &file) != nil {
		return types
	}
	for _, j := range file.Trees {
		maps.Copy(j.Nodes, j.InnerNodes)
		for id, n := range j.Nodes {
			for _, o := range n.Outcomes {
				types[id] = append(types[id], o.ID)
			}
		}
	}
	return types
}

// exportTypes knows AM's own types, by their names here, and the outcomes of
// single nodes.
type exportTypes map[tree.NodeID][]tree.Outcome

func (e exportTypes) Describe(c tree.Config) (tree.Description, bool) {
	for _, thirdParty := range []string{"OS_", "OSTID", "Castle", "TypingDNA", "onfido", "VerifyAuth", "Legacy"} {
		if strings.HasPrefix(c.Type, thirdParty) {
			return tree.Description{}, false
		}
	}
	return tree.Description{Title: c.Title, Outcomes: e[c.ID]}, true
}

// The published files hold the same journeys as the common form of the corpus.
func TestOriginals(t *testing.T) {
	common := map[tree.Version]bool{}
	for _, file := range corpus(t, "frodo") {
		export, err := tree.DecodeExport(read(t, file))
		if err != nil {
			t.Fatal(err)
		}
		set := (&tree.Set{}).With(export)
		for _, j := range export.Journeys {
			common[set.Version(j.Tree.Name)] = true
		}
	}
	decoded, equal, refused := 0, 0, 0
	for _, file := range corpus(t, "original") {
		raw := read(t, file)
		export, err := tree.DecodeExport(raw)
		if err != nil {
			if bytes.Contains(raw, []byte(`"tree"`)) && bytes.Contains(raw, []byte(`"nodes"`)) && !bytes.Contains(raw, []byte(`"metadata"`)) {
				t.Errorf("%s: %v", file, err)
			}
			refused++
			continue
		}
		set := (&tree.Set{}).With(export)
		for _, j := range export.Journeys {
			decoded++
			if common[set.Version(j.Tree.Name)] {
				equal++
			} else {
				t.Log("not as in the common form:", file, j.Tree.Name, export.Ignored)
			}
		}
	}
	fmt.Fprintf(t.Output(), "%d journeys read, %d of them as in the common form; %d files refused\n", decoded, equal, refused)
	// One is a tree without its nodes; one file brings an inner tree that its
	// common form lacks, which makes it differ twice.
	if decoded < 50 || equal != decoded-3 {
		t.Errorf("%d journeys read and %d as in the common form, want 50 and 47", decoded, equal)
	}
}
