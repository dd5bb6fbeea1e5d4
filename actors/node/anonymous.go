package node

import "slices"

// anonymousUser makes the session that of a fixed account. The engine finds
// the account's profile when the tree succeeds.
type anonymousUser struct{ name string }

func anonymousUserType() Type {
	return Type{
		Name:  "AnonymousUserNode",
		Title: "Anonymous User Mapping",
		Pure:  true,
		Properties: []Property{
			{Name: "anonymousUserName", Title: "Anonymous User Name", Kind: Text, Default: "anonymous", Required: true},
		},
		New: func(c Config) (Node, error) { return anonymousUser{c.Text("anonymousUserName")}, nil },
	}
}

func (n anonymousUser) Process(c *Context) (Action, error) {
	c.State.PutShared(KeyUsername, n.name)
	c.State.Remove(KeyUniversalID)
	c.Ending.User, c.Ending.UniversalID = n.name, ""
	c.Ending.NodeTypes = append(slices.Clone(c.Ending.NodeTypes), "Anonymous")
	return Goto{Next}, nil
}
