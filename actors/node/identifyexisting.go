package node

// identifyExistingUser looks a user up by a collected attribute and makes them
// the user of the journey.
type identifyExistingUser struct{ identifier, attribute string }

func identifyExistingUserType() Type {
	return Type{
		Name:  "IdentifyExistingUserNode",
		Title: "Identify Existing User",
		Properties: []Property{
			{Name: "identifier", Title: "Identifier", Kind: Text, Default: "userName"},
			identityAttribute("mail"),
		},
		Inputs:   func(c Config) []string { return lookupInputs(c.Text("identityAttribute")) },
		Outcomes: Fixed(True, False),
		New: func(c Config) (Node, error) {
			return identifyExistingUser{c.Text("identifier"), c.Text("identityAttribute")}, nil
		},
	}
}

func (n identifyExistingUser) Process(c *Context) (Action, error) {
	found, looked := c.Result.(Found)
	if !looked {
		lookup, ok := c.lookup(n.attribute)
		if !ok {
			return Goto{False}, nil
		}
		return Do{lookup}, nil
	}
	if !found.OK {
		return Goto{False}, nil
	}
	c.Identify(found.Identity, found.UniversalID)
	c.State.PutShared(KeyObjectID, found.Identity.Name)
	if values := valuesOf(found.Identity, n.identifier); len(values) > 0 {
		c.State.PutShared(KeyUsername, values[0])
		c.State.PutSharedAttribute(n.identifier, values[0])
	}
	if aliases := found.Identity.Attributes["aliasList"]; len(aliases) > 0 {
		list := make([]any, len(aliases))
		for i, alias := range aliases {
			list[i] = alias
		}
		c.State.PutTransientAttribute("aliasList", list)
	}
	return Goto{True}, nil
}
