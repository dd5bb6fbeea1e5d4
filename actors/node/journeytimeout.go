package node

import (
	"errors"
	"fmt"
	"time"
)

// updateJourneyTimeout sets the journey's time limit, or adds to it.
type updateJourneyTimeout struct {
	add   bool
	value time.Duration
}

func updateJourneyTimeoutType() Type {
	return Type{
		Name:  "UpdateJourneyTimeoutNode",
		Title: "Update Journey Timeout",
		Pure:  true,
		Properties: []Property{
			{Name: "operation", Title: "Operation", Kind: Text, Required: true, Options: []string{"SET", "MODIFY"}},
			{Name: "value", Title: "Value", Kind: Whole, Required: true},
		},
		New: func(c Config) (Node, error) {
			n := updateJourneyTimeout{c.Text("operation") == "MODIFY", c.Minutes("value")}
			if !n.add && n.value <= 0 {
				return nil, errors.New("value: SET needs a positive number of minutes")
			}
			return n, nil
		},
	}
}

func (n updateJourneyTimeout) Process(c *Context) (Action, error) {
	limit := n.value
	if n.add {
		limit += c.Limit
	}
	if limit <= 0 {
		return nil, fmt.Errorf("the journey's limit of %v changed by %v is not positive", c.Limit, n.value)
	}
	c.Ending.MaxDuration = limit
	return Goto{Next}, nil
}

// TimeLimit is what a node makes of a journey's time limit: d, or d more than
// before when it adds. It is zero for nodes that leave it.
func TimeLimit(n Node) (d time.Duration, adds bool) {
	if u, ok := n.(updateJourneyTimeout); ok {
		return u.value, u.add
	}
	return 0, false
}
