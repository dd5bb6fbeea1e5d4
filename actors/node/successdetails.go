package node

import "fmt"

// setSuccessDetails adds fields, and session properties by other names, to the
// answer after success.
type setSuccessDetails struct{ details, properties map[string]string }

func setSuccessDetailsType() Type {
	return Type{
		Name:  "SetSuccessDetailsNode",
		Title: "Set Success Details",
		Pure:  true,
		Properties: []Property{
			{Name: "successDetails", Title: "Success Details", Kind: Dict},
			{Name: "sessionProperties", Title: "Session Properties", Kind: Dict},
		},
		New: func(c Config) (Node, error) {
			for _, property := range []string{"successDetails", "sessionProperties"} {
				for key := range c.Dict(property) {
					switch key {
					case "tokenId", "successUrl", "realm":
						return nil, fmt.Errorf("%s: %s is part of every answer", property, key)
					}
				}
			}
			return setSuccessDetails{c.Dict("successDetails"), c.Dict("sessionProperties")}, nil
		},
	}
}

func (n setSuccessDetails) Process(c *Context) (Action, error) {
	c.Ending.SuccessDetails = joined(c.Ending.SuccessDetails, n.details)
	c.Ending.SuccessProperties = joined(c.Ending.SuccessProperties, n.properties)
	return Goto{Next}, nil
}
