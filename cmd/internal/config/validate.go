package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate reports everything that is wrong with the values in one
// InvalidError; nil when the configuration can be served. It looks at no file
// and at no other part of the system: whether a key file can be read shows when
// it is opened.
func (c Config) Validate() error { return join(c.faults()) }

func (c Config) faults() []Fault {
	v := &verdict{}
	c.validateStores(v)
	c.HTTP.validate(v, c.Dev)
	c.Cookie.validate(v)
	c.validateCluster(v)
	if n := c.Journeys.Replicas; n != 1 && n != 3 && n != 5 {
		v.add("journeys.replicas", "%d is none of 1, 3, 5", n)
	}
	for _, h := range c.Webhooks.Hosts {
		if h == "" || strings.ContainsAny(h, "/*@ ") {
			v.add("webhooks.hosts", "%q is not a host such as hooks.example.com or hooks.example.com:8080", h)
		}
	}
	c.Migration.validate(v)
	c.Mail.validate(v)
	c.Limits.validate(v)
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	seen := map[string]bool{}
	for i, d := range c.LDAP {
		at := fmt.Sprintf("%s[%d].", ldapKey, i)
		d.validate(v, at)
		if seen[d.Realm] {
			v.add(at+"realm", "%s has a directory already; list its servers together", d.Realm)
		}
		seen[d.Realm] = true
	}
	return v.faults
}

func (m Migration) validate(v *verdict) {
	end, err := m.End()
	if err != nil {
		v.add("migration.until", "%q is neither a day such as 2027-01-31 nor an instant such as 2027-01-31T18:00:00Z", m.Until)
	}
	v.oneOf("migration.signing", m.Signing, "NONE", "HS256", "HS384", "HS512", "RS256", "ES256", "ES384", "ES512")
	v.oneOf("migration.encryption", m.Encryption, "NONE", "DIRECT", "AES_KEYWRAP", "RSA")
	if m.Signing == "NONE" && (m.Encryption == "NONE" || m.Encryption == "RSA") {
		v.add("migration.signing", "NONE with encryption %s lets anybody make tokens", m.Encryption)
	}
	for _, keys := range []struct {
		key   string
		files []string
		needs bool
	}{
		{"migration.signingKeys", m.SigningKeys, m.Signing != "NONE"},
		{"migration.encryptionKeys", m.EncryptionKeys, m.Encryption != "NONE"},
	} {
		switch {
		case err == nil && end.IsZero() && len(keys.files) > 0:
			v.add("migration.until", "there are keys of an AM, but no date until which its tokens are taken")
		case err == nil && !end.IsZero() && keys.needs && len(keys.files) == 0:
			v.add(keys.key, "a file with a key of the AM is needed")
		case !keys.needs && len(keys.files) > 0:
			v.add(keys.key, "there are keys, but nothing that they are for")
		case len(keys.files) > 4:
			v.add(keys.key, "at most 4 keys are understood")
		}
	}
	for _, r := range m.Realms {
		from, to, ok := strings.Cut(r, "=")
		if !ok || !strings.HasPrefix(from, "/") || !strings.HasPrefix(to, "/") {
			v.add("migration.realms", "%q is not like /customers=/alpha", r)
		}
	}
}

// verdict gathers faults.
type verdict struct{ faults []Fault }

func (v *verdict) add(key, format string, args ...any) {
	v.faults = append(v.faults, Fault{Key: key, Message: fmt.Sprintf(format, args...)})
}

func (v *verdict) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.add(key, "%q is none of %s", value, strings.Join(allowed, ", "))
	}
}

func (v *verdict) atLeast(key string, value, least int) {
	if value < least {
		v.add(key, "%d is less than %d", value, least)
	}
}

// hostPort reports whether value is an address to listen on.
func (v *verdict) hostPort(key, value string) bool {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		v.add(key, "%q is not HOST:PORT", value)
		return false
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		v.add(key, "%q is not a port number", port)
		return false
	}
	return true
}

func (c Config) validateStores(v *verdict) {
	if c.Data == "" && !c.Dev {
		v.add("data", "a folder is needed (--data DIR); \"sojourn serve --dev\" runs without one")
	}
	switch {
	case c.Secret != "" && c.SecretFile != "":
		v.add("secretFile", "give the secret once: as a file or as %sSECRET", envPrefix)
	case c.Secret == "" && c.SecretFile == "" && !c.Dev:
		v.add("secretFile", "a secret is needed (--secret FILE); \"sojourn keys new FILE\" makes one")
	}
	if c.UserSuffix == "" {
		v.add("userSuffix", "must not be empty")
	}
	if c.Encryption.KeyFile != "" && !c.Encryption.Enabled {
		v.add("encryption.keyFile", "names a key, but encryption.enabled is false")
	}
}

func (h HTTP) validate(v *verdict, dev bool) {
	v.hostPort("http.addr", h.Addr)
	if dev && !loopback(h.Addr) {
		v.add("http.addr", "--dev listens on a loopback address only, not on %q", h.Addr)
	}
	if len(h.Path) < 2 || h.Path[0] != '/' || strings.HasSuffix(h.Path, "/") || strings.ContainsAny(h.Path, "?#% {}") || strings.Contains(h.Path, "//") {
		v.add("http.path", "%q is not a path such as /am", h.Path)
	}
	if (h.TLSCert == "") != (h.TLSKey == "") {
		v.add("http.tlsCert", "a certificate and a key are needed together")
	}
	if h.PublicURL != "" && !origin(h.PublicURL) {
		v.add("http.publicURL", "%q is not like https://login.example.com", h.PublicURL)
	}
	for _, o := range h.Origins {
		if !origin(o) {
			v.add("http.origins", "%q is not an origin such as https://app.example.com (scheme, host, port; no path, no *)", o)
		}
	}
	for _, p := range h.Proxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			if _, err := netip.ParseAddr(p); err != nil {
				v.add("http.proxies", "%q is neither an address nor a network such as 10.0.0.0/8", p)
			}
		}
	}
}

func loopback(hostPort string) bool {
	host, _, _ := net.SplitHostPort(hostPort)
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// origin reports whether text is scheme://host[:port] and nothing else.
func origin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		u.Host != "" && !strings.Contains(u.Host, "*") && u.User == nil && text == u.Scheme+"://"+u.Host
}

func (c Cookie) validate(v *verdict) {
	names := map[string]string{"cookie.name": c.Name, "cookie.lbName": c.LBName, "cookie.lbValue": c.LBValue}
	for _, key := range []string{"cookie.name", "cookie.lbName", "cookie.lbValue"} {
		if !token(names[key]) {
			v.add(key, "%q has characters that a cookie cannot carry, or is empty", names[key])
		}
	}
	if c.Name == c.LBName {
		v.add("cookie.lbName", "is the session cookie's name")
	}
	v.oneOf("cookie.sameSite", c.SameSite, "off", "lax", "strict", "none")
	if c.SameSite == "none" && !c.Secure {
		v.add("cookie.sameSite", "browsers drop a cookie with SameSite=None that is not secure: set cookie.secure")
	}
	for _, d := range c.Domains {
		if d == "" || strings.ContainsAny(d, "/:;, \t\r\n") {
			v.add("cookie.domains", "%q is not a domain", d)
		}
	}
}

// token reports whether text is a token of RFC 9110 section 5.6.2.
func token(text string) bool {
	for _, r := range text {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) {
			return false
		}
	}
	return text != ""
}

func (l Limits) validate(v *verdict) {
	for _, x := range []struct {
		key         string
		value, from Size
	}{
		{"limits.body", l.Body, 4 << 10},
		{"limits.adminBody", l.AdminBody, 4 << 10},
		{"limits.header", l.Header, 4 << 10},
		{"limits.minFreeDisk", l.MinFreeDisk, 16 << 20},
	} {
		if x.value < x.from {
			v.add(x.key, "%s is less than %s", x.value, x.from)
		}
	}
	for _, x := range []struct {
		key   string
		value time.Duration
	}{
		{"limits.headerTime", l.HeaderTime},
		{"limits.readTime", l.ReadTime},
		{"limits.writeTime", l.WriteTime},
		{"limits.idleTime", l.IdleTime},
		{"limits.requestTime", l.RequestTime},
		{"limits.drainTime", l.DrainTime},
		{"limits.handoverTime", l.HandoverTime},
	} {
		if x.value < 10*time.Millisecond || x.value > time.Hour {
			v.add(x.key, "%s is not between 10ms and 1h", x.value)
		}
	}
	v.atLeast("limits.connections", l.Connections, 1)
	v.atLeast("limits.streams", l.Streams, 1)
	v.atLeast("limits.requests", l.Requests, 2)
	v.atLeast("limits.reserved", l.Reserved, 1)
	if l.Reserved >= l.Requests {
		v.add("limits.reserved", "%d of %d requests leave no place to begin a journey", l.Reserved, l.Requests)
	}
	v.atLeast("limits.hashWorkers", l.HashWorkers, 0)
	v.atLeast("limits.hashQueue", l.HashQueue, 1)
	v.atLeast("limits.journeys", l.Journeys, 1)
	v.atLeast("limits.sessions", l.Sessions, 1)
}

func (d LDAP) validate(v *verdict, at string) {
	if !strings.HasPrefix(d.Realm, "/") || d.Realm != "/" && strings.HasSuffix(d.Realm, "/") {
		v.add(at+"realm", "%q is not a realm such as / or /alpha", d.Realm)
	}
	if len(d.Servers) == 0 {
		v.add(at+"servers", "at least one is needed, such as ldaps://ldap.example.com:636")
	}
	for _, s := range d.Servers {
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "ldap" && u.Scheme != "ldaps":
			v.add(at+"servers", "%q is not like ldap://host:389 or ldaps://host:636", s)
		case u.Scheme == "ldaps" && d.StartTLS:
			v.add(at+"startTLS", "%s is encrypted already", s)
		case u.Scheme == "ldap" && !d.StartTLS && !d.Plaintext:
			v.add(at+"servers", "%s would send passwords in clear: use ldaps://, or set startTLS, or plaintext to allow it", s)
		}
	}
	if d.BaseDN == "" {
		v.add(at+"baseDN", "is needed")
	}
	if (d.BindDN == "") != (d.PasswordFile == "") {
		v.add(at+"bindDN", "bindDN and passwordFile are needed together")
	}
	if d.UserAttribute == "" {
		v.add(at+"userAttribute", "is needed")
	}
	if !strings.HasPrefix(d.Filter, "(") || !strings.HasSuffix(d.Filter, ")") {
		v.add(at+"filter", "%q is not a filter such as (objectClass=person)", d.Filter)
	}
	v.atLeast(at+"connections", d.Connections, 1)
	if d.Timeout <= 0 {
		v.add(at+"timeout", "must be positive")
	}
}
