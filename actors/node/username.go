package node

import "sojourn/actors/callback"

// usernameCollector asks for the user name and puts it in shared state.
type usernameCollector struct{}

func usernameCollectorType() Type {
	return Type{
		Name:       "UsernameCollectorNode",
		Title:      "Username Collector",
		Pure:       true,
		Properties: []Property{{Name: "autocompleteValues", Title: "Autocomplete Values", Kind: List}},
		New:        func(Config) (Node, error) { return usernameCollector{}, nil },
	}
}

func (usernameCollector) Process(c *Context) (Action, error) {
	if len(c.Answers) > 0 {
		name, err := c.Answers[0].Text(0)
		if err != nil {
			return nil, err
		}
		if name != "" {
			c.State.PutShared(KeyUsername, name)
			return Goto{Next}, nil
		}
	}
	return Ask{Callbacks: []callback.Callback{callback.NewName("User Name", "")}}, nil
}
