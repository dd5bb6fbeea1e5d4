package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"sojourn/actors/realm"
	"sojourn/cmd/internal/secret"
	"sojourn/http/client"
)

// defaultServer is where a member serves when nothing else is said.
const defaultServer = "http://127.0.0.1:8080/am"

// target is the running member that a command talks to.
type target struct {
	env                        Env
	server, secretFile, caFile string
	shared                     bool
}

// addTarget adds the flags that name a member and its secret, to a command and
// all of its subcommands.
func addTarget(env Env, cmd *cobra.Command) *target {
	t := &target{env: env}
	fs := cmd.PersistentFlags()
	fs.StringVar(&t.server, "server", "", "`URL` of a running member (or "+envServer+"; default "+defaultServer+")")
	fs.StringVar(&t.secretFile, "secret", "", "`file` with the cluster secret (or SOJOURN_SECRET_FILE)")
	fs.BoolVar(&t.shared, "secret-shared", false, "accept a secret file that others on this machine may read")
	fs.StringVar(&t.caFile, "ca", "", "`file` (PEM) with the authorities that may have signed the member's certificate; default: the system's")
	return t
}

// url is the member's URL: flag, environment, default.
func (t *target) url() string {
	for _, text := range []string{t.server, t.env.Getenv(envServer)} {
		if text != "" {
			return text
		}
	}
	return defaultServer
}

// with makes a client, lets do use it, and says what to do next when the member
// refuses or cannot be reached.
func (t *target) with(ctx context.Context, do func(ctx context.Context, c *client.Client) error) error {
	c, err := t.client()
	if err != nil {
		return err
	}
	defer c.Close()
	return t.explain(do(ctx, c))
}

func (t *target) client() (*client.Client, error) {
	u, err := url.Parse(t.url())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, misusef("--server: %q is not like %s", t.url(), defaultServer)
	}
	master, err := t.secret()
	if err != nil {
		return nil, err
	}
	if u.Scheme == "http" && !onLoopback(u.Hostname()) {
		fmt.Fprintf(t.env.Stderr, "warning: the operator token travels to %s in clear; use https\n", u.Host)
	}
	roots, err := t.roots()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Base:     t.url(),
		Operator: client.OperatorToken(master.OperatorToken().Reveal()),
		TLS:      &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	})
}

func (t *target) secret() (secret.Secret, error) {
	file := t.secretFile
	if file == "" {
		if text := t.env.Getenv("SOJOURN_SECRET"); text != "" {
			return parseSecret("SOJOURN_SECRET", []byte(text))
		}
		file = t.env.Getenv("SOJOURN_SECRET_FILE")
	}
	if file == "" {
		return secret.Secret{}, misusef("the cluster secret is needed: --secret FILE or SOJOURN_SECRET_FILE")
	}
	return readSecret(file, t.shared)
}

func (t *target) roots() (*x509.CertPool, error) {
	if t.caFile == "" {
		return nil, nil //nolint:nilnil // crypto/tls takes nil for the system's
	}
	pem, err := os.ReadFile(t.caFile)
	if err != nil {
		return nil, fmt.Errorf("read --ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca: %s has no certificate in PEM", t.caFile)
	}
	return roots, nil
}

func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// explain adds to an error what an operator can do about it.
func (t *target) explain(err error) error {
	var refused *client.Error
	var dial *net.OpError
	switch {
	case errors.As(err, &refused):
		switch refused.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("%w; is the secret that of the member at %s?", err, t.url())
		case http.StatusServiceUnavailable:
			return fmt.Errorf("%w; the member cannot do this now, and nothing is wrong with the request: try again", err)
		}
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%w; does a member run at %s? --server names another", err, t.url())
	}
	return err
}

// realmFlag adds --realm to a command and all of its subcommands.
func realmFlag(cmd *cobra.Command) *string {
	return cmd.PersistentFlags().String("realm", "/", "realm, a slash `path` such as /alpha")
}

// parseRealm reads the value of --realm.
func parseRealm(text string) (string, error) {
	name, err := realm.Parse(text)
	if err != nil {
		return "", misuseError{fmt.Errorf("--realm: %w", err)}
	}
	return string(name), nil
}
