package journey

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

// Version identifies the exact definitions that a journey runs on: a hash over
// its tree, the inner trees it can enter, and their nodes' configurations.
type Version = tree.Version

// Plan is a tree made ready to run: node configurations decoded, connections
// resolved, inner trees included. It is immutable and shared by all journeys
// of its version.
type Plan struct {
	Realm   realm.Name
	Name    string
	Version Version
	// MustRun and NoSession are the tree's flags of those names.
	MustRun, NoSession bool
	// Transactional trees run only inside a transaction.
	Transactional bool

	maxDuration, maxSession, maxIdle time.Duration

	main     *program
	programs map[string]*program
	// choices are the trees that a choice may become, by name; nil for a tree.
	choices map[string]*Plan
}

// program is one tree of a plan.
type program struct {
	name     string
	entry    tree.NodeID
	vertices map[tree.NodeID]*vertex
}

// vertex is a node in its place. Exactly one of node, page, inner and err is
// set; err says why a journey that comes here cannot go on.
type vertex struct {
	id   tree.NodeID
	typ  *node.Type
	next map[tree.Outcome]tree.NodeID

	node  node.Node
	page  *page
	inner *inner
	err   error

	// keep are the transient keys that survive while a journey waits here:
	// what this node and all that may follow it declare as inputs.
	keep inputs
}

type page struct {
	node.Page
	version  string // of the page's type: it decides how outcomes are called
	children []*vertex
}

type inner struct {
	name         string
	errorOutcome bool
}

// inputs is a set of state keys, or all of them.
type inputs struct {
	all  bool
	keys map[string]struct{}
}

func (in inputs) has(key string) bool {
	_, ok := in.keys[key]
	return in.all || ok
}

// merge adds other's keys and reports whether that changed anything.
func (in *inputs) merge(other inputs) bool {
	if in.all {
		return false
	}
	if other.all {
		in.all = true
		return true
	}
	changed := false
	for key := range other.keys {
		if _, ok := in.keys[key]; !ok {
			if in.keys == nil {
				in.keys = map[string]struct{}{}
			}
			in.keys[key] = struct{}{}
			changed = true
		}
	}
	return changed
}

// Compile makes the plan of a realm's tree. It fails with ErrNoTree, and the
// reason beside it, for a tree that AM would not start: missing, disabled,
// inner only, without its entry node, or with node ids that are not UUIDs.
// What is wrong with a single node only ends the journeys that reach it.
func Compile(set *tree.Set, name string, types *node.Registry) (*Plan, error) {
	main, ok := set.Trees[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %s has no tree %q", ErrNoTree, set.Realm, name)
	case !main.Enabled:
		return nil, fmt.Errorf("%w: tree %q is disabled", ErrNoTree, name)
	case main.InnerOnly:
		return nil, fmt.Errorf("%w: tree %q runs only inside others", ErrNoTree, name)
	}
	c := compiler{set: set, types: types, programs: map[string]*program{}}
	if err := c.program(main); err != nil {
		return nil, err
	}
	c.keepInputs()
	return &Plan{
		Realm:     set.Realm,
		Name:      name,
		Version:   set.Version(name),
		MustRun:   main.MustRun,
		NoSession: main.NoSession,

		Transactional: main.Transactional,
		maxDuration:   main.MaxDuration,
		maxSession:    main.MaxSession,
		maxIdle:       main.MaxIdle,
		main:          c.programs[name],
		programs:      c.programs,
	}, nil
}

// compiler holds what one Compile gathers.
type compiler struct {
	set      *tree.Set
	types    *node.Registry
	programs map[string]*program
}

func (c *compiler) program(t *tree.Tree) error {
	p := &program{name: t.Name, entry: t.Entry, vertices: make(map[tree.NodeID]*vertex, len(t.Nodes))}
	c.programs[t.Name] = p
	if _, ok := t.Nodes[t.Entry]; !ok && !ending(t.Entry) {
		return fmt.Errorf("%w: entry node %s of tree %q does not exist", ErrNoTree, t.Entry, t.Name)
	}
	for id, v := range t.Nodes {
		if !tree.IsUUID(id) {
			return fmt.Errorf("%w: node id %q of tree %q is not a UUID", ErrNoTree, id, t.Name)
		}
		p.vertices[id] = c.vertex(id, v.Type, v.Version, v.Connections)
	}
	for _, v := range p.vertices {
		if v.inner == nil || c.programs[v.inner.name] != nil {
			continue
		}
		called, ok := c.set.Trees[v.inner.name]
		if !ok || !called.Enabled {
			v.err = fmt.Errorf("inner tree %q is missing or disabled", v.inner.name)
			v.inner = nil
			continue
		}
		if err := c.program(called); err != nil {
			return err
		}
	}
	return nil
}

func ending(id tree.NodeID) bool { return id == tree.Success || id == tree.Failure }

func (c *compiler) vertex(id tree.NodeID, typeName, version string, next map[tree.Outcome]tree.NodeID) *vertex {
	v := &vertex{id: id, next: next}
	t, ok := c.types.Type(typeName)
	if !ok {
		v.err = fmt.Errorf("unknown node type %s", typeName)
		return v
	}
	v.typ = t
	raw, ok := c.set.Nodes[id]
	if !ok {
		v.err = errors.New("the node has no configuration")
		return v
	}
	config, err := t.Configure(raw)
	if err != nil {
		v.err = err
		return v
	}
	v.keep.merge(inputsOf(t, config))
	switch t.Name {
	case node.PageType:
		v.page, v.err = c.page(v, config, cmp.Or(version, raw.Version))
	case node.InnerTreeType:
		call := node.InnerTreeOf(config)
		v.inner = &inner{name: call.Tree, errorOutcome: call.ErrorOutcome}
	default:
		v.node, v.err = t.New(config)
	}
	return v
}

func (c *compiler) page(v *vertex, config node.Config, version string) (*page, error) {
	def, err := node.PageOf(config)
	if err != nil {
		return nil, err
	}
	if len(def.Children) == 0 {
		return nil, errors.New("the page has no nodes")
	}
	p := &page{Page: def, version: version}
	for _, child := range def.Children {
		cv := c.vertex(child.ID, child.Type, child.Version, nil)
		if cv.page != nil || cv.inner != nil {
			return nil, fmt.Errorf("a page cannot hold the %s %s", child.Type, child.ID)
		}
		if cv.err != nil {
			return nil, fmt.Errorf("page child %s: %w", child.ID, cv.err)
		}
		v.keep.merge(cv.keep)
		p.children = append(p.children, cv)
	}
	return p, nil
}

func inputsOf(t *node.Type, config node.Config) inputs {
	var in inputs
	for _, key := range t.InputsOf(config) {
		if key == "*" {
			return inputs{all: true}
		}
		in.merge(inputs{keys: map[string]struct{}{key: {}}})
	}
	return in
}

// keepInputs spreads each node's inputs to all nodes that can come before it,
// and those of a whole inner tree to the node that calls it, until nothing
// changes.
func (c *compiler) keepInputs() {
	for changed := true; changed; {
		changed = false
		for _, p := range c.programs {
			for _, v := range p.vertices {
				for _, id := range v.next {
					if after, ok := p.vertices[id]; ok {
						changed = v.keep.merge(after.keep) || changed
					}
				}
				if v.inner == nil {
					continue
				}
				called := c.programs[v.inner.name]
				if first, ok := called.vertices[called.entry]; ok {
					changed = v.keep.merge(first.keep) || changed
				}
			}
		}
	}
}

// year bounds what Longest says.
const year = 366 * 24 * time.Hour

// Longest is how long a journey on this plan can last in a realm of the given
// limit: the tree's own limit, what nodes set, and what they add, each of them
// counted once, and a year at most. A journey that comes to such a node again and
// again may outlast it.
func (p *Plan) Longest(limit time.Duration) time.Duration {
	longest, added := first(p.maxDuration, limit), time.Duration(0)
	for _, program := range p.programs {
		for _, v := range program.vertices {
			switch d, adds := node.TimeLimit(v.node); {
			case adds:
				added = min(year, added+min(year, max(0, d)))
			default:
				longest = max(longest, d)
			}
		}
	}
	return min(year, min(year, longest)+added)
}
