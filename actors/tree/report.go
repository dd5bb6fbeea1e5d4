package tree

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity is how bad a problem is.
type Severity int

// With an Error the tree cannot start, or every journey that comes to the place
// fails there. A Warning may be meant, and AM runs trees that have it.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Kind tells problems apart for programs.
type Kind string

// Kinds of problems.
const (
	KindNoTree             Kind = "no-tree"             // the set has no tree of this name
	KindName               Kind = "name"                // the tree's name is not allowed
	KindTooLarge           Kind = "too-large"           // more nodes than MaxNodes
	KindNoEntry            Kind = "no-entry"            // entry node not named, or not in the tree
	KindNodeID             Kind = "node-id"             // a node id that is not a UUID
	KindStaticID           Kind = "static-id"           // a node with the id of Success, Failure or the start marker
	KindUnknownType        Kind = "unknown-type"        // a node type that the server does not have
	KindMissingConfig      Kind = "missing-config"      // a node without configuration, or with that of another type
	KindConfig             Kind = "config"              // attributes that cannot be used
	KindUnknownAttribute   Kind = "unknown-attribute"   // an attribute that the type does not have; warning
	KindDangling           Kind = "dangling-connection" // a connection to a node that is not in the tree
	KindUnconnectedOutcome Kind = "unconnected-outcome" // an outcome that leads nowhere; warning, for a tenth of real journeys have some
	KindUnknownOutcome     Kind = "unknown-outcome"     // a connection for an outcome that the node does not have; warning
	KindUnreachable        Kind = "unreachable-node"    // no path from the entry leads here; warning
	KindNoSuccess          Kind = "no-success"          // no path leads to Success; warning
	KindMissingInner       Kind = "missing-inner-tree"  // an inner tree that is not in the set, or not named
	KindDisabledInner      Kind = "disabled-inner-tree" // an inner tree that is disabled
	KindRecursion          Kind = "recursion"           // the tree calls itself through inner trees; warning
	KindEmptyPage          Kind = "empty-page"          // a page without children
	KindNested             Kind = "nested"              // a page or an inner tree in a page
	KindPageOutcomes       Kind = "page-outcomes"       // a child with several outcomes that is not the last
)

// Problem is one thing that is wrong with a tree.
type Problem struct { //nolint:errname // a line of a report first, an error when joined
	Severity Severity
	Kind     Kind
	Tree     string
	// Node and DisplayName are the node's, or the page child's; empty when the
	// problem is the tree's.
	Node        NodeID
	DisplayName string
	Text        string
}

// Error is the problem on one line. Texts of foreign files are quoted in it, so
// that it is safe for a terminal.
func (p Problem) Error() string {
	if p.Node == "" {
		return fmt.Sprintf("tree %q: %s", p.Tree, p.Text)
	}
	return fmt.Sprintf("tree %q, node %q (%q): %s", p.Tree, p.DisplayName, p.Node, p.Text)
}

// Report is what Validate found: errors first, then by node.
type Report []Problem

// Err joins the problems that are errors, as Problem values; nil without any.
func (r Report) Err() error {
	var errs []error
	for _, p := range r {
		if p.Severity == Error {
			errs = append(errs, p)
		}
	}
	return errors.Join(errs...)
}

// String has one line for each problem, and none for an empty report.
func (r Report) String() string {
	var b strings.Builder
	for _, p := range r {
		fmt.Fprintf(&b, "%-7s %s\n", p.Severity, p.Error())
	}
	return b.String()
}

func (r Report) sort() {
	slices.SortStableFunc(r, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Node, b.Node),
			cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Text, b.Text),
		)
	})
}
