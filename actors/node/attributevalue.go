package node

import (
	"errors"
	"slices"
)

// attributeValueDecision compares an attribute of the user with a value, as
// texts and with case: one of its values must be the same.
type attributeValueDecision struct {
	name, value, attribute string
	present                bool
}

func attributeValueDecisionType() Type {
	return Type{
		Name:  "AttributeValueDecisionNode",
		Title: "Attribute Value Decision",
		Properties: []Property{
			{Name: "comparisonOperation", Title: "Comparison Operation", Kind: Text, Default: "EQUALS", Options: []string{"PRESENT", "EQUALS"}},
			{Name: "comparisonAttribute", Title: "Comparison Attribute", Kind: Text, Required: true},
			{Name: "comparisonValue", Title: "Comparison Value", Kind: Text},
			identityAttribute("userName"),
		},
		Inputs:   func(c Config) []string { return lookupInputs(c.Text("identityAttribute")) },
		Outcomes: Fixed(True, False),
		New: func(c Config) (Node, error) {
			n := attributeValueDecision{
				name:      c.Text("comparisonAttribute"),
				value:     c.Text("comparisonValue"),
				attribute: c.Text("identityAttribute"),
				present:   c.Text("comparisonOperation") == "PRESENT",
			}
			if !n.present && n.value == "" {
				return nil, errors.New("comparisonValue: EQUALS needs a value")
			}
			return n, nil
		},
	}
}

func (n attributeValueDecision) Process(c *Context) (Action, error) {
	who, action, err := c.findUser(n.attribute)
	if action != nil || err != nil {
		return action, err
	}
	values := valuesOf(who, n.name)
	if n.present {
		return Truth(len(values) > 0), nil
	}
	return Truth(slices.Contains(values, n.value)), nil
}
