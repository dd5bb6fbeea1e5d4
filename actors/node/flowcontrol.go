package node

import (
	"errors"
	"fmt"

	"sojourn/actors/tree"
)

// Outcomes of a Flow Control.
const (
	flowA tree.Outcome = "A"
	flowB tree.Outcome = "B"
)

// flowControl sends a share of journeys, drawn at random, one way and the rest
// the other.
type flowControl struct{ percentageA int }

func flowControlType() Type {
	return Type{
		Name:  "FlowControlNode",
		Title: "Flow Control",
		Properties: []Property{
			{Name: "percentageA", Title: "Percentage A", Kind: Whole, Default: 50},
			{Name: "outcomeADisplayName", Title: "Outcome A Display Name", Kind: Text, Default: "A"},
			{Name: "outcomeBDisplayName", Title: "Outcome B Display Name", Kind: Text, Default: "B"},
		},
		Outcomes: Fixed(flowA, flowB),
		New: func(c Config) (Node, error) {
			if p := c.Whole("percentageA"); p < 0 || p > 100 {
				return nil, errors.New("percentageA: not between 0 and 100")
			}
			return flowControl{c.Whole("percentageA")}, nil
		},
	}
}

func (n flowControl) Process(c *Context) (Action, error) {
	drawn, err := digits(c.Rand, 2)
	if err != nil {
		return nil, fmt.Errorf("draw a way: %w", err)
	}
	if int(drawn[0]-'0')*10+int(drawn[1]-'0') < n.percentageA {
		return Goto{flowA}, nil
	}
	return Goto{flowB}, nil
}
