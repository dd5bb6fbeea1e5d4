package ldap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Config sets up a Repository.
type Config struct {
	// Servers are URLs, "ldap://host:389" or "ldaps://host:636", all of one
	// directory. The first that answers is used until it fails. Required.
	Servers []string
	// StartTLS turns ldap connections into TLS before anything else is sent.
	StartTLS bool
	// TLS verifies the servers; nil means the system's roots and TLS 1.2 or
	// newer. Each server's name is checked against its URL, unless ServerName
	// is set. A configuration that skips verification is refused.
	TLS *tls.Config
	// Plaintext allows ldap URLs without StartTLS, which send passwords in
	// clear.
	Plaintext bool

	// BindDN is the service account that searches, and writes what is
	// Writable. Empty means anonymous.
	BindDN string
	// BindPasswordFile holds the service account's password; a line end behind
	// it does not count. It is read for each new connection, so that a password
	// can be changed without a restart. Required with BindDN.
	BindPasswordFile string

	// BaseDN is the entry below which users are. Required.
	BaseDN string
	// Filter limits which entries are users. Default "(objectClass=person)".
	Filter string
	// NameAttribute gives a user's name. Default "uid".
	NameAttribute string
	// LoginAttributes are compared with the name that a user types, beside
	// NameAttribute. A name that two entries have opens neither. Default none.
	LoginAttributes []string
	// Attributes are read into identities, with the options of RFC 4511 ("*"
	// for all user attributes). userPassword never is. Default cn, sn,
	// givenName, mail and telephoneNumber.
	Attributes []string
	// StatusAttribute holds "Active" or anything else for an account that may
	// not log in. Default "inetUserStatus". An absent one means active, and
	// nsAccountLock "true" inactive, whatever it says.
	StatusAttribute string
	// LockoutDuration is the directory's pwdLockoutDuration: how long an account
	// is locked after its pwdAccountLockedTime. Zero means until it is reset.
	LockoutDuration time.Duration
	// Writable are the attributes that Update may change: StatusAttribute among
	// them for SetStatus, and pwdAccountLockedTime where activating an account
	// shall end the directory's lock. With userPassword, owners may change
	// their passwords. Default none.
	Writable []string

	// DecoyDN is bound for names that nobody has, so that they cost the
	// directory's round trip too. An entry with a password that nobody knows
	// makes the directory hash as well. Default "cn=decoy" below BaseDN, which
	// need not exist.
	DecoyDN string

	// Connections bounds those for searches and changes, and again those for
	// binds as users. Default 8.
	Connections int
	// Queue bounds how many requests wait for a connection, for each of the two
	// kinds. Default 256; more are identity.ErrOverloaded.
	Queue int
	// ConnectTimeout is for one server: connecting, TLS and the service
	// account's bind. Default 5 s.
	ConnectTimeout time.Duration
	// Timeout is for one operation, and for waiting for a connection. Default
	// 10 s.
	Timeout time.Duration
	// IdleTimeout is how long an unused connection is kept. Default 1 minute.
	IdleTimeout time.Duration
}

// passwordAttribute is never read, searched or written as an attribute.
const passwordAttribute = "userPassword"

// withDefaults fills in what is not set.
func (c Config) withDefaults() Config {
	setDefault(&c.Filter, "(objectClass=person)")
	setDefault(&c.NameAttribute, "uid")
	setDefault(&c.StatusAttribute, "inetUserStatus")
	setDefault(&c.DecoyDN, "cn=decoy,"+c.BaseDN)
	setDefault(&c.Connections, 8)
	setDefault(&c.Queue, 256)
	setDefault(&c.ConnectTimeout, 5*time.Second)
	setDefault(&c.Timeout, 10*time.Second)
	setDefault(&c.IdleTimeout, time.Minute)
	if !contains(c.LoginAttributes, c.NameAttribute) {
		c.LoginAttributes = append([]string{c.NameAttribute}, c.LoginAttributes...)
	}
	if len(c.Attributes) == 0 {
		c.Attributes = []string{"cn", "sn", "givenName", "mail", "telephoneNumber"}
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return c
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// check reports all faults at once.
func (c Config) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if len(c.Servers) == 0 {
		fault("no servers")
	}
	for _, server := range c.Servers {
		u, err := url.Parse(server)
		switch {
		case err != nil || u.Hostname() == "" || u.Scheme != "ldap" && u.Scheme != "ldaps":
			fault("server %q: want ldap://host:port or ldaps://host:port", server)
		case u.User != nil || u.Path != "" || u.RawQuery != "":
			fault("server %q: want nothing behind the port", server)
		case u.Scheme == "ldaps" && c.StartTLS:
			fault("server %q: ldaps is TLS already, StartTLS is for ldap", server)
		case u.Scheme == "ldap" && !c.StartTLS && !c.Plaintext:
			fault("server %q would get passwords in clear: use ldaps, StartTLS, or allow Plaintext", server)
		}
	}
	if c.TLS.InsecureSkipVerify {
		fault("TLS skips the verification of servers; name their CA in RootCAs instead")
	}
	if _, err := ldap.ParseDN(c.BaseDN); err != nil || c.BaseDN == "" {
		fault("base DN %q is not a distinguished name", c.BaseDN)
	}
	for name, dn := range map[string]string{"bind DN": c.BindDN, "decoy DN": c.DecoyDN} {
		if _, err := ldap.ParseDN(dn); err != nil {
			fault("%s %q is not a distinguished name", name, dn)
		}
	}
	if _, err := ldap.CompileFilter(c.Filter); err != nil {
		fault("filter %q: %w", c.Filter, err)
	}
	for _, name := range slices.Concat([]string{c.NameAttribute, c.StatusAttribute}, c.LoginAttributes, c.Writable) {
		if !attributeName(name) {
			fault("%q is not the name of an attribute", name)
		}
	}
	if contains(c.LoginAttributes, passwordAttribute) || contains(c.Attributes, passwordAttribute) {
		fault("%s can neither be searched nor read", passwordAttribute)
	}
	if contains(c.Writable, c.NameAttribute) {
		fault("%s is the name of users and cannot be writable", c.NameAttribute)
	}
	if c.BindDN != "" {
		if _, err := c.bindPassword(); err != nil {
			faults = append(faults, err)
		}
	}
	if c.Connections < 0 || c.Queue < 0 || c.ConnectTimeout < 0 || c.Timeout < 0 || c.IdleTimeout < 0 || c.LockoutDuration < 0 {
		fault("limits and timeouts cannot be below zero")
	}
	return errors.Join(faults...)
}

// bindPassword reads the service account's password.
func (c Config) bindPassword() (string, error) {
	text, err := os.ReadFile(c.BindPasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the bind password: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("the bind password file %s is empty", c.BindPasswordFile)
	}
	return password, nil
}

// address is where to dial a server, and the name to verify.
func address(server string) (hostPort, host string, encrypted bool) {
	u, err := url.Parse(server)
	if err != nil {
		panic(fmt.Sprintf("server %q passed the check: %v", server, err))
	}
	port := u.Port()
	encrypted = u.Scheme == "ldaps"
	switch {
	case port != "":
	case encrypted:
		port = ldap.DefaultLdapsPort
	default:
		port = ldap.DefaultLdapPort
	}
	return net.JoinHostPort(u.Hostname(), port), u.Hostname(), encrypted
}

// attributeName reports whether a text is an attribute's short name, without
// options.
func attributeName(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return name != ""
}

// contains compares as attribute names do, without case.
func contains(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
