package node

import (
	"fmt"
	"maps"
	"slices"

	"sojourn/actors/tree"
)

// Type describes a node type: AM's name, the attributes that configure it, and
// how to make a Node of a configuration.
type Type struct {
	// Name is AM's, without a "product-" prefix; Title is what AM's editor
	// shows.
	Name, Title string
	Properties  []Property
	// Pure says that Process depends on configuration, locale and state alone:
	// no effect, no randomness, no headers, no clock. A journey that meets only
	// pure nodes before its first callbacks is kept nowhere until it is
	// answered.
	Pure bool
	// Suspends says that the node may return Suspend: only then does its Context
	// say how the journey can be resumed. Such a node is not Pure.
	Suspends bool
	// Inputs are the state keys that the node reads; "*" is all. Transient
	// values that no later node reads do not survive a round trip. Nil: none.
	Inputs func(Config) []string
	// Outcomes are the exits that this configuration has. Nil: Next alone.
	Outcomes func(Config) []tree.Outcome
	// New makes the node. It is nil for the two types that the engine runs
	// itself, PageType and InnerTreeType. An error names the attribute.
	New func(Config) (Node, error)
}

// The structural types: their nodes contain or call other nodes.
const (
	PageType      = tree.PageType
	InnerTreeType = tree.InnerTreeType
)

// Registry knows node types by name. It is immutable once made.
type Registry struct{ types map[string]*Type }

// NewRegistry returns a registry of the given types. Two of one name, or one
// without a way to make nodes, is a programming error and panics.
func NewRegistry(types ...Type) *Registry {
	r := &Registry{types: make(map[string]*Type, len(types))}
	for i := range types {
		t := &types[i]
		if _, twice := r.types[t.Name]; twice || t.Name == "" {
			panic(fmt.Sprintf("node type %q registered twice or unnamed", t.Name))
		}
		if t.New == nil && t.Name != PageType && t.Name != InnerTreeType {
			panic(fmt.Sprintf("node type %q cannot make nodes", t.Name))
		}
		r.types[t.Name] = t
	}
	return r
}

// Type finds a type by the name that a tree uses; "product-X" is X.
func (r *Registry) Type(name string) (*Type, bool) {
	t, ok := r.types[tree.Base(name)]
	return t, ok
}

// Types returns all types, sorted by name.
func (r *Registry) Types() []*Type {
	names := slices.Sorted(maps.Keys(r.types))
	out := make([]*Type, len(names))
	for i, name := range names {
		out[i] = r.types[name]
	}
	return out
}

// InputsOf is what a node of this type and configuration reads.
func (t *Type) InputsOf(c Config) []string {
	if t.Inputs == nil {
		return nil
	}
	return t.Inputs(c)
}

// OutcomesOf is the node's exits. For the structural PageType it is nil: they
// are those of the page's last child.
func (t *Type) OutcomesOf(c Config) []tree.Outcome {
	switch {
	case t.Outcomes != nil:
		return t.Outcomes(c)
	case t.Name == PageType:
		return nil
	}
	return []tree.Outcome{Next}
}

// Fixed is an Inputs or Outcomes function that ignores the configuration.
func Fixed[T any](values ...T) func(Config) []T {
	return func(Config) []T { return values }
}
