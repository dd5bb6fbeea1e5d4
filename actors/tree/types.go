package tree

// Types is what this package must be told about node types, to judge a tree
// and to show its nodes as AM does. actors/node has it for the types that this
// server runs.
type Types interface {
	// Describe tells about one configured node. It finds the type as a tree
	// names it ("product-X" is X); ok is false for a type that the server does
	// not have, and d is then the zero value. Describe must be a function of c
	// alone.
	Describe(c Config) (d Description, ok bool)
}

// Description is what a type says about one of its nodes.
type Description struct {
	// Title is the type's name for people ("Data Store Decision").
	Title string
	// Outcomes are the node's exits. Nil means that they are not known: Faults
	// hide them, or the node is a page, whose exits are those of its last child.
	Outcomes []Outcome
	// Faults says what is wrong with the attributes, one text for each fault,
	// with the attribute's name in it.
	Faults []string
	// Unknown names the attributes that the type does not have, sorted.
	Unknown []string
}

// The structural types. What they contain or call is read by this package
// (Children, InnerTree), all else about them comes from Types.
const (
	PageType      = "PageNode"
	InnerTreeType = "InnerTreeEvaluatorNode"
)
