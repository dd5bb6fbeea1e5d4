package node

// sessionData copies a property of the session that the request carries into
// the state. Without session or property nothing is set.
type sessionData struct{ property, key string }

func sessionDataType() Type {
	return Type{
		Name:  "SessionDataNode",
		Title: "Get Session Data",
		Properties: []Property{
			{Name: "sessionDataKey", Title: "Session Data Key", Kind: Text, Required: true},
			{Name: "sharedStateKey", Title: "Shared State Key", Kind: Text, Required: true},
		},
		New: func(c Config) (Node, error) {
			return sessionData{c.Text("sessionDataKey"), c.Text("sharedStateKey")}, nil
		},
	}
}

func (n sessionData) Process(c *Context) (Action, error) {
	if value, ok := c.Request.Session[n.property]; ok {
		c.State.PutShared(n.key, value)
		c.State.PutSharedAttribute(n.key, value)
	}
	return Goto{Next}, nil
}
