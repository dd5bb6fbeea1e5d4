package node

// modifyAuthLevel adds to the journey's authentication level.
type modifyAuthLevel struct{ increment int }

func modifyAuthLevelType() Type {
	return Type{
		Name:       "ModifyAuthLevelNode",
		Title:      "Modify Auth Level",
		Pure:       true,
		Properties: []Property{{Name: "authLevelIncrement", Title: "Value to Add", Kind: Whole}},
		Inputs:     Fixed(KeyAuthLevel),
		New:        func(c Config) (Node, error) { return modifyAuthLevel{c.Whole("authLevelIncrement")}, nil },
	}
}

func (n modifyAuthLevel) Process(c *Context) (Action, error) {
	c.State.PutShared(KeyAuthLevel, int(c.State.Number(KeyAuthLevel))+n.increment)
	return Goto{Next}, nil
}

// LevelGain is what a node adds to a journey's authentication level.
func LevelGain(n Node) int {
	if m, ok := n.(modifyAuthLevel); ok {
		return m.increment
	}
	return 0
}
