package node

// attributePresentDecision asks whether the user has an attribute, hidden or
// not. A password counts as present when the store shows its hash.
type attributePresentDecision struct{ name, attribute string }

func attributePresentDecisionType() Type {
	return Type{
		Name:  "AttributePresentDecisionNode",
		Title: "Attribute Present Decision",
		Properties: []Property{
			{Name: "presentAttribute", Title: "Present Attribute", Kind: Text, Default: KeyPassword},
			identityAttribute("userName"),
		},
		Inputs:   func(c Config) []string { return lookupInputs(c.Text("identityAttribute")) },
		Outcomes: Fixed(True, False),
		New: func(c Config) (Node, error) {
			return attributePresentDecision{c.Text("presentAttribute"), c.Text("identityAttribute")}, nil
		},
	}
}

func (n attributePresentDecision) Process(c *Context) (Action, error) {
	who, action, err := c.findUser(n.attribute)
	if action != nil || err != nil {
		return action, err
	}
	if n.name == KeyPassword {
		return Truth(who.Hash != ""), nil
	}
	return Truth(len(valuesOf(who, n.name)) > 0), nil
}
