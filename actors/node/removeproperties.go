package node

import (
	"fmt"

	"sojourn/cts/session"
)

// removeSessionProperties takes back what nodes before it gave to the session.
type removeSessionProperties struct{ names map[string]string }

func removeSessionPropertiesType() Type {
	return Type{
		Name:       "RemoveSessionPropertiesNode",
		Title:      "Remove Session Properties",
		Pure:       true,
		Properties: []Property{{Name: "propertyNames", Title: "Property Names", Kind: List, Required: true}},
		New: func(c Config) (Node, error) {
			names := make(map[string]string, len(c.List("propertyNames")))
			for _, name := range c.List("propertyNames") {
				if session.Protected(name) {
					return nil, fmt.Errorf("propertyNames: %s is set by the server alone", name)
				}
				names[name] = ""
			}
			return removeSessionProperties{names}, nil
		},
	}
}

func (n removeSessionProperties) Process(c *Context) (Action, error) {
	c.Ending.Properties = joined(c.Ending.Properties, n.names)
	return Goto{Next}, nil
}
