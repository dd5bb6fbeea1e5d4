package node

import "sojourn/actors/identity"

// accountLockout makes the journey's user inactive, or active again. A step
// that is run again does so again, which changes nothing more, but for what an
// administrator did in between.
type accountLockout struct{ status identity.Status }

func accountLockoutType() Type {
	return Type{
		Name:  "AccountLockoutNode",
		Title: "Account Lockout",
		Properties: []Property{
			{Name: "lockAction", Title: "Lock Action", Kind: Text, Default: "LOCK", Options: []string{"LOCK", "UNLOCK"}},
		},
		Inputs: Fixed(KeyUsername),
		New: func(c Config) (Node, error) {
			if c.Text("lockAction") == "UNLOCK" {
				return accountLockout{identity.Active}, nil
			}
			return accountLockout{identity.Inactive}, nil
		},
	}
}

func (n accountLockout) Process(c *Context) (Action, error) {
	found, answered := c.Result.(Found)
	switch {
	case answered && found.OK:
		return Goto{Next}, nil
	case answered || c.user() == "":
		return nil, errNoUser
	}
	return Do{Update{User: c.user(), Change: identity.SetStatus{Status: n.status}}}, nil
}
