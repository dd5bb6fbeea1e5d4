package daemon

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"sojourn/actors"
	"sojourn/actors/identity"
	"sojourn/actors/ldap"
	"sojourn/actors/realm"
	"sojourn/cmd/internal/config"
)

// makeUsers opens the repositories that hold the realms' users: the embedded
// one, but for realms whose users stand in a directory.
func (d *Daemon) makeUsers() (identity.Repository, error) {
	embedded, err := actors.NewEmbedded(actors.EmbeddedConfig{Users: d.store, Hashing: d.hashing, Rand: rand.Reader})
	if err != nil {
		return nil, fmt.Errorf("open the embedded identity store: %w", err)
	}
	d.passwords = embedded
	users := actors.ByRealm{Default: embedded, Realms: map[realm.Name]identity.Repository{}}
	for _, c := range d.config.LDAP {
		name, err := realm.Parse(c.Realm)
		if err != nil {
			return nil, fmt.Errorf("ldap: %w", err)
		}
		directory, err := openDirectory(c)
		if err != nil {
			return nil, fmt.Errorf("ldap for realm %s: %w", name, err)
		}
		d.close = append(d.close, directory.Close)
		users.Realms[name] = directory
	}
	return users, nil
}

// Passwords counts what this member's embedded store did for logins.
func (d *Daemon) Passwords() actors.EmbeddedMetrics { return d.passwords.Metrics() }

func openDirectory(c config.LDAP) (*ldap.Repository, error) {
	settings := ldap.Config{
		Servers:          c.Servers,
		StartTLS:         c.StartTLS,
		Plaintext:        c.Plaintext,
		BindDN:           c.BindDN,
		BindPasswordFile: c.PasswordFile,
		BaseDN:           c.BaseDN,
		Filter:           c.Filter,
		NameAttribute:    c.UserAttribute,
		Writable:         c.Writable,
		Connections:      c.Connections,
		ConnectTimeout:   c.Timeout,
		Timeout:          c.Timeout,
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read caFile: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("caFile %s holds no certificate", c.CAFile)
		}
		settings.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return ldap.New(settings)
}
