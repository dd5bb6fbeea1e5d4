package node

// setURL notes where to go after the journey.
type setURL struct{ key, url string }

func setSuccessURLType() Type {
	return Type{
		Name:       "SetSuccessUrlNode",
		Title:      "Success URL",
		Pure:       true,
		Properties: []Property{{Name: "successUrl", Title: "Success URL", Kind: Text, Required: true}},
		New:        func(c Config) (Node, error) { return setURL{KeySuccessURL, c.Text("successUrl")}, nil },
	}
}

func (n setURL) Process(c *Context) (Action, error) {
	c.State.PutShared(n.key, n.url)
	return Goto{Next}, nil
}
