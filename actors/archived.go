package actors

import (
	"encoding/json"
	"fmt"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

// archived is the body of a document of realm.KindVersion: the definitions that
// make one version of a tree. The document's id is the version, so that whoever
// reads it can tell that it is whole. An example, but for its definitions:
//
//	{"format":1,"tree":"Login","since":"2026-11-22T04:00:00Z",
//	 "replaced":"2026-11-22T05:00:00Z","until":"2026-11-22T05:10:00Z",
//	 "trees":{"Login":{...}},"nodes":{"<uuid>":{...}}}
type archived struct {
	Format int    `json:"format"`
	Tree   string `json:"tree"`
	// Since is when the version was current first.
	Since time.Time `json:"since"`
	// Replaced is when it was found not to be current any more, Until when the
	// last journey on it has ended. Both are zero while it is current.
	Replaced time.Time `json:"replaced,omitzero"`
	Until    time.Time `json:"until,omitzero"`

	Trees map[string]json.RawMessage      `json:"trees"`
	Nodes map[tree.NodeID]json.RawMessage `json:"nodes"`
}

const archiveFormat = 1

// archive gathers what a plan is made of.
func archive(set *tree.Set, name string, now time.Time) (archived, error) {
	a := archived{
		Format: archiveFormat, Tree: name, Since: now.UTC(),
		Trees: map[string]json.RawMessage{}, Nodes: map[tree.NodeID]json.RawMessage{},
	}
	reach, _ := set.Reach(name)
	for _, name := range reach.Trees {
		t, ok := set.Trees[name]
		if !ok {
			continue
		}
		raw, err := t.Encode()
		if err != nil {
			return archived{}, err
		}
		a.Trees[name] = raw
	}
	for _, id := range reach.Nodes {
		config, ok := set.Nodes[id]
		if !ok {
			continue
		}
		raw, err := tree.EncodeNode(config, config.Title, nil)
		if err != nil {
			return archived{}, err
		}
		a.Nodes[id] = raw
	}
	return a, nil
}

// decodeArchived reads a document of realm.KindVersion.
func decodeArchived(d realm.Document) (archived, error) {
	var a archived
	if err := json.Unmarshal(d.Body, &a); err != nil {
		return archived{}, fmt.Errorf("version %.40q of a tree: %w", d.ID, err)
	}
	if a.Format != archiveFormat {
		return archived{}, fmt.Errorf("version %.40q of a tree has format %d, which is not known here", d.ID, a.Format)
	}
	return a, nil
}

// compile makes the plan again. It fails when the definitions are not those of
// the version.
func (a archived) compile(r realm.Name, version string, types *node.Registry) (*journey.Plan, error) {
	set := &tree.Set{Realm: r, Trees: map[string]*tree.Tree{}, Nodes: map[tree.NodeID]tree.Config{}}
	for name, raw := range a.Trees {
		t, err := tree.DecodeTree(name, raw)
		if err != nil {
			return nil, fmt.Errorf("tree %q: %w", name, err)
		}
		set.Trees[name] = t
	}
	for id, raw := range a.Nodes {
		config, err := tree.DecodeNode(raw)
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", id, err)
		}
		config.ID = id
		set.Nodes[id] = config
	}
	if is := set.Version(a.Tree); is.String() != version {
		return nil, fmt.Errorf("the definitions make version %s", is)
	}
	return journey.Compile(set, a.Tree, types)
}
