package node

// setFailureDetails gives the answer after failure a message and details.
type setFailureDetails struct{ message, details map[string]string }

func setFailureDetailsType() Type {
	return Type{
		Name:  "SetFailureDetailsNode",
		Title: "Set Failure Details",
		Pure:  true,
		Properties: []Property{
			{Name: "failureMessage", Title: "Failure Message", Kind: Localised},
			{Name: "failureDetails", Title: "Failure Details", Kind: Dict},
		},
		New: func(c Config) (Node, error) {
			return setFailureDetails{c.Dict("failureMessage"), c.Dict("failureDetails")}, nil
		},
	}
}

func (n setFailureDetails) Process(c *Context) (Action, error) {
	c.Ending.FailureMessage = c.text(n.message, c.Ending.FailureMessage)
	c.Ending.FailureDetails = joined(c.Ending.FailureDetails, n.details)
	return Goto{Next}, nil
}
