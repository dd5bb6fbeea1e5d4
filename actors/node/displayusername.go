package node

import (
	"errors"

	"sojourn/actors/callback"
)

// displayUserName shows the user's name: the one collected, else that of the
// user found by the identity attribute.
type displayUserName struct{ name, attribute string }

func displayUserNameType() Type {
	return Type{
		Name:  "DisplayUserNameNode",
		Title: "Display Username",
		Properties: []Property{
			{Name: "userName", Title: "Username", Kind: Text, Default: "userName", Required: true},
			identityAttribute("mail"),
		},
		Inputs: func(c Config) []string {
			return append(lookupInputs(c.Text("identityAttribute")), c.Text("userName"))
		},
		New: func(c Config) (Node, error) {
			return displayUserName{c.Text("userName"), c.Text("identityAttribute")}, nil
		},
	}
}

func (n displayUserName) Process(c *Context) (Action, error) {
	if len(c.Answers) > 0 {
		return Goto{Next}, nil
	}
	name, _ := c.State.Attribute(n.name).(string)
	if name == "" {
		name = c.State.Text(n.name)
	}
	if name == "" {
		who, action, err := c.findUser(n.attribute)
		if action != nil || err != nil {
			return action, err
		}
		values := valuesOf(who, n.name)
		if len(values) == 0 {
			return nil, errors.New("the user has no name to show")
		}
		name = values[0]
	}
	return Ask{Callbacks: []callback.Callback{callback.NewTextOutput(callback.Information, name)}}, nil
}
