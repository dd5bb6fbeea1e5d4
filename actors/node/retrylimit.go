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
// user or the store does not take it. The store counts and decides in one
// change, so that passes at the same time are never more than the limit; a
// store that is away lets nobody pass. A reject resets the user's count. So
// does a success of the tree: for that the node leaves its id in
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
			return []string{string(c.ID) + retryCount, KeyUsername}
		},
		Outcomes: Fixed(retry, reject),
		New: func(c Config) (Node, error) {
			return retryLimitDecision{c.Whole("retryLimit"), c.Flag("incrementUserAttributeOnFailure")}, nil
		},
	}
}

// retryCount is the suffix to the node's id under which the state has the count
// of earlier passes.
const retryCount = ".retryCount"

func (n retryLimitDecision) Process(c *Context) (Action, error) {
	id, key := string(c.ID), string(c.ID)+retryCount
	count := int(c.State.Number(key))
	found, answered := c.Result.(Found)
	if n.onUser && !answered && c.user() != "" {
		return Do{Update{User: c.user(), Change: identity.CountRetry{Node: id, Limit: n.limit}}}, nil
	}
	if found.OK {
		c.Ending.clearRetries(id)
		if count = found.Identity.Retries[id] - 1; count < 0 {
			return Goto{reject}, nil
		}
	}
	if count >= n.limit {
		return Goto{reject}, nil
	}
	c.State.PutShared(key, count+1)
	return Goto{retry}, nil
}
