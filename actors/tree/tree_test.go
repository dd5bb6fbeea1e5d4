package tree_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sojourn/actors/tree"
)

// Node ids of the tests.
const (
	n1 tree.NodeID = "00000000-0000-4000-8000-000000000001"
	n2 tree.NodeID = "00000000-0000-4000-8000-000000000002"
	n3 tree.NodeID = "00000000-0000-4000-8000-000000000003"
	n4 tree.NodeID = "00000000-0000-4000-8000-000000000004"
)

// fakeTypes knows a few types by their outcomes. An attribute "fault" is a
// fault, one called "stranger" is unknown.
type fakeTypes map[string][]tree.Outcome

func (f fakeTypes) Describe(c tree.Config) (tree.Description, bool) {
	outcomes, ok := f[tree.Base(c.Type)]
	if !ok {
		return tree.Description{}, false
	}
	d := tree.Description{Title: strings.TrimSuffix(tree.Base(c.Type), "Node"), Outcomes: outcomes}
	if c.Attributes["fault"] != nil {
		d.Faults, d.Outcomes = []string{"fault: it stands there"}, nil
	}
	if c.Attributes["stranger"] != nil {
		d.Unknown = []string{"stranger"}
	}
	return d, true
}

func someTypes() fakeTypes {
	return fakeTypes{
		tree.PageType:           nil,
		tree.InnerTreeType:      {"true", "false"},
		"UsernameCollectorNode": {"outcome"},
		"PasswordCollectorNode": {"outcome"},
		"DataStoreDecisionNode": {"true", "false"},
		"ChoiceCollectorNode":   {"one", "two"},
	}
}

// corpus names the files of a folder of the shared corpus.
func corpus(t *testing.T, folder string) []string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "corpus", folder)
	if _, err := os.Stat(root); err != nil {
		t.Fatalf("the journey corpus must lie beside the clone, as ../shared/corpus: %v", err)
	}
	var files []string
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".json" {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("corpus folder %s: %d files, %v", root, len(files), err)
	}
	return files
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// same compares JSON texts by what they mean.
func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%s: %v in %s", what, err, got)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatalf("%s: %v in %s", what, err, want)
	}
	if x, y := fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b); x != y {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func attributes(t *testing.T, text string) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}
