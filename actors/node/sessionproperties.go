package node

import (
	"fmt"
	"time"

	"sojourn/cts/session"
)

// setSessionProperties adds properties to the session that success makes, and
// bounds its life.
type setSessionProperties struct {
	properties           map[string]string
	longest, longestIdle time.Duration
}

func setSessionPropertiesType() Type {
	return Type{
		Name:  "SetSessionPropertiesNode",
		Title: "Set Session Properties",
		Pure:  true,
		Properties: []Property{
			{Name: "properties", Title: "Properties", Kind: Dict},
			{Name: "maxSessionTime", Title: "Maximum Session Time", Kind: Whole, Min: 1},
			{Name: "maxIdleTime", Title: "Maximum Idle Time", Kind: Whole, Min: 1},
		},
		New: func(c Config) (Node, error) {
			properties := c.Dict("properties")
			for name := range properties {
				if session.Protected(name) {
					return nil, fmt.Errorf("properties: %s is set by the server alone", name)
				}
			}
			return setSessionProperties{properties, c.Minutes("maxSessionTime"), c.Minutes("maxIdleTime")}, nil
		},
	}
}

func (n setSessionProperties) Process(c *Context) (Action, error) {
	c.Ending.Properties = joined(c.Ending.Properties, n.properties)
	if n.longest > 0 {
		c.Ending.MaxSession = n.longest
	}
	if n.longestIdle > 0 {
		c.Ending.MaxIdle = n.longestIdle
	}
	return Goto{Next}, nil
}
