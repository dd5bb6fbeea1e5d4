package ldap

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// Repository is a directory's users. It serves any realm that it is asked for
// with the same users; which realms those are is decided where it is mounted.
type Repository struct {
	config Config
	search *pool // bound as the service account
	binds  *pool // bound as whoever logged in last

	ambiguous atomic.Uint64
}

// Metrics is what a Repository does now and did so far.
type Metrics struct {
	Busy      int    // connections in use
	Waiting   int    // requests waiting for one
	Refused   uint64 // requests that waited in vain
	Opened    uint64 // connections made
	Failed    uint64 // connections that could not be made
	Ambiguous uint64 // logins refused since several entries matched the name
}

var _ identity.Repository = (*Repository)(nil)

// New checks the configuration and reports all its faults; it does not
// connect. Close the Repository when done.
func New(c Config) (*Repository, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("ldap: %w", err)
	}
	return &Repository{config: c, search: newPool(c, true), binds: newPool(c, false)}, nil
}

// Close waits for what is under way and hangs up. What comes later is
// identity.ErrUnavailable.
func (d *Repository) Close() {
	d.search.close()
	d.binds.close()
}

// Metrics counts both kinds of connections together.
func (d *Repository) Metrics() Metrics {
	m := Metrics{Ambiguous: d.ambiguous.Load()}
	for _, p := range []*pool{d.search, d.binds} {
		m.Busy += len(p.places)
		m.Waiting += int(p.waiting.Load())
		m.Refused += p.refused.Load()
		m.Opened += p.dialer.opened.Load()
		m.Failed += p.dialer.failed.Load()
	}
	return m
}

// Lookup finds a user by any of the login attributes.
func (d *Repository) Lookup(ctx context.Context, r realm.Name, name string) (identity.Identity, error) {
	e, err := d.find(ctx, r, name)
	return e.who, err
}

// Search finds the one user whose attribute has value. Passwords cannot be
// searched.
func (d *Repository) Search(ctx context.Context, r realm.Name, attribute, value string) (identity.Identity, error) {
	if !attributeName(attribute) || strings.EqualFold(attribute, passwordAttribute) || value == "" {
		return identity.Identity{}, fmt.Errorf("search by %q: %w", attribute, identity.ErrNotFound)
	}
	e, err := d.one(ctx, r, equal(attribute, value))
	return e.who, err
}

// find looks a login name up.
func (d *Repository) find(ctx context.Context, r realm.Name, name string) (entry, error) {
	if len(name) > identity.MaxName || identity.Key(name) == "" {
		return entry{}, identity.ErrNotFound
	}
	var either strings.Builder
	for _, attribute := range d.config.LoginAttributes {
		either.WriteString(equal(attribute, name))
	}
	return d.one(ctx, r, "(|"+either.String()+")")
}

// equal is the filter for one value, which may hold anything.
func equal(attribute, value string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}

// one finds the single user that matches a filter.
func (d *Repository) one(ctx context.Context, r realm.Name, filter string) (entry, error) {
	const two = 2 // enough to know that a match is not the only one
	request := ldap.NewSearchRequest(d.config.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		two, int(d.config.Timeout/time.Second)+1, false, "(&"+d.config.Filter+filter+")", d.config.wanted(), nil)
	var result *ldap.SearchResult
	err := d.search.withRetry(ctx, func(c *conn) error {
		return c.do(ctx, d.config.Timeout, func() (err error) {
			result, err = c.Search(request)
			return err
		})
	})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return entry{}, identity.ErrAmbiguous
	case err != nil:
		return entry{}, fmt.Errorf("search: %w", unavailable(err))
	case len(result.Entries) == 0:
		return entry{}, identity.ErrNotFound
	case len(result.Entries) > 1:
		return entry{}, identity.ErrAmbiguous
	}
	return d.config.read(r, result.Entries[0])
}

// unavailable makes identity.ErrUnavailable of a result code: a search base
// that is missing or a right that is lacking says nothing about a user.
func unavailable(err error) error {
	if answered(err) {
		return fmt.Errorf("%w: %w", identity.ErrUnavailable, err)
	}
	return err
}
