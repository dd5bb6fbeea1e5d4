package node

import (
	"errors"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
)

// Identify records the user of the journey, also for the later session.
func (c *Context) Identify(who identity.Identity, universalID string) {
	c.Ending.User, c.Ending.UniversalID = who.Name, universalID
	c.State.PutShared(KeyUniversalID, universalID)
}

// user is whom the journey speaks of: the user that a node identified, else
// the name that was collected, which may be nobody's; empty when neither is
// there.
func (c *Context) user() string {
	if c.Ending.User != "" {
		return c.Ending.User
	}
	return c.State.Text(KeyUsername)
}

// lookup is the search for AM's "identity in state": the user whose attribute
// has the value that was collected for it, or that the state holds under its
// name, else the collected user name. It is false when the state has none.
func (c *Context) lookup(attribute string) (Lookup, bool) {
	value, _ := c.State.Attribute(attribute).(string)
	if value == "" {
		value = c.State.Text(attribute)
	}
	if value == "" {
		value = c.State.Text(KeyUsername)
	}
	if value == "" {
		return Lookup{}, false
	}
	if isName(attribute) {
		return Lookup{User: value}, true
	}
	return Lookup{Attribute: attribute, Value: value}, true
}

// findUser is the user that lookup finds. While the search is still to be made
// it is the Action to take; it is errNoUser when there is nobody to find.
func (c *Context) findUser(attribute string) (identity.Identity, Action, error) {
	found, answered := c.Result.(Found)
	if !answered {
		lookup, ok := c.lookup(attribute)
		if !ok {
			return identity.Identity{}, nil, errNoUser
		}
		return identity.Identity{}, Do{lookup}, nil
	}
	if !found.OK {
		return identity.Identity{}, nil, errNoUser
	}
	return found.Identity, nil, nil
}

// identityAttribute is the property of nodes that search by lookup.
func identityAttribute(preset string) Property {
	return Property{Name: "identityAttribute", Title: "Identity Attribute", Kind: Text, Default: preset}
}

// errNoUser ends a journey at a node that needs a user and finds none.
var errNoUser = errors.New("no user in the journey's state, or none that exists")

// lookupInputs are the keys that lookup reads.
func lookupInputs(attribute string) []string {
	return []string{KeyAttributes, attribute, KeyUsername}
}

// isName reports whether a managed object's attribute is the identity's own
// name here.
func isName(attribute string) bool {
	switch attribute {
	case "userName", KeyUsername, "uid", KeyObjectID:
		return true
	}
	return false
}

// valuesOf returns an identity's attribute under the name that trees use.
func valuesOf(who identity.Identity, attribute string) []string {
	if isName(attribute) {
		return []string{who.Name}
	}
	return who.Attributes[attribute]
}

// answer returns the answer to callback i. A missing one has no values, so
// that reading it is callback.ErrInput.
func (c *Context) answer(i int) callback.Answer {
	if i < len(c.Answers) {
		return c.Answers[i]
	}
	return callback.Answer{}
}

// text is the best of texts for the client's languages, else fallback.
func (c *Context) text(texts map[string]string, fallback string) string {
	return Localise(texts, c.Request.Locales, fallback)
}
