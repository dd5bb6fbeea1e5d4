package rest

import (
	"net/http"
	"strings"

	"sojourn/cts/session"
)

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
	cookies := c.cookies()
	if values := c.r.Header[cookies.header]; len(values) > 0 && values[0] != "" {
		return session.TokenID(values[0]), inHeader
	}
	if value := cookie(c.r.Header, cookies.name); value != "" {
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
