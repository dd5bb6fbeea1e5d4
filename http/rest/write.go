package rest

import (
	"net/http"
	"strconv"
)

// Header values that never change. net/http only reads them, and an append by
// a middleware copies them, as length and capacity are equal.
//
//nolint:gochecknoglobals // built once, never changed
var (
	typeJSON      = []string{"application/json"}
	typeJSONUTF8  = []string{"application/json;charset=UTF-8"}
	cachePrivate  = []string{"private"}
	cacheNoStore  = []string{"no-store"}
	pragmaNoCache = []string{"no-cache"}
	expiresZero   = []string{"0"}
	frameSame     = []string{"SAMEORIGIN"}
	noSniff       = []string{"nosniff"}
	contentPolicy = []string{"default-src 'none';frame-ancestors 'none';sandbox"}
	sameOrigin    = []string{"same-origin"}
)

// plain writes a JSON answer as the authenticate endpoint does (am-contract
// section 1.5). Headers that the endpoint has set stay.
func (c *call) plain(status int, body []byte) {
	h := c.w.Header()
	h["Content-Type"] = typeJSON
	c.write(h, status, body)
}

// crest writes a JSON answer as AM's other endpoints do. An ETag or a stricter
// Cache-Control is set by the endpoint before.
func (c *call) crest(status int, body []byte) {
	h := c.w.Header()
	h["Content-Type"] = typeJSONUTF8
	if c.endpoint == nil || !c.endpoint.plain {
		h["Content-Security-Policy"] = contentPolicy
		h["Cross-Origin-Opener-Policy"] = sameOrigin
		h["Cross-Origin-Resource-Policy"] = sameOrigin
	}
	c.write(h, status, body)
}

func (c *call) write(h http.Header, status int, body []byte) {
	if c.api.header != nil {
		h["Content-Api-Version"] = c.api.header
	}
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = cachePrivate
	}
	h["Pragma"] = pragmaNoCache
	h["Expires"] = expiresZero
	h["X-Frame-Options"] = frameSame
	h["X-Content-Type-Options"] = noSniff
	// Up to its own buffer's size net/http counts for us.
	if len(body) > 2000 {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.w.WriteHeader(status)
	// A client that went away is nobody to report this to.
	_, _ = c.w.Write(body)
}
