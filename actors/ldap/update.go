package ldap

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// Update makes SetStatus and SetAttributes where all attributes concerned are
// Writable, in one modification. Everything else that would change the identity
// is identity.ErrReadOnly, as is a directory that does not allow it.
func (d *Repository) Update(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	e, err := d.find(ctx, r, name)
	if err != nil {
		return identity.Identity{}, err
	}
	if reflect.DeepEqual(identity.Apply(e.who, c), e.who) {
		return e.who, nil
	}
	request := ldap.NewModifyRequest(e.dn, nil)
	var written []string
	replace := func(attribute string, values []string) {
		written = append(written, attribute)
		request.Replace(attribute, values)
	}
	switch c := c.(type) {
	case identity.SetStatus:
		if c.Status != e.who.Status {
			replace(d.config.StatusAttribute, []string{string(c.Status)})
		}
		if c.Status == identity.Active && e.who.Failures != (identity.Failures{}) {
			replace(lockedTimeAttribute, nil)
		}
	case identity.SetAttributes:
		for attribute, values := range c.Attributes {
			replace(attribute, values)
		}
	default:
		return identity.Identity{}, fmt.Errorf("%T in a directory: %w", c, identity.ErrReadOnly)
	}
	for _, attribute := range written {
		if !contains(d.config.Writable, attribute) || strings.EqualFold(attribute, passwordAttribute) {
			return identity.Identity{}, fmt.Errorf("attribute %q: %w", attribute, identity.ErrReadOnly)
		}
	}
	err = d.search.with(ctx, func(conn *conn) error {
		return conn.do(ctx, d.config.Timeout, func() error { return conn.Modify(request) })
	})
	if err := writeError("modify an entry", err); err != nil {
		return identity.Identity{}, err
	}
	return d.Lookup(ctx, r, e.who.Name)
}

// writeError makes of a result code what callers branch on. A referral comes
// from a copy that takes no writes. What the schema forbids stays an error of
// its own: trying again does not help.
func writeError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform,
		ldap.LDAPResultReferral, ldap.LDAPResultProtocolError):
		return fmt.Errorf("%s: %w: %w", doing, identity.ErrReadOnly, err)
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return fmt.Errorf("%s: %w", doing, identity.ErrNotFound)
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultObjectClassViolation, ldap.LDAPResultConstraintViolation,
		ldap.LDAPResultInvalidAttributeSyntax, ldap.LDAPResultUndefinedAttributeType):
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, unavailable(err))
}
