package ldap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// admission is what a directory says to a bind.
type admission int

const (
	refused    admission = iota // wrong password, or no such entry
	accepted                    // right password
	mustChange                  // right password, and nothing is allowed but to change it
	expired                     // right password, but it is too old to be let in with
	lockedOut                   // no password is right at present
)

// Authenticate searches for the user and binds as its entry. A text that no
// password can be (identity.CheckPassword) is never sent: many directories
// answer a bind with an empty one with success, as anonymous.
//
// An account that the directory, or its entry, calls locked is Locked, with the
// right password or a wrong one. A password that has expired or must be changed
// is Expired. A name that several entries have is Unknown, and counted.
//
// Failures are the directory's to count, whose rules hold for all its clients:
// a Guess limits nothing here. Binds at the same time come to no more checks
// than the directory allows.
func (d *Repository) Authenticate(ctx context.Context, r realm.Name, name string, password identity.Secret, _ identity.Guess) (identity.Verdict, identity.Identity, error) {
	return d.login(ctx, r, name, password, nil)
}

// ChangePassword has the directory change the password of a user who is bound
// with the old one, by RFC 3062, so that the directory's rules for passwords
// hold: a password that they refuse is identity.ErrPassword. It is
// identity.ErrReadOnly unless userPassword is among Writable.
func (d *Repository) ChangePassword(ctx context.Context, r realm.Name, name string, old, next identity.Secret, _ identity.Guess) (identity.Verdict, identity.Identity, error) {
	if !contains(d.config.Writable, passwordAttribute) {
		return identity.Mismatch, identity.Identity{}, fmt.Errorf("change a password: %w", identity.ErrReadOnly)
	}
	changed := false
	verdict, who, err := d.login(ctx, r, name, old, func(c *conn) error {
		err := d.changePassword(ctx, c, old, next)
		changed = err == nil
		return err
	})
	switch {
	case changed, errors.Is(err, identity.ErrPassword):
		return identity.Match, who, err
	}
	return verdict, who, err
}

func (d *Repository) changePassword(ctx context.Context, c *conn, old, next identity.Secret) error {
	if err := identity.CheckPassword(next); err != nil {
		return err
	}
	request := ldap.NewPasswordModifyRequest("", string(old), string(next)) // of whoever is bound
	err := c.do(ctx, d.config.Timeout, func() error {
		_, err := c.PasswordModify(request)
		return err
	})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultConstraintViolation) {
		return fmt.Errorf("%w: the directory refuses it", identity.ErrPassword)
	}
	return writeError("change a password", err)
}

// login runs welcome, if any, on the user's own connection, when the account is
// active and the directory let the user in.
func (d *Repository) login(ctx context.Context, r realm.Name, name string, password identity.Secret, welcome func(*conn) error) (identity.Verdict, identity.Identity, error) {
	e, err := d.findOrDecoy(ctx, r, name)
	if err != nil {
		return identity.Mismatch, identity.Identity{}, err
	}
	said := refused
	if identity.CheckPassword(password) == nil {
		err = d.binds.with(ctx, func(c *conn) error {
			said, err = d.bind(ctx, c, e, password)
			if err != nil || welcome == nil || said != accepted && said != mustChange || e.decoy() || e.who.Status == identity.Inactive {
				return err
			}
			return welcome(c)
		})
	}
	return said.verdict(e, time.Now()), e.seen(said), err
}

// findOrDecoy finds a user, or what is bound in place of one that nobody, or
// more than one, is.
func (d *Repository) findOrDecoy(ctx context.Context, r realm.Name, name string) (entry, error) {
	e, err := d.find(ctx, r, name)
	switch {
	case errors.Is(err, identity.ErrAmbiguous):
		d.ambiguous.Add(1)
	case !errors.Is(err, identity.ErrNotFound):
		return e, err
	}
	return entry{dn: d.config.DecoyDN}, nil
}

func (e entry) decoy() bool { return e.who.Name == "" }

// seen is the identity after a bind: the directory lets nobody in who is under
// a lock, so that a lock which the entry still shows is over.
func (e entry) seen(said admission) identity.Identity {
	if said == accepted || said == mustChange {
		e.who.Failures = identity.Failures{}
	}
	return e.who
}

// verdict joins what the directory said with what the entry shows.
func (said admission) verdict(e entry, now time.Time) identity.Verdict {
	switch {
	case e.decoy():
		return identity.Unknown
	case said == lockedOut, e.who.Status == identity.Inactive, said == refused && e.who.Locked(now):
		return identity.Locked
	case said == mustChange, said == expired:
		return identity.Expired
	case said == accepted:
		return identity.Match
	}
	return identity.Mismatch
}

// bind asks the directory. Results that are about neither password nor account
// are identity.ErrUnavailable.
func (d *Repository) bind(ctx context.Context, c *conn, e entry, password identity.Secret) (admission, error) {
	request := ldap.NewSimpleBindRequest(e.dn, string(password), []ldap.Control{ldap.NewControlBeheraPasswordPolicy()})
	var result *ldap.SimpleBindResult
	err := c.do(ctx, d.config.Timeout, func() (err error) {
		result, err = c.SimpleBind(request)
		return err
	})
	policy := policyError(result)
	switch {
	case err == nil && (policy == ldap.BeheraChangeAfterReset || policy == ldap.BeheraPasswordExpired):
		return mustChange, nil
	case err == nil:
		return accepted, nil
	case !answered(err):
		return refused, fmt.Errorf("bind: %w", err)
	case policy == ldap.BeheraAccountLocked:
		return lockedOut, nil
	case policy == ldap.BeheraPasswordExpired:
		return expired, nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultConstraintViolation): // 389 DS: too many failures
		return lockedOut, nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultUnwillingToPerform) && e.who.Status == identity.Inactive: // nsAccountLock
		return lockedOut, nil
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject,
		ldap.LDAPResultInappropriateAuthentication):
		return refused, nil
	}
	return refused, fmt.Errorf("bind: %w", unavailable(err))
}

// policyError is the error in a bind's password policy control, -1 for none.
func policyError(result *ldap.SimpleBindResult) int8 {
	if result == nil {
		return -1
	}
	policy, ok := ldap.FindControl(result.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy)
	if !ok {
		return -1
	}
	return policy.Error
}
