package node

import "sojourn/actors/tree"

// InnerTree is what an InnerTreeEvaluatorNode's configuration says. The engine
// runs it.
type InnerTree struct {
	Tree string
	// ErrorOutcome makes an error inside the tree an outcome instead of the
	// journey's end.
	ErrorOutcome bool
}

// Failed is the outcome of an inner tree that ended in an error.
const Failed tree.Outcome = "error"

func innerTree() Type {
	return Type{
		Name:  InnerTreeType,
		Title: "Inner Tree Evaluator",
		Pure:  true,
		Properties: []Property{
			{Name: "tree", Title: "Tree Name", Kind: Text, Required: true},
			{Name: "displayErrorOutcome", Title: "Display Error Outcome", Kind: Flag},
		},
		Outcomes: func(c Config) []tree.Outcome {
			if c.Flag("displayErrorOutcome") {
				return []tree.Outcome{True, False, Failed}
			}
			return []tree.Outcome{True, False}
		},
	}
}

// InnerTreeOf reads an InnerTreeEvaluatorNode's configuration.
func InnerTreeOf(c Config) InnerTree {
	return InnerTree{Tree: c.Text("tree"), ErrorOutcome: c.Flag("displayErrorOutcome")}
}
