package chaos

import (
	"cmp"
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

// journey is the tree of sessions: name and password on one page.
const journey = "chaos"

// journeysExport are the trees of the load with their nodes, as AM's API takes
// them.
//
//go:embed journeys.json
var journeysExport []byte

// prepare stores the journeys and the users. A user's hash is the cheapest that
// can be imported, so that logins cost the cluster and not the hash.
func (l *Load) prepare(ctx context.Context, c *client.Client) error {
	var export struct {
		Trees []json.RawMessage `json:"trees"`
		Nodes []struct {
			ID   string          `json:"id"`
			Kind string          `json:"kind"`
			Node json.RawMessage `json:"node"`
		} `json:"nodes"`
	}
	if err := json.Unmarshal(journeysExport, &export); err != nil {
		return fmt.Errorf("chaos: the journeys: %w", err)
	}
	for _, n := range export.Nodes {
		if _, err := c.PutNode(ctx, l.cfg.Realm, n.Kind, n.ID, n.Node); err != nil {
			return fmt.Errorf("chaos: store a node of the journeys: %w", err)
		}
	}
	for _, tree := range export.Trees {
		var named struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal(tree, &named); err != nil {
			return fmt.Errorf("chaos: the journeys: %w", err)
		}
		if _, err := c.PutTree(ctx, l.cfg.Realm, named.ID, tree); err != nil {
			return fmt.Errorf("chaos: store a journey: %w", err)
		}
	}
	if l.cfg.Store != "" || l.cfg.ClientSide {
		settings := fmt.Appendf(nil, `{"trees":{"authenticationSessionsStateManagement":%q},"general":{"statelessSessionsEnabled":%t}}`,
			cmp.Or(l.cfg.Store, "In-Memory"), l.cfg.ClientSide)
		if err := c.PutSettings(ctx, l.cfg.Realm, "authentication", settings); err != nil {
			return fmt.Errorf("chaos: choose the stores: %w", err)
		}
	}
	hash, err := l.cheapHash()
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	var lines strings.Builder
	for i := range l.cfg.Users {
		line, err := wire.User{Name: user(i), Hash: wire.Password(hash)}.MarshalJSON()
		if err != nil {
			return fmt.Errorf("chaos: %w", err)
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	report, err := c.ImportUsers(ctx, l.cfg.Realm, strings.NewReader(lines.String()), true, nil)
	if err != nil {
		return fmt.Errorf("chaos: import users: %w", err)
	}
	if got := report.Created + report.Replaced; got != l.cfg.Users {
		return fmt.Errorf("chaos: %d of %d users were imported", got, l.cfg.Users)
	}
	return nil
}

// cheapHash is that of the password by one round of PBKDF2, as passlib writes it.
func (l *Load) cheapHash() (string, error) {
	salt := []byte("one salt for all")
	key, err := pbkdf2.Key(sha256.New, string(l.password), salt, 1, sha256.Size)
	if err != nil {
		return "", err
	}
	text := func(b []byte) string { return strings.ReplaceAll(base64.RawStdEncoding.EncodeToString(b), "+", ".") }
	return fmt.Sprintf("$pbkdf2-sha256$1$%s$%s", text(salt), text(key)), nil
}

func user(i int) string { return fmt.Sprint("chaos", i) }
