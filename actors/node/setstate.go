package node

// setState puts fixed texts into shared state.
type setState struct{ attributes map[string]string }

func setStateType() Type {
	return Type{
		Name:       "SetStateNode",
		Title:      "Set State",
		Pure:       true,
		Properties: []Property{{Name: "attributes", Title: "Attributes", Kind: Dict}},
		New:        func(c Config) (Node, error) { return setState{c.Dict("attributes")}, nil },
	}
}

func (n setState) Process(c *Context) (Action, error) {
	for key, value := range n.attributes {
		c.State.PutShared(key, value)
	}
	return Goto{Next}, nil
}
