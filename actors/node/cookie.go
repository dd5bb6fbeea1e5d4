package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sojourn/actors/realm"
)

// Cookie is one that a reply asks the client to keep. http/rest adds what all
// cookies of the server share, and sends none that Check refuses.
type Cookie struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// MaxAge is how long it is kept, in whole seconds. Zero is until the browser
	// ends, less than zero takes the cookie away.
	MaxAge time.Duration `json:"maxAge,omitempty"`
	// Path is "/" when empty; Domain, when empty, is the server's own cookie
	// domains.
	Path   string `json:"path,omitempty"`
	Domain string `json:"domain,omitempty"`
	// SameSite is "lax", "strict" or "none"; empty is the server's setting.
	SameSite string `json:"sameSite,omitempty"`
	Secure   bool   `json:"secure,omitempty"`
	HTTPOnly bool   `json:"httpOnly,omitempty"`
}

// maxCookie bounds a cookie's name and value together, in bytes: browsers drop
// a longer one without a word.
const maxCookie = 4096

// Check says what could not stand in a Set-Cookie header, or would not be kept
// (RFC 6265, section 4.1.1). Nothing that it takes can end the header or begin
// another attribute.
func (c Cookie) Check() error {
	switch {
	case !isToken(c.Name):
		return fmt.Errorf("%.80q is no name of a cookie", c.Name)
	case len(c.Name)+len(c.Value) > maxCookie:
		return fmt.Errorf("the cookie %s is longer than %d bytes", c.Name, maxCookie)
	case !all(c.Value, func(b byte) bool { return b > ' ' && b < 0x7f && !strings.ContainsRune(`",;\`, rune(b)) }):
		return fmt.Errorf("the value of the cookie %s holds what a cookie cannot", c.Name)
	case !all(c.Path, func(b byte) bool { return b >= ' ' && b < 0x7f && b != ';' }) || c.Path != "" && c.Path[0] != '/':
		return fmt.Errorf("the path of the cookie %s must be one, without a semicolon", c.Name)
	case !all(c.Domain, func(b byte) bool {
		return b == '.' || b == '-' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
	}):
		return fmt.Errorf("the domain of the cookie %s must be a host's name", c.Name)
	case !slices.Contains([]string{"", "lax", "strict", "none"}, c.SameSite):
		return fmt.Errorf("the SameSite of the cookie %s is %.20q", c.Name, c.SameSite)
	}
	return nil
}

func all(text string, ok func(byte) bool) bool {
	for i := range len(text) {
		if !ok(text[i]) {
			return false
		}
	}
	return true
}

// isToken reports whether text is a token of RFC 9110.
func isToken(text string) bool {
	return text != "" && all(text, func(b byte) bool {
		return '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
	})
}

// Cookie returns the value of the first cookie of that name in the request,
// empty when there is none.
func (r *Request) Cookie(name string) string {
	for _, line := range r.Headers["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if key == name && value != "" {
				return strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`)
			}
		}
	}
	return ""
}

// SetCookie has the next reply that is not a failure set a cookie. One of the
// same name that waits for it is replaced.
func (e *Ending) SetCookie(c Cookie) {
	kept := slices.DeleteFunc(slices.Clone(e.Cookies), func(other Cookie) bool { return other.Name == c.Name })
	e.Cookies = append(kept, c)
}

// Persist is a persistent cookie that a success makes.
type Persist struct {
	Name string `json:"name"`
	// Idle is how long the cookie is good without being used, Max how long it is
	// good at all. Ends, when set, is the end of an older cookie that this one
	// takes the place of: it lives no longer.
	Idle time.Duration `json:"idle"`
	Max  time.Duration `json:"max,omitempty"`
	Ends time.Time     `json:"ends,omitzero"`
	// Key tells apart the cookies of trees that say that they use different
	// keys.
	Key      string `json:"key,omitempty"`
	Secure   bool   `json:"secure,omitempty"`
	HTTPOnly bool   `json:"httpOnly,omitempty"`
}

// Persist notes a persistent cookie; the last node to ask for one of a name has
// its way.
func (e *Ending) persist(p Persist) {
	kept := slices.DeleteFunc(slices.Clone(e.Persist), func(other Persist) bool { return other.Name == p.Name })
	e.Persist = append(kept, p)
}

// At is the cookie's content for a user at now, and how long a browser is to
// keep it.
func (p Persist) At(now time.Time, who string, r realm.Name, clientIP string) (PersistentCookie, time.Duration) {
	c := PersistentCookie{Realm: r, User: who, Issued: now, Ends: p.Ends, Key: p.Key, ClientIP: clientIP}
	if c.Ends.IsZero() {
		c.Ends = now.Add(p.Max)
	}
	c.Expires = now.Add(p.Idle)
	if c.Expires.After(c.Ends) {
		c.Expires = c.Ends
	}
	return c, c.Expires.Sub(now)
}

// PersistentCookie is what a persistent cookie says.
type PersistentCookie struct {
	Realm realm.Name
	User  string
	// Expires is when it stops being good unless it is used, Ends when it does
	// so in any case.
	Issued, Expires, Ends time.Time
	Key                   string
	ClientIP              string // of the client that it was made for
}
