package node

import "sojourn/actors/callback"

// validatedPassword asks for a password as a managed object's attribute. With
// validation it takes only one that meets the policies for a new password.
type validatedPassword struct {
	attribute string
	validate  bool
	policies  policies
}

func validatedPasswordType() Type {
	return Type{
		Name:  "ValidatedPasswordNode",
		Title: "Platform Password",
		Pure:  true,
		Properties: []Property{
			{Name: "validateInput", Title: "Validate Password", Kind: Flag},
			{Name: "passwordAttribute", Title: "Password Attribute", Kind: Text, Default: KeyPassword},
		},
		New: func(c Config) (Node, error) {
			attribute := c.Text("passwordAttribute")
			return validatedPassword{
				attribute: attribute,
				validate:  c.Flag("validateInput"),
				policies:  passwordPolicies(attribute),
			}, nil
		},
	}
}

func (n validatedPassword) Process(c *Context) (Action, error) {
	if len(c.Answers) == 0 {
		return n.ask(nil), nil
	}
	password, err := c.answer(0).Text(0)
	if err != nil {
		return nil, err
	}
	if n.validate {
		validateOnly, err := c.answer(0).Bool(1)
		if err != nil {
			return nil, err
		}
		if failed := n.policies.failed(password); len(failed) > 0 || validateOnly {
			return n.ask(failed), nil
		}
	}
	c.State.PutTransientAttribute(n.attribute, password)
	c.State.PutTransient(KeyPassword, password)
	return Goto{Next}, nil
}

func (n validatedPassword) ask(failed []string) Ask {
	if n.validate {
		return Ask{Callbacks: []callback.Callback{
			callback.NewCreatePassword("Password", n.policies.description, failed),
		}}
	}
	return Ask{Callbacks: []callback.Callback{callback.NewPassword("Password")}}
}
