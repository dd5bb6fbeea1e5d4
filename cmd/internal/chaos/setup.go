package chaos

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"sojourn/http/client"
	"sojourn/http/wire"
)

// journey is the tree that the load runs: name and password on one page.
const journey = "chaos"

// journeyExport is that tree with its nodes, as AM's API takes them.
//
//go:embed journey.json
var journeyExport []byte

// password is that of all users of the load.
const password wire.Password = "correct horse battery staple"

// prepare stores the journey and the users. A user's hash is the cheapest that
// can be imported, so that logins cost the cluster and not the hash.
func prepare(ctx context.Context, c *client.Client, users int) error {
	var export struct {
		Tree  json.RawMessage `json:"tree"`
		Nodes []struct {
			ID   string          `json:"id"`
			Kind string          `json:"kind"`
			Node json.RawMessage `json:"node"`
		} `json:"nodes"`
	}
	if err := json.Unmarshal(journeyExport, &export); err != nil {
		return fmt.Errorf("chaos: the journey: %w", err)
	}
	for _, n := range export.Nodes {
		if _, err := c.PutNode(ctx, "/", n.Kind, n.ID, n.Node); err != nil {
			return fmt.Errorf("chaos: store a node of the journey: %w", err)
		}
	}
	if _, err := c.PutTree(ctx, "/", journey, export.Tree); err != nil {
		return fmt.Errorf("chaos: store the journey: %w", err)
	}
	hash, err := cheapHash()
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	var lines strings.Builder
	for i := range users {
		line, err := wire.User{Name: user(i), Hash: wire.Password(hash)}.MarshalJSON()
		if err != nil {
			return fmt.Errorf("chaos: %w", err)
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	report, err := c.ImportUsers(ctx, "/", strings.NewReader(lines.String()), true, nil)
	if err != nil {
		return fmt.Errorf("chaos: import users: %w", err)
	}
	if got := report.Created + report.Replaced; got != users {
		return fmt.Errorf("chaos: %d of %d users were imported", got, users)
	}
	return nil
}

// cheapHash is that of password by one round of PBKDF2, as passlib writes it.
func cheapHash() (string, error) {
	salt := []byte("one salt for all")
	key, err := pbkdf2.Key(sha256.New, string(password), salt, 1, sha256.Size)
	if err != nil {
		return "", err
	}
	text := func(b []byte) string { return strings.ReplaceAll(base64.RawStdEncoding.EncodeToString(b), "+", ".") }
	return fmt.Sprintf("$pbkdf2-sha256$1$%s$%s", text(salt), text(key)), nil
}

func user(i int) string { return fmt.Sprint("chaos", i) }
