package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// cors lets pages of listed origins call the API with cookies; pages of other
// origins get no header at all (clients.md section 3).
type cors struct {
	// origins map to the ready header value.
	origins map[string][]string
	headers []string
}

//nolint:gochecknoglobals // built once, never changed
var (
	varyOrigin   = []string{"Origin"}
	corsTrue     = []string{"true"}
	corsMethods  = []string{"GET, POST, PUT, DELETE, OPTIONS"}
	corsMaxAge   = []string{"600"}
	corsExposed  = []string{"Content-API-Version, ETag, Retry-After, WWW-Authenticate, X-ForgeRock-TransactionId"}
	corsAccepted = "Accept-API-Version, Content-Type, X-Requested-With, X-Requested-Platform, Authorization, " +
		"Accept-Language, If-Match, If-None-Match, X-OpenAM-Username, X-OpenAM-Password"
)

func newCORS(origins, headers []string) (cors, error) {
	out := cors{origins: make(map[string][]string, len(origins))}
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return cors{}, fmt.Errorf("rest: Origins: %q is not of the form https://host[:port]", origin)
		}
		if port := u.Port(); port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" {
			return cors{}, fmt.Errorf("rest: Origins: %q must leave its default port out, as browsers do", origin)
		}
		origin = strings.ToLower(origin)
		out.origins[origin] = []string{origin}
	}
	for _, header := range headers {
		if !isToken(header) {
			return cors{}, fmt.Errorf("rest: AllowHeaders: %q is no header name", header)
		}
	}
	out.headers = []string{strings.Join(append([]string{corsAccepted}, headers...), ", ")}
	return out, nil
}

// kept reports whether answers to a method may be kept: a browser keeps those of
// preflights as well.
func kept(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// handle adds the headers of CORS and answers a preflight itself; then it
// returns true. As soon as an origin is listed, every answer that a cache may keep
// says that it varies by origin, and every answer to a page. Others do without: a
// ninth header line makes net/http's map of them grow, twice.
func (k cors) handle(w http.ResponseWriter, r *http.Request) bool {
	if len(k.origins) == 0 {
		return false
	}
	h := w.Header()
	origin := r.Header["Origin"]
	if len(origin) > 0 || kept(r.Method) {
		h["Vary"] = varyOrigin
	}
	if len(origin) != 1 {
		return false
	}
	allowed := k.origins[origin[0]]
	if allowed == nil {
		return false
	}
	h["Access-Control-Allow-Origin"] = allowed
	h["Access-Control-Allow-Credentials"] = corsTrue
	if r.Method == http.MethodOptions && len(r.Header["Access-Control-Request-Method"]) > 0 {
		h["Access-Control-Allow-Methods"] = corsMethods
		h["Access-Control-Allow-Headers"] = k.headers
		h["Access-Control-Max-Age"] = corsMaxAge
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	h["Access-Control-Expose-Headers"] = corsExposed
	return false
}

// isToken reports whether text is a token of RFC 9110, as names of headers are.
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
