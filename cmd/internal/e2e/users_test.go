package e2e

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// cheapPassword is the password of imported users.
const cheapPassword = "correct horse battery staple"

// importUsers stores users name0, name1, ... whose hash costs about a
// millisecond, so that logins are many. They come as an operator brings them:
// as lines of JSON with a hash that another system made.
func importUsers(t *testing.T, c *client.Client, name string, n int) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(cheapPassword), bcrypt.MinCost)
	must(t, err)
	var lines strings.Builder
	for i := range n {
		line, err := wire.User{Name: fmt.Sprint(name, i), Hash: wire.Password(hash)}.MarshalJSON()
		must(t, err)
		lines.Write(line)
		lines.WriteByte('\n')
	}
	report, err := c.ImportUsers(t.Context(), "/", strings.NewReader(lines.String()), true, nil)
	if err != nil || report.Created+report.Replaced != n {
		t.Fatalf("import %d users: %+v, %v", n, report, err)
	}
}

// login runs the journey Login step by step and returns the token.
func login(t *testing.T, c *client.Client, user, password string) wire.TokenID {
	t.Helper()
	s, err := c.Login(t.Context(), client.Journey{Tree: "Login"}, client.Credentials(user, wire.Password(password)))
	if err != nil {
		t.Fatalf("login of %s: %v", user, err)
	}
	if s.TokenID == "" {
		t.Fatalf("login of %s: no token", user)
	}
	return s.TokenID
}

// valid reports whether a token opens a session, without touching it.
func valid(t *testing.T, c *client.Client, token wire.TokenID) bool {
	t.Helper()
	v, err := c.Peek(t.Context(), token)
	if err != nil {
		t.Fatalf("validate: %v", err)
	}
	return v.Valid
}
