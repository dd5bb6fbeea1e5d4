package node_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sojourn/actors/node"
	"sojourn/actors/tree"
)

// Every configuration in the corpus of real journeys that is of a type of this
// server is one without faults, and each attribute in it is known but for
// those listed here.
func TestCorpus(t *testing.T) {
	folder := filepath.FromSlash("../../../shared/corpus/frodo")
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("the journey corpus must lie beside the clone: no files in %s", folder)
	}
	unknown := map[string]bool{"DebugNode.transientState": true}
	types := node.Builtin()
	configured, others := map[string]int{}, 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		export, err := tree.DecodeExport(raw)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, journey := range export.Journeys {
			for _, c := range journey.Nodes {
				d, ok := types.Describe(c)
				if !ok {
					others++
					continue
				}
				configured[tree.Base(c.Type)]++
				if len(d.Faults) > 0 {
					t.Errorf("%s: %s %s: %v", filepath.Base(file), c.Type, c.ID, d.Faults)
				}
				for _, name := range d.Unknown {
					if !unknown[c.Type+"."+name] {
						t.Errorf("%s: %s has an attribute %s", filepath.Base(file), c.Type, name)
					}
				}
			}
		}
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(configured)) {
		total += configured[name]
		fmt.Fprintf(t.Output(), "%4d %s\n", configured[name], name)
	}
	fmt.Fprintf(t.Output(), "%4d nodes of %d types here, %d of others\n", total, len(configured), others)
	if total < 400 {
		t.Errorf("only %d nodes were read", total)
	}
}
