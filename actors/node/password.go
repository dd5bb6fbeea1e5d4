package node

import "sojourn/actors/callback"

// passwordCollector asks for the password and keeps it in transient state.
type passwordCollector struct{}

func passwordCollectorType() Type {
	return Type{
		Name:  "PasswordCollectorNode",
		Title: "Password Collector",
		Pure:  true,
		New:   func(Config) (Node, error) { return passwordCollector{}, nil },
	}
}

func (passwordCollector) Process(c *Context) (Action, error) {
	if len(c.Answers) > 0 {
		password, err := c.Answers[0].Text(0)
		if err != nil {
			return nil, err
		}
		if password != "" {
			c.State.PutTransient(KeyPassword, password)
			return Goto{Next}, nil
		}
	}
	return Ask{Callbacks: []callback.Callback{callback.NewPassword("Password")}}, nil
}
