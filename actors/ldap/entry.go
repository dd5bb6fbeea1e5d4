package ldap

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// Attributes by which directories say that an account may not log in.
const (
	lockedTimeAttribute  = "pwdAccountLockedTime" // ppolicy
	accountLockAttribute = "nsAccountLock"        // Sun and its heirs
	lockedByAdmin        = "000001010000Z"        // a pwdAccountLockedTime without end
)

// entry is a user's entry and what it means.
type entry struct {
	dn  string
	who identity.Identity
}

// wanted are the attributes that a search asks for.
func (c Config) wanted() []string {
	return append([]string{c.NameAttribute, c.StatusAttribute, lockedTimeAttribute, accountLockAttribute}, c.Attributes...)
}

// read makes an identity of an entry.
func (c Config) read(r realm.Name, e *ldap.Entry) (entry, error) {
	name := e.GetEqualFoldAttributeValue(c.NameAttribute)
	if err := identity.CheckName(name); err != nil {
		return entry{}, fmt.Errorf("entry %s: %s: %w", e.DN, c.NameAttribute, err)
	}
	who := identity.Identity{Realm: r, Name: name, Status: c.status(e)}
	until, err := c.lockedUntil(e.GetEqualFoldAttributeValue(lockedTimeAttribute))
	if err != nil {
		return entry{}, fmt.Errorf("entry %s: %w", e.DN, err)
	}
	who.Failures.Until = until
	who.Attributes = map[string][]string{}
	for _, attribute := range e.Attributes {
		if c.shown(attribute.Name) {
			who.Attributes[attribute.Name] = attribute.Values
		}
	}
	return entry{dn: e.DN, who: who}, nil
}

// shown tells an attribute that was asked for from one that only says whether
// the account is locked.
func (c Config) shown(name string) bool {
	switch {
	case strings.EqualFold(name, passwordAttribute):
		return false
	case contains(c.Attributes, name), contains(c.Attributes, "*"):
		return true
	}
	return strings.EqualFold(name, c.NameAttribute)
}

// status follows AM: absent is active, and everything but "Active" is not.
func (c Config) status(e *ldap.Entry) identity.Status {
	if strings.EqualFold(e.GetEqualFoldAttributeValue(accountLockAttribute), "true") {
		return identity.Inactive
	}
	if value := e.GetEqualFoldAttributeValue(c.StatusAttribute); value != "" && !strings.EqualFold(value, string(identity.Active)) {
		return identity.Inactive
	}
	return identity.Active
}

// lockedUntil is when the directory's own lock ends, zero for none.
func (c Config) lockedUntil(lockedTime string) (time.Time, error) {
	switch {
	case lockedTime == "":
		return time.Time{}, nil
	case lockedTime == lockedByAdmin || c.LockoutDuration == 0:
		return time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC), nil
	}
	since, err := generalizedTime(lockedTime)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", lockedTimeAttribute, err)
	}
	return since.Add(c.LockoutDuration), nil
}

// generalizedTime reads RFC 4517's form as directories write it: UTC, with or
// without a fraction of seconds.
func generalizedTime(text string) (time.Time, error) {
	whole, _, _ := strings.Cut(strings.TrimSuffix(text, "Z"), ".")
	t, err := time.Parse("20060102150405", whole)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a generalized time: %w", text, err)
	}
	return t, nil
}
