package node

import "sojourn/actors/identity"

// dataStoreDecision checks username and password against the realm's
// repository and, when they match, identifies the user. Where the realm locks
// out, the check waits for its permit, and a locked account is False, without a
// check: the Failure node tells that it is locked.
type dataStoreDecision struct{}

func dataStoreDecisionType() Type {
	return Type{
		Name:     "DataStoreDecisionNode",
		Title:    "Data Store Decision",
		Inputs:   Fixed(KeyUsername, KeyPassword),
		Outcomes: Fixed(True, False),
		New:      func(Config) (Node, error) { return dataStoreDecision{}, nil },
	}
}

func (dataStoreDecision) Process(c *Context) (Action, error) {
	if checked, ok := c.Result.(Authenticated); ok {
		// Without a lockout, an account that may not log in goes on as AM lets it:
		// the end of the tree refuses it, and says why to whoever knew the
		// password.
		if checked.Verdict != identity.Match && checked.Verdict != identity.Barred {
			return Goto{False}, nil
		}
		c.Identify(checked.Identity, checked.UniversalID)
		return Goto{True}, nil
	}
	if !c.State.Has(KeyPassword) {
		return nil, ErrMissingInput
	}
	password := c.State.Text(KeyPassword)
	if password == "" {
		return Goto{False}, nil
	}
	return Do{Authenticate{User: c.State.Text(KeyUsername), Password: identity.Secret(password), Lockout: c.Settings.Lockout}}, nil
}
