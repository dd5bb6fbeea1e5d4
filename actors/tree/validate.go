package tree

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Validate judges the named tree: whether AM would start it, and what a journey
// could stumble over. Inner trees are looked for, not judged. The report is the
// same for the same definitions, whatever the order of maps.
func (s *Set) Validate(name string, types Types) Report {
	t, ok := s.Trees[name]
	v := validator{set: s, types: types, tree: t}
	if !ok {
		v.problem(Error, KindNoTree, place{}, "there is no such tree")
		v.report[0].Tree = name
		return v.report
	}
	v.definition()
	for id, vertex := range t.Nodes {
		v.vertex(id, vertex)
	}
	v.paths()
	v.report.sort()
	return v.report
}

type validator struct {
	set    *Set
	types  Types
	tree   *Tree
	report Report
	// callers are the trees that come back to this one; made when first needed.
	callers map[string]struct{}
}

// place is where a problem is: a node, a page's child, or the tree itself.
type place struct {
	id   NodeID
	name string
}

func (v *validator) problem(s Severity, k Kind, at place, format string, args ...any) {
	p := Problem{Severity: s, Kind: k, Node: at.id, DisplayName: at.name, Text: fmt.Sprintf(format, args...)}
	if v.tree != nil {
		p.Tree = v.tree.Name
	}
	v.report = append(v.report, p)
}

func (v *validator) definition() {
	if err := checkName(v.tree.Name); err != nil {
		v.problem(Error, KindName, place{}, "%v", err)
	}
	if n := len(v.tree.Nodes); n > MaxNodes {
		v.problem(Error, KindTooLarge, place{}, "%d nodes are more than the limit of %d", n, MaxNodes)
	}
	if _, ok := v.tree.Nodes[v.tree.Entry]; !ok && !ending(v.tree.Entry) {
		v.problem(Error, KindNoEntry, place{}, "%v", &EntryError{v.tree.Entry})
	}
}

func (v *validator) vertex(id NodeID, vertex Vertex) {
	at := place{id, vertex.DisplayName}
	v.id(at)
	for _, outcome := range slices.Sorted(maps.Keys(vertex.Connections)) {
		to := vertex.Connections[outcome]
		if _, ok := v.tree.Nodes[to]; !ok && !ending(to) {
			v.problem(Error, KindDangling, at, "outcome %q leads to node %q, which is not in the tree", outcome, to)
		}
	}
	c, outcomes, ok := v.config(at, vertex.Type)
	if !ok {
		return
	}
	switch Base(vertex.Type) {
	case PageType:
		outcomes = v.page(at, c, cmp.Or(vertex.Version, c.Version))
	case InnerTreeType:
		v.inner(at, c)
	}
	v.outcomes(at, vertex, outcomes)
}

func (v *validator) id(at place) {
	switch {
	case static(at.id):
		v.problem(Error, KindStaticID, at, "the id belongs to the nodes that every tree shares")
	case !IsUUID(at.id):
		v.problem(Error, KindNodeID, at, "the id is not a UUID: AM takes such a tree and then answers \"No Configuration found\"")
	}
}

// config judges the configuration of the node at a place. outcomes is nil when
// they are not known, ok false when there is nothing to look into.
func (v *validator) config(at place, typeName string) (c Config, outcomes []Outcome, ok bool) {
	c, ok = v.set.Nodes[at.id]
	if typeName == "" {
		v.problem(Error, KindUnknownType, at, "the node has no type")
		return c, nil, false
	}
	d, known := v.types.Describe(Config{ID: at.id, Type: typeName, Attributes: c.Attributes})
	if !known {
		v.problem(Error, KindUnknownType, at, "the node type %q is not known", typeName)
	}
	switch {
	case !ok:
		v.problem(Error, KindMissingConfig, at, "the node has no configuration")
		return c, nil, false
	case Base(c.Type) != Base(typeName):
		v.problem(Error, KindMissingConfig, at, "a %q is configured here, not a %q", c.Type, typeName)
		return c, nil, false
	}
	for _, fault := range d.Faults {
		v.problem(Error, KindConfig, at, "%s", fault)
	}
	for _, name := range d.Unknown {
		v.problem(Warning, KindUnknownAttribute, at, "%s has no attribute %q", typeName, name)
	}
	return c, d.Outcomes, known
}

// page judges a page's children and returns the page's outcomes, which are
// those of the last.
func (v *validator) page(page place, c Config, version string) []Outcome {
	children, err := Children(c)
	if err != nil {
		v.problem(Error, KindConfig, page, "%v", err)
		return nil
	}
	if len(children) == 0 {
		v.problem(Error, KindEmptyPage, page, "the page has no nodes")
		return nil
	}
	var outcomes []Outcome
	for i, child := range children {
		at := place{child.ID, child.DisplayName}
		v.id(at)
		if base := Base(child.Type); base == PageType || base == InnerTreeType {
			v.problem(Error, KindNested, at, "the page %q cannot hold a %s", page.id, base)
			outcomes = nil
			continue
		}
		_, outcomes, _ = v.config(at, child.Type)
		if i < len(children)-1 && len(outcomes) > 1 {
			v.problem(Error, KindPageOutcomes, at, "a node with %d outcomes must be the last of the page %q", len(outcomes), page.id)
		}
	}
	return pageOutcomes(version, children[len(children)-1].ID, outcomes)
}

func (v *validator) inner(at place, c Config) {
	name := InnerTree(c)
	called, ok := v.set.Trees[name]
	switch {
	case name == "":
		v.problem(Error, KindMissingInner, at, "no inner tree is named")
	case !ok:
		v.problem(Error, KindMissingInner, at, "there is no inner tree %q", name)
	case !called.Enabled:
		v.problem(Error, KindDisabledInner, at, "the inner tree %q is disabled", name)
	}
	if v.callers == nil {
		v.callers = v.set.callers(v.tree.Name)
	}
	if _, again := v.callers[name]; again && ok {
		v.problem(Warning, KindRecursion, at, "the inner tree %q comes back to this tree", name)
	}
}

func (v *validator) outcomes(at place, vertex Vertex, outcomes []Outcome) {
	if outcomes == nil {
		return
	}
	for _, outcome := range outcomes {
		if _, ok := vertex.Connections[outcome]; !ok {
			v.problem(Warning, KindUnconnectedOutcome, at, "outcome %q leads nowhere", outcome)
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(vertex.Connections)) {
		if !slices.Contains(outcomes, outcome) {
			v.problem(Warning, KindUnknownOutcome, at, "the node has no outcome %q", outcome)
		}
	}
}

// paths follows all connections from the entry.
func (v *validator) paths() {
	seen := map[NodeID]struct{}{v.tree.Entry: {}}
	for queue := []NodeID{v.tree.Entry}; len(queue) > 0; queue = queue[1:] {
		for _, to := range v.tree.Nodes[queue[0]].Connections {
			if _, ok := seen[to]; !ok {
				seen[to] = struct{}{}
				queue = append(queue, to)
			}
		}
	}
	for id, vertex := range v.tree.Nodes {
		if _, ok := seen[id]; !ok {
			v.problem(Warning, KindUnreachable, place{id, vertex.DisplayName}, "no path from the entry leads here")
		}
	}
	if _, ok := seen[Success]; !ok {
		v.problem(Warning, KindNoSuccess, place{}, "no path leads to Success")
	}
}
