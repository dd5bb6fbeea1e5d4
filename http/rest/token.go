package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"sojourn/cts/session"
)

// Cookies says how cookies are named and marked (am-contract section 4.3).
type Cookies struct {
	// Name of the session cookie, and of the header that may stand for it;
	// "iPlanetDirectoryPro" when empty.
	Name string
	// Secure and HTTPOnly mark both cookies. SameSite is "off", "lax",
	// "strict" or "none"; empty is off.
	Secure, HTTPOnly bool
	SameSite         string
	// Domains get one cookie each; none makes host-only cookies.
	Domains []string
	// LBName and LBValue are the load balancer cookie; "amlbcookie" and "01"
	// when empty.
	LBName, LBValue string
}

// cookies are Cookies made ready for use.
type cookies struct {
	name   string
	header string // the name as net/http spells it
	// suffixes follow the session token, one for each domain; lb are whole
	// headers.
	suffixes, lb []string
}

// errCookies starts every complaint about Cookies.
var errCookies = errors.New("rest: Cookies")

func newCookies(cfg Cookies) (cookies, error) {
	if cfg.Name == "" {
		cfg.Name = "iPlanetDirectoryPro"
	}
	if cfg.LBName == "" {
		cfg.LBName = "amlbcookie"
	}
	if cfg.LBValue == "" {
		cfg.LBValue = "01"
	}
	var marks string
	if cfg.Secure {
		marks += "; Secure"
	}
	if cfg.HTTPOnly {
		marks += "; HttpOnly"
	}
	switch strings.ToLower(cfg.SameSite) {
	case "", "off":
	case "lax", "strict":
		marks += "; SameSite=" + strings.ToLower(cfg.SameSite)
	case "none":
		if !cfg.Secure {
			return cookies{}, fmt.Errorf("%w: SameSite none needs Secure", errCookies)
		}
		marks += "; SameSite=none"
	default:
		return cookies{}, fmt.Errorf("%w: SameSite %q is none of off, lax, strict, none", errCookies, cfg.SameSite)
	}
	for _, text := range append([]string{cfg.Name, cfg.LBName, cfg.LBValue}, cfg.Domains...) {
		if !isToken(text) {
			return cookies{}, fmt.Errorf("%w: %q cannot stand in a cookie", errCookies, text)
		}
	}
	domains := cfg.Domains
	if len(domains) == 0 {
		domains = []string{""}
	}
	out := cookies{name: cfg.Name, header: textproto.CanonicalMIMEHeaderKey(cfg.Name)}
	for _, domain := range domains {
		suffix := "; Path=/"
		if domain != "" {
			suffix += "; Domain=" + domain
		}
		suffix += marks
		out.suffixes = append(out.suffixes, suffix)
		out.lb = append(out.lb, cfg.LBName+"="+cfg.LBValue+suffix)
	}
	return out, nil
}

// isToken reports whether text is a token of RFC 9110: what cookie names,
// values and domains of ours are made of.
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return text != ""
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

// source says where a request carries its session token.
type source int

const (
	nowhere source = iota
	inHeader
	inCookie
)

// token returns the session token that a request carries in the header named
// as the session cookie, else in that cookie. Tokens in bodies are the
// endpoints' business.
func (c *call) token() (session.TokenID, source) {
	if values := c.r.Header[c.h.cookies.header]; len(values) > 0 && values[0] != "" {
		return session.TokenID(values[0]), inHeader
	}
	if value := cookie(c.r.Header, c.h.cookies.name); value != "" {
		return session.TokenID(value), inCookie
	}
	return "", nowhere
}

// cookie finds a cookie that is not empty without parsing the others.
func cookie(header http.Header, name string) string {
	for _, line := range header["Cookie"] {
		for rest := line; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			key, value, ok := strings.Cut(strings.TrimLeft(pair, " \t"), "=")
			if !ok || key != name {
				continue
			}
			value = strings.TrimRight(value, " \t")
			if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
			}
			if value != "" {
				return value
			}
		}
	}
	return ""
}

// session looks a token up. A token that is none of ours, or whose session is
// over, is session.ErrNotFound; everything else means that the answer is not
// known.
func (c *call) session(token session.TokenID) (session.Session, error) {
	found, err := c.h.cfg.Sessions.Session(c.context(), token)
	if err != nil {
		return session.Session{}, err
	}
	if !found.Valid(c.now) {
		return session.Session{}, session.ErrNotFound
	}
	return found, nil
}

// caller returns the session that the request itself carries, by header or
// cookie: session.ErrNotFound when it carries none that is valid.
func (c *call) caller() (session.Session, error) {
	token, from := c.token()
	if from == nowhere {
		return session.Session{}, session.ErrNotFound
	}
	return c.session(token)
}
