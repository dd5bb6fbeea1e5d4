package node

// accountActiveDecision asks whether the journey's user may log in: neither
// inactive nor under a running lock.
type accountActiveDecision struct{}

func accountActiveDecisionType() Type {
	return Type{
		Name:     "AccountActiveDecisionNode",
		Title:    "Account Active Decision",
		Inputs:   Fixed(KeyUsername),
		Outcomes: Fixed(True, False),
		New:      func(Config) (Node, error) { return accountActiveDecision{}, nil },
	}
}

func (accountActiveDecision) Process(c *Context) (Action, error) {
	found, answered := c.Result.(Found)
	switch {
	case answered && found.OK:
		return Truth(!found.Identity.Locked(c.Now)), nil
	case answered || c.user() == "":
		return nil, errNoUser
	}
	return Do{Lookup{User: c.user()}}, nil
}
