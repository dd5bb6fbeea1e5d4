package node

// setErrorDetails gives the answer after an error a message and details.
type setErrorDetails struct{ message, details map[string]string }

func setErrorDetailsType() Type {
	return Type{
		Name:  "SetErrorDetailsNode",
		Title: "Set Error Details",
		Pure:  true,
		Properties: []Property{
			{Name: "errorMessage", Title: "Error Message", Kind: Localised},
			{Name: "errorDetails", Title: "Error Details", Kind: Dict},
		},
		New: func(c Config) (Node, error) {
			return setErrorDetails{c.Dict("errorMessage"), c.Dict("errorDetails")}, nil
		},
	}
}

func (n setErrorDetails) Process(c *Context) (Action, error) {
	c.Ending.ErrorMessage = c.text(n.message, c.Ending.ErrorMessage)
	c.Ending.ErrorDetails = joined(c.Ending.ErrorDetails, n.details)
	return Goto{Next}, nil
}
