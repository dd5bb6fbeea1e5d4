package node

// authLevelDecision asks whether the journey has reached a level. A journey
// without a level has reached none, not even a negative one.
type authLevelDecision struct{ wanted int }

func authLevelDecisionType() Type {
	return Type{
		Name:  "AuthLevelDecisionNode",
		Title: "Auth Level Decision",
		Pure:  true,
		Properties: []Property{
			{Name: "authLevelRequirement", Title: "Sufficient Authentication Level", Kind: Whole},
		},
		Inputs:   Fixed(KeyAuthLevel),
		Outcomes: Fixed(True, False),
		New:      func(c Config) (Node, error) { return authLevelDecision{c.Whole("authLevelRequirement")}, nil },
	}
}

func (n authLevelDecision) Process(c *Context) (Action, error) {
	return Truth(c.State.Has(KeyAuthLevel) && int(c.State.Number(KeyAuthLevel)) >= n.wanted), nil
}
