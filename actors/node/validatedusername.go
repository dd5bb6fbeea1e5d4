package node

import "sojourn/actors/callback"

// validatedUsername asks for a user name as a managed object's attribute. With
// validation it takes only a name that meets the policies and that nobody has.
type validatedUsername struct {
	attribute         string
	validate, prefill bool
	policies          policies
}

func validatedUsernameType() Type {
	return Type{
		Name:  "ValidatedUsernameNode",
		Title: "Platform Username",
		Pure:  true,
		Properties: []Property{
			{Name: "validateInput", Title: "Validate Username", Kind: Flag},
			{Name: "usernameAttribute", Title: "Username Attribute", Kind: Text, Default: "userName"},
			{Name: "autocompleteValues", Title: "Autocomplete Values", Kind: List},
			{Name: "prepopulate", Title: "Prepopulate", Kind: Flag},
		},
		Inputs: func(c Config) []string {
			if c.Flag("prepopulate") {
				return []string{KeyUsername}
			}
			return nil
		},
		New: func(c Config) (Node, error) {
			attribute := c.Text("usernameAttribute")
			return validatedUsername{
				attribute: attribute,
				validate:  c.Flag("validateInput"),
				prefill:   c.Flag("prepopulate"),
				policies:  usernamePolicies(attribute),
			}, nil
		},
	}
}

func (n validatedUsername) Process(c *Context) (Action, error) {
	if len(c.Answers) == 0 {
		name := ""
		if n.prefill {
			name = c.State.Text(KeyUsername)
		}
		return n.ask(name, nil), nil
	}
	name, err := c.answer(0).Text(0)
	if err != nil {
		return nil, err
	}
	if !n.validate {
		return n.accept(c, name), nil
	}
	validateOnly, err := c.answer(0).Bool(1)
	if err != nil {
		return nil, err
	}
	if failed := n.policies.failed(name); len(failed) > 0 {
		return n.ask(name, failed), nil
	}
	found, looked := c.Result.(Found)
	switch {
	case !looked:
		return Do{Lookup{User: name}}, nil
	case found.OK:
		return n.ask(name, []string{newName().failure()}), nil
	case validateOnly:
		return n.ask(name, nil), nil
	}
	return n.accept(c, name), nil
}

func (n validatedUsername) ask(name string, failed []string) Ask {
	if n.validate {
		return Ask{Callbacks: []callback.Callback{
			callback.NewCreateUsername("Username", name, n.policies.description, failed),
		}}
	}
	return Ask{Callbacks: []callback.Callback{callback.NewName("User Name", name)}}
}

// accept goes on with a name. Without validation an empty one changes nothing.
func (n validatedUsername) accept(c *Context, name string) Action {
	if name != "" {
		c.State.PutSharedAttribute(n.attribute, name)
		c.State.PutShared(KeyUsername, name)
	}
	return Goto{Next}
}
