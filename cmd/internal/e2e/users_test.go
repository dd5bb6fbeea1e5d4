package e2e

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"

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
	importUsersTo(t, c, "/", name, n)
}

// importUsersTo is importUsers for another realm.
func importUsersTo(t *testing.T, c *client.Client, realm, name string, n int) {
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
	report, err := c.ImportUsers(t.Context(), realm, strings.NewReader(lines.String()), true, nil)
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

// makeSessions logs in n times, users in turn, each in one request, and returns
// the tokens in order.
func makeSessions(t *testing.T, c *client.Client, user string, users, n int) []wire.TokenID {
	t.Helper()
	tokens := make([]wire.TokenID, n)
	each(t, n, func(i int) error {
		reply, err := c.Start(t.Context(), client.Journey{Tree: "Login", Username: fmt.Sprint(user, i%users), Password: cheapPassword})
		if err != nil {
			return fmt.Errorf("login %d: %w", i, err)
		}
		if reply.Success == nil || reply.Success.TokenID == "" {
			return fmt.Errorf("login %d made no session", i)
		}
		tokens[i] = reply.Success.TokenID
		return nil
	})
	return tokens
}

// invalid counts the tokens that open no session.
func invalid(t *testing.T, c *client.Client, tokens []wire.TokenID) int {
	t.Helper()
	var count atomic.Int64
	each(t, len(tokens), func(i int) error {
		v, err := c.Peek(t.Context(), tokens[i])
		if err != nil {
			return fmt.Errorf("validate token %d: %w", i, err)
		}
		if !v.Valid {
			count.Add(1)
		}
		return nil
	})
	return int(count.Load())
}

// each calls f for 0 to n-1 from several goroutines, until one fails.
func each(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	const workers = 32
	var next atomic.Int64
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := f(i); err != nil {
					next.Store(int64(n))
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
