package tree

import (
	"fmt"
	"strings"
)

// AttributeError says that a tree has an attribute that trees do not have. AM
// answers "Invalid attribute specified." with validAttributes.
type AttributeError struct {
	Name  string
	Valid []string
}

func (e *AttributeError) Error() string {
	return fmt.Sprintf("trees have no attribute %q; there are %s", e.Name, strings.Join(e.Valid, ", "))
}

// ValueError says that an attribute of a tree holds what it cannot hold. AM
// answers "Data validation failed for the attribute, Nodes".
type ValueError struct {
	// Attribute is the attribute of the tree; At is a JSON pointer to the place
	// within it, empty for the attribute itself.
	Attribute, At string
	Detail        string
}

func (e *ValueError) Error() string { return e.Attribute + e.At + ": " + e.Detail }

// EntryError says that a tree's entry node is not in the tree. AM answers "Node
// with ID <entry> must exist in the tree."
type EntryError struct{ Entry NodeID }

func (e *EntryError) Error() string {
	if e.Entry == "" {
		return "the tree names no entry node"
	}
	return fmt.Sprintf("the entry node %q is not in the tree", e.Entry)
}

// NameError says that a text cannot name a tree.
type NameError struct{ Name, Detail string }

func (e *NameError) Error() string { return fmt.Sprintf("tree name %.80q: %s", e.Name, e.Detail) }
