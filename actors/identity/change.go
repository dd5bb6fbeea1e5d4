package identity

import (
	"maps"
	"time"

	"sojourn/actors/realm"
)

// Change is one edit of an identity. It is decided where the identity is
// stored, under that identity's lock, and carries its own time, so that it is
// a function of the stored value alone.
type Change interface {
	apply(Identity) Identity
}

// Apply returns i with c made.
func Apply(i Identity, c Change) Identity { return c.apply(i) }

// SetStatus activates or inactivates an account. Activating also ends a
// running lock.
type SetStatus struct{ Status Status }

// CountLogin adds one to the login count.
type CountLogin struct{}

// CountFailure notes a refused attempt at a time under a policy, and takes the
// permit back that its journey has, if any.
type CountFailure struct {
	At      time.Time
	Policy  realm.Lockout
	Journey Mark `json:",omitzero"`
}

// ClearFailures forgets refused attempts and past locks after a success.
type ClearFailures struct{}

// SetRetries stores a Retry Limit Decision counter; zero removes it.
type SetRetries struct {
	Node  string
	Count int
}

// CountRetry passes a Retry Limit Decision once: it adds one to the node's
// counter while that is below Limit, and removes it when it is not. So the
// counter that it leaves is above zero for a pass that was let through, and
// zero for one that was not.
type CountRetry struct {
	Node  string
	Limit int
}

// maxRetries bounds a counter that is read from bytes.
const maxRetries = 1 << 31

// SetPassword replaces the password's hash.
type SetPassword struct{ Hash Hash }

// ReplaceHash sets the hash To where From is stored, and changes nothing where
// the password was changed meanwhile.
type ReplaceHash struct{ From, To Hash }

// SetAttributes replaces the named attributes; an empty list removes one.
type SetAttributes struct{ Attributes map[string][]string }

func (c SetStatus) apply(i Identity) Identity {
	i.Status = c.Status
	if c.Status == Active {
		i.Failures, i.Permits = Failures{}, nil
	}
	return i
}

func (CountLogin) apply(i Identity) Identity {
	i.LoginCount++
	return i
}

func (c CountFailure) apply(i Identity) Identity {
	i.Permits = released(i.Permits, c.Journey)
	if i.Locked(c.At) { // a locked account has nothing left to count
		return i
	}
	f := i.Failures
	if f.within(c.Policy, c.At) == 0 {
		f.Count, f.Since = 0, c.At
	}
	f.Count++
	if c.Policy.Failures > 0 && f.Count >= c.Policy.Failures {
		if c.Policy.Duration == 0 {
			i.Status = Inactive
		} else {
			f.Until = c.At.Add(lockTime(c.Policy, f.Locks))
			f.Count = 0
		}
		f.Locks++
	}
	i.Failures = f
	return i
}

// lockTime grows by the multiplier with each earlier lock, to at most a year.
func lockTime(p realm.Lockout, earlier int) time.Duration {
	const longest = 365 * 24 * time.Hour
	d := p.Duration
	for range earlier {
		if p.Multiplier <= 1 || d >= longest {
			break
		}
		d *= time.Duration(p.Multiplier)
	}
	return min(d, longest)
}

func (ClearFailures) apply(i Identity) Identity {
	i.Failures = Failures{}
	return i
}

func (c SetRetries) apply(i Identity) Identity {
	i.Retries = maps.Clone(i.Retries)
	if c.Count == 0 {
		delete(i.Retries, c.Node)
		return i
	}
	if i.Retries == nil {
		i.Retries = map[string]int{}
	}
	i.Retries[c.Node] = c.Count
	return i
}

func (c CountRetry) apply(i Identity) Identity {
	next := 0
	if count := i.Retries[c.Node]; count < c.Limit {
		next = count + 1
	}
	return SetRetries{Node: c.Node, Count: next}.apply(i)
}

func (c SetPassword) apply(i Identity) Identity {
	i.Hash = c.Hash
	return i
}

func (c ReplaceHash) apply(i Identity) Identity {
	if i.Hash == c.From {
		i.Hash = c.To
	}
	return i
}

func (c SetAttributes) apply(i Identity) Identity {
	i.Attributes = maps.Clone(i.Attributes)
	if i.Attributes == nil {
		i.Attributes = map[string][]string{}
	}
	for name, values := range c.Attributes {
		if len(values) == 0 {
			delete(i.Attributes, name)
			continue
		}
		i.Attributes[name] = values
	}
	return i
}
