package node

// loginCountDecision is true at, or at every, n-th counted login.
type loginCountDecision struct {
	every     bool
	amount    int
	attribute string
}

func loginCountDecisionType() Type {
	return Type{
		Name:  "LoginCountDecisionNode",
		Title: "Login Count Decision",
		Properties: []Property{
			{Name: "interval", Title: "Interval", Kind: Text, Default: "AT", Options: []string{"AT", "EVERY"}},
			{Name: "amount", Title: "Amount", Kind: Whole, Default: 25, Min: 1},
			identityAttribute("userName"),
		},
		Inputs:   func(c Config) []string { return lookupInputs(c.Text("identityAttribute")) },
		Outcomes: Fixed(True, False),
		New: func(c Config) (Node, error) {
			return loginCountDecision{
				every:     c.Text("interval") == "EVERY",
				amount:    c.Whole("amount"),
				attribute: c.Text("identityAttribute"),
			}, nil
		},
	}
}

func (n loginCountDecision) Process(c *Context) (Action, error) {
	who, action, err := c.findUser(n.attribute)
	if action != nil || err != nil {
		return action, err
	}
	count := who.LoginCount
	if n.every {
		return Truth(count > 0 && count%n.amount == 0), nil
	}
	return Truth(count == n.amount), nil
}
