package node

import (
	"sojourn/actors/identity"
	"sojourn/actors/tree"
)

// Outcomes of a Retry Limit Decision.
const (
	retry  tree.Outcome = "Retry"
	reject tree.Outcome = "Reject"
)

// retryLimitDecision counts its passes and sends the user away after the
// limit. The count is kept in the state, and on the user as well when it is to
// outlive the journey: then the user's count decides, unless there is no such
// user or the store did not take it. A reject resets the user's count. So does
// a success of the tree: for that the node leaves its id in
// Ending.ClearRetries, and the engine clears the counters named there.
type retryLimitDecision struct {
	limit  int
	onUser bool
}

func retryLimitDecisionType() Type {
	return Type{
		Name:  "RetryLimitDecisionNode",
		Title: "Retry Limit Decision",
		Properties: []Property{
			{Name: "retryLimit", Title: "Retry Limit", Kind: Whole, Default: 3, Min: 1},
			{Name: "incrementUserAttributeOnFailure", Title: "Save Retry Limit to User", Kind: Flag, Default: true},
		},
		Inputs: func(c Config) []string {
			return []string{string(c.ID) + retryCount, string(c.ID) + retryPending, KeyUsername}
		},
		Outcomes: Fixed(retry, reject),
		New: func(c Config) (Node, error) {
			return retryLimitDecision{c.Whole("retryLimit"), c.Flag("incrementUserAttributeOnFailure")}, nil
		},
	}
}

// Suffixes to the node's id: the count of earlier passes, and the user's count
// while it is on its way to the store.
const (
	retryCount   = ".retryCount"
	retryPending = ".retryPending"
)

func (n retryLimitDecision) Process(c *Context) (Action, error) {
	key, pending := string(c.ID)+retryCount, string(c.ID)+retryPending
	count := int(c.State.Number(key))
	found, answered := c.Result.(Found)
	switch {
	case answered && c.State.Has(pending):
		if found.OK {
			count = int(c.State.Number(pending))
		}
		c.State.Remove(pending)
	case answered && found.OK:
		return n.store(c, found.Identity), nil
	case n.onUser && !answered && c.user() != "":
		return Do{Lookup{User: c.user()}}, nil
	}
	if count >= n.limit {
		return Goto{reject}, nil
	}
	c.State.PutShared(key, count+1)
	return Goto{retry}, nil
}

// store keeps the pass on the user, or resets the count at the limit.
func (n retryLimitDecision) store(c *Context, who identity.Identity) Action {
	id := string(c.ID)
	count, next := who.Retries[id], 0
	if count < n.limit {
		next = count + 1
	}
	c.Ending.clearRetries(id)
	c.State.PutTransient(id+retryPending, count)
	return Do{Update{User: who.Name, Change: identity.SetRetries{Node: id, Count: next}, Optional: true}}
}
