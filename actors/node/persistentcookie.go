package node

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"sojourn/actors/tree"
)

// persistentCookieName is AM's name for the cookie.
const persistentCookieName = "session-jwt"

// setPersistentCookie has a successful journey leave a cookie that lets its
// user in again.
type setPersistentCookie struct{ cookie Persist }

func setPersistentCookieType() Type {
	return Type{
		Name:  "SetPersistentCookieNode",
		Title: "Set Persistent Cookie",
		Pure:  true,
		Properties: append([]Property{
			{Name: "idleTimeout", Title: "Idle Timeout (hours)", Kind: Whole, Default: 5, Min: 1},
			{Name: "maxLife", Title: "Max Life (hours)", Kind: Whole, Default: 5, Min: 1},
		}, cookieProperties()...),
		New: func(c Config) (Node, error) {
			p := persistOf(c)
			p.Max = c.Hours("maxLife")
			return setPersistentCookie{p}, Cookie{Name: p.Name}.Check()
		},
	}
}

// cookieProperties are those that both nodes have.
func cookieProperties() []Property {
	return []Property{
		{Name: "useSecureCookie", Title: "Use Secure Cookie", Kind: Flag, Default: true},
		{Name: "useHttpOnlyCookie", Title: "Use HTTP Only Cookie", Kind: Flag, Default: true},
		{Name: "hmacSigningKey", Title: "HMAC Signing Key", Kind: Text},
		{Name: "signingKeyPurpose", Title: "Signing Key Secret Label Identifier", Kind: Text},
		{Name: "persistentCookieName", Title: "Persistent Cookie Name", Kind: Text, Default: persistentCookieName, Required: true},
	}
}

func persistOf(c Config) Persist {
	return Persist{
		Name:     c.Text("persistentCookieName"),
		Idle:     c.Hours("idleTimeout"),
		Key:      keyName(c.Text("hmacSigningKey"), c.Text("signingKeyPurpose")),
		Secure:   c.Flag("useSecureCookie"),
		HTTPOnly: c.Flag("useHttpOnlyCookie"),
	}
}

// keyName tells keys apart. Cookies are sealed with keys of the cluster's; what
// a tree calls its key says which trees take each other's cookies, as with AM.
// An old secret in a tree is hashed, for the name travels.
func keyName(hmacKey, purpose string) string {
	switch {
	case purpose != "":
		return "label " + purpose
	case hmacKey != "":
		sum := sha256.Sum256([]byte("sojourn: name of a persistent cookie's key\x00" + hmacKey))
		return "hmac " + hex.EncodeToString(sum[:8])
	}
	return ""
}

func (n setPersistentCookie) Process(c *Context) (Action, error) {
	c.Ending.persist(n.cookie)
	return Goto{Next}, nil
}

// persistentCookieDecision lets in whom a persistent cookie of the realm names,
// and has a success renew the cookie.
type persistentCookieDecision struct {
	cookie    Persist
	enforceIP bool
}

func persistentCookieDecisionType() Type {
	return Type{
		Name:  "PersistentCookieDecisionNode",
		Title: "Persistent Cookie Decision",
		Properties: append([]Property{
			{Name: "idleTimeout", Title: "Idle Timeout (hours)", Kind: Whole, Default: 5, Min: 1},
			{Name: "enforceClientIp", Title: "Enforce Client IP", Kind: Flag},
		}, cookieProperties()...),
		Outcomes: func(Config) []tree.Outcome { return []tree.Outcome{True, False} },
		New: func(c Config) (Node, error) {
			p := persistOf(c)
			return persistentCookieDecision{p, c.Flag("enforceClientIp")}, Cookie{Name: p.Name}.Check()
		},
	}
}

func (n persistentCookieDecision) Process(c *Context) (Action, error) {
	opened, answered := c.Result.(CookieOpened)
	if !answered {
		text := c.Request.Cookie(n.cookie.Name)
		if text == "" {
			return Goto{False}, nil
		}
		return Do{OpenCookie{Text: SealedText(text)}}, nil
	}
	if !opened.OK || !n.good(opened.Cookie, c) {
		return Goto{False}, nil
	}
	c.State.PutShared(KeyUsername, opened.Cookie.User)
	renewed := n.cookie
	renewed.Ends = opened.Cookie.Ends
	c.Ending.persist(renewed)
	return Goto{True}, nil
}

// good judges a cookie of this cluster's making.
func (n persistentCookieDecision) good(p PersistentCookie, c *Context) bool {
	// The clock of the member that made it may be ahead of this one's.
	early := c.Now.Add(time.Minute).Before(p.Issued)
	return p.Realm == c.Realm && p.Key == n.cookie.Key && p.User != "" &&
		!early && c.Now.Before(p.Expires) && c.Now.Before(p.Ends) &&
		(!n.enforceIP || p.ClientIP == c.Request.ClientIP)
}
