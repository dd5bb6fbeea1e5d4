package realm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Deployment are the settings that all realms share: how cookies are made, and
// how the API treats requests. Its defaults are those of the process; documents
// of the whole deployment override them at once on every member.
type Deployment struct {
	Cookies Cookies
	// NoCSRFFilter turns the X-Requested-With rule off (csrfFilterEnabled=false).
	NoCSRFFilter bool
	// DefaultVersion answers a request without Accept-API-Version (defaultVersion).
	DefaultVersion DefaultVersion
	// Locale is what login pages are told to speak when a browser asks for
	// nothing (the Platform service's locale).
	Locale string
	// MaxGoto is the longest goto parameter in bytes, at most MaxURL
	// (org.forgerock.openam.redirecturlvalidator.maxUrlLength).
	MaxGoto int
	// TrustsTransactionID takes X-ForgeRock-TransactionId from requests
	// (org.forgerock.http.TrustTransactionHeader).
	TrustsTransactionID bool
	// ValidatesUsers is told to login pages: they compare a session's user with
	// the one they know (org.forgerock.openam.xui.user.session.validation.enabled).
	ValidatesUsers bool
}

// DefaultDeployment has AM's defaults.
func DefaultDeployment() Deployment {
	return Deployment{
		Cookies: Cookies{
			Name: "iPlanetDirectoryPro", HTTPOnly: true, SameSite: SameSiteOff, LBName: "amlbcookie", LBValue: "01",
		},
		Locale:         "en_US",
		MaxGoto:        MaxURL,
		ValidatesUsers: true,
	}
}

// DefaultVersion says which resource version a request gets that names none
// (AM's global REST setting defaultVersion).
type DefaultVersion int

// The three settings of AM. None refuses such a request.
const (
	Latest DefaultVersion = iota
	Oldest
	None
)

// Cookies says how cookies are named and marked (am-contract section 4.3).
type Cookies struct {
	// Name of the session cookie, and of the header that may stand for it.
	Name string
	// Secure and HTTPOnly mark both cookies.
	Secure, HTTPOnly bool
	SameSite         SameSite
	// Domains get one cookie each; none makes host-only cookies.
	Domains []string
	// LBName and LBValue are the load balancer cookie. A member may have a value
	// of its own.
	LBName, LBValue string
}

// SameSite is the attribute of that name, by AM's word for it.
type SameSite string

// What AM offers. SameSiteOff writes no attribute.
const (
	SameSiteOff    SameSite = "off"
	SameSiteLax    SameSite = "lax"
	SameSiteStrict SameSite = "strict"
	SameSiteNone   SameSite = "none"
)

// Equal reports whether both make the same cookies.
func (c Cookies) Equal(other Cookies) bool {
	return c.Name == other.Name && c.Secure == other.Secure && c.HTTPOnly == other.HTTPOnly && c.SameSite == other.SameSite &&
		c.LBName == other.LBName && c.LBValue == other.LBValue && slices.Equal(c.Domains, other.Domains)
}

// Check says what browsers, or readers of headers, would not understand.
func (c Cookies) Check() error {
	switch c.SameSite {
	case SameSiteOff, SameSiteLax, SameSiteStrict:
	case SameSiteNone:
		if !c.Secure {
			return errors.New("SameSite none needs Secure: browsers drop such a cookie otherwise")
		}
	default:
		return fmt.Errorf("SameSite %q is none of off, lax, strict, none", c.SameSite)
	}
	for _, text := range append([]string{c.Name, c.LBName, c.LBValue}, c.Domains...) {
		if err := checkToken(text); err != nil {
			return err
		}
	}
	if strings.EqualFold(c.Name, c.LBName) {
		return fmt.Errorf("the session cookie and the load balancer's cannot both be called %s", c.Name)
	}
	return nil
}

// maxToken bounds a cookie's name, value or domain, in bytes.
const maxToken = 256

// checkToken takes tokens of RFC 9110: what cookie names, values and domains of
// ours are made of.
func checkToken(text string) error {
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return fmt.Errorf("%.80q cannot stand in a cookie", text)
		}
	}
	if text == "" || len(text) > maxToken {
		return fmt.Errorf("%.80q cannot stand in a cookie: 1 to %d characters are needed", text, maxToken)
	}
	return nil
}

// maxLocale bounds a locale's name, in bytes.
const maxLocale = 35

// checkLocale takes "en", "en-GB" and Java's "en_GB".
func checkLocale(text string) error {
	letters := strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
	if text == "" || len(text) > maxLocale || !letters || strings.IndexByte("0123456789-_", text[0]) >= 0 {
		return fmt.Errorf("%.40q is not a locale such as en, en-GB or en_GB", text)
	}
	return nil
}
