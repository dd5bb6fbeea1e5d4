package node

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"sojourn/actors/callback"
)

// createPassword asks twice for a new password.
type createPassword struct{ minLength int }

func createPasswordType() Type {
	return Type{
		Name:  "CreatePasswordNode",
		Title: "Create Password",
		Pure:  true,
		Properties: []Property{
			{Name: "minPasswordLength", Title: "Minimum Password Length", Kind: Whole, Default: 8},
		},
		New: func(c Config) (Node, error) { return createPassword{c.Whole("minPasswordLength")}, nil },
	}
}

func (n createPassword) Process(c *Context) (Action, error) {
	if len(c.Answers) == 0 {
		return n.ask(""), nil
	}
	password, err := c.answer(0).Text(0)
	if err != nil {
		return nil, err
	}
	confirmed, err := c.answer(1).Text(0)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.TrimSpace(password) == "":
		return n.ask(""), nil
	case utf8.RuneCountInString(password) < n.minLength:
		return n.ask(fmt.Sprintf("The password needs at least %d characters.", n.minLength)), nil
	case password != confirmed:
		return n.ask("The passwords do not match."), nil
	}
	c.State.PutTransient(KeyPassword, password)
	return Goto{Next}, nil
}

func (n createPassword) ask(failure string) Ask {
	callbacks := []callback.Callback{
		callback.NewPassword("Create a password"),
		callback.NewPassword("Confirm password"),
	}
	if failure != "" {
		callbacks = append(callbacks, callback.NewTextOutput(callback.ErrorText, failure))
	}
	return Ask{Callbacks: callbacks}
}
