package rest

import (
	"net/textproto"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// cookies are realm.Cookies made ready for use.
type cookies struct {
	of     realm.Cookies
	name   string
	header string // the name as net/http spells it
	// suffixes follow the session token, one for each domain; lb are whole
	// headers.
	suffixes, lb []string
}

// newCookies makes cookies of what has been checked.
func newCookies(of realm.Cookies) *cookies {
	var marks string
	if of.Secure {
		marks += "; Secure"
	}
	if of.HTTPOnly {
		marks += "; HttpOnly"
	}
	if of.SameSite != realm.SameSiteOff {
		marks += "; SameSite=" + string(of.SameSite)
	}
	domains := of.Domains
	if len(domains) == 0 {
		domains = []string{""}
	}
	out := &cookies{of: of, name: of.Name, header: textproto.CanonicalMIMEHeaderKey(of.Name)}
	for _, domain := range domains {
		suffix := "; Path=/"
		if domain != "" {
			suffix += "; Domain=" + domain
		}
		suffix += marks
		out.suffixes = append(out.suffixes, suffix)
		out.lb = append(out.lb, of.LBName+"="+of.LBValue+suffix)
	}
	return out
}

// cookies are those that the settings say now. All realms have the same: they are
// made when the settings have changed.
func (c *call) cookies() *cookies {
	want := c.shared().Cookies
	if made := c.h.cookies.Load(); made.of.Equal(want) {
		return made
	}
	made := newCookies(want)
	c.h.cookies.Store(made)
	return made
}

// shared are the settings that all realms share. Where they cannot be read, those
// of the process hold: an operator must be let in all the same.
func (c *call) shared() *realm.Deployment {
	switch {
	case c.settings != nil:
		return &c.settings.Deployment
	case c.deployment == nil:
		c.deployment = &c.h.cfg.Process
		if c.endpoint != nil && c.endpoint.shares {
			if settings, err := c.h.cfg.Realms.Realm(c.context(), realm.Root); err == nil {
				c.deployment = &settings.Deployment
			}
		}
	}
	return c.deployment
}

// set returns Set-Cookie headers for a fresh session in AM's order: the
// session's cookies first.
func (k cookies) set(token session.TokenID) []string {
	all := make([]string, 0, len(k.suffixes)+len(k.lb))
	for _, suffix := range k.suffixes {
		all = append(all, k.name+"="+string(token)+suffix)
	}
	return append(all, k.lb...)
}

// cleared returns Set-Cookie headers that end the session's cookies. A browser
// removes a cookie only by the attributes it was set with.
func (k cookies) cleared() []string {
	all := make([]string, 0, len(k.suffixes))
	for _, suffix := range k.suffixes {
		all = append(all, k.name+"=LOGOUT; Expires=Thu, 01 Jan 1970 00:00:10 GMT"+suffix)
	}
	return all
}
