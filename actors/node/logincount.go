package node

import "sojourn/actors/identity"

// incrementLoginCount adds one to the user's login count, once, however often
// its step is run. It never fails: no user in the state, one that does not
// exist, or a store that does not take the change leave the count as it is; so
// may a store whose answer was lost, which then has counted or not.
type incrementLoginCount struct{ attribute string }

func incrementLoginCountType() Type {
	return Type{
		Name:       "IncrementLoginCountNode",
		Title:      "Increment Login Count",
		Properties: []Property{identityAttribute("userName")},
		Inputs: func(c Config) []string {
			return append(lookupInputs(c.Text("identityAttribute")), string(c.ID)+countPending)
		},
		New: func(c Config) (Node, error) { return incrementLoginCount{c.Text("identityAttribute")}, nil },
	}
}

// countPending marks, by the node's id, that the count is on its way to the
// store.
const countPending = ".countPending"

func (n incrementLoginCount) Process(c *Context) (Action, error) {
	pending := string(c.ID) + countPending
	found, answered := c.Result.(Found)
	if c.State.Has(pending) || (answered && !found.OK) {
		c.State.Remove(pending)
		return Goto{Next}, nil
	}
	if answered {
		return n.count(c, found.Identity.Name), nil
	}
	lookup, ok := c.lookup(n.attribute)
	switch {
	case !ok:
		return Goto{Next}, nil
	case lookup.Attribute == "":
		return n.count(c, lookup.User), nil
	}
	return Do{lookup}, nil
}

func (n incrementLoginCount) count(c *Context, user string) Action {
	c.State.PutTransient(string(c.ID)+countPending, true)
	return Do{Update{User: user, Change: identity.CountLogin{}, Optional: true}}
}
