package e2e

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/cmd/internal/secret"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// another starts a further member of the cluster that seed belongs to, with an
// empty folder.
func another(t *testing.T, seed *member, name string) *member {
	t.Helper()
	p := *seed.place
	p.data = filepath.Join(t.TempDir(), "data")
	return p.start(t, "--name", name, "--cluster", "127.0.0.1:0", "--join", seed.Cluster)
}

// TestGrowth: a member that was alone, with what it has stored then, grows to
// three while it serves; what is written through one is there at all when the
// call returns; and it may go.
func TestGrowth(t *testing.T) {
	ctx := t.Context()
	first := newPlace(t).start(t, "--cluster", "127.0.0.1:0")
	demo := client.Journey{Username: first.place.seed.User, Password: wire.Password(first.place.seed.Password)}
	before, err := first.client(t).Start(ctx, demo)
	must(t, err)
	members := []*member{first, another(t, first, "two"), another(t, first, "three")}
	clients := make([]*client.Client, len(members))
	for i, m := range members {
		clients[i] = m.client(t)
	}
	eventually(t, readyLimit, "all members vote", func() bool {
		all, err := clients[2].Members(ctx)
		return err == nil && len(all) == 3 && !slices.ContainsFunc(all, func(m wire.ClusterMember) bool { return !m.Voter })
	})
	valid := func(token wire.TokenID, want bool, at ...int) {
		t.Helper()
		for _, i := range at {
			if v, err := clients[i].Peek(ctx, token); err != nil || v.Valid != want {
				t.Errorf("member %d calls the session valid: %t, %v; want %t", i, v.Valid, err, want)
			}
		}
	}
	valid(before.Success.TokenID, true, 0, 1, 2)

	for i := range 10 { // each time through another member
		a, b, c := clients[i%3], clients[(i+1)%3], clients[(i+2)%3]
		name := "grown" + string(rune('a'+i))
		must(t, a.CreateUser(ctx, "/", wire.User{Name: name, Password: "Correct-Horse-7"}))
		reply, err := b.Start(ctx, client.Journey{Username: name, Password: "Correct-Horse-7"})
		if err != nil || reply.Success == nil {
			t.Fatalf("a user made at one member cannot log in at another: %v", err)
		}
		valid(reply.Success.TokenID, true, 0, 1, 2)
		if _, err := c.Logout(ctx, reply.Success.TokenID); err != nil {
			t.Fatal(err)
		}
		valid(reply.Success.TokenID, false, 0, 1, 2)
		tree, err := a.Tree(ctx, "/", "Login")
		must(t, err)
		var body map[string]any
		must(t, json.Unmarshal(tree, &body))
		body["description"] = name
		tree, err = json.Marshal(body)
		must(t, err)
		_, err = b.PutTree(ctx, "/", "Login", tree)
		must(t, err)
		if read, err := c.Tree(ctx, "/", "Login"); err != nil || !strings.Contains(string(read), `"`+name+`"`) {
			t.Errorf("a tree changed at one member is another one at the next: %v", err)
		}
	}

	first.kill(t)
	eventually(t, readyLimit, "the others answer without the first", func() bool {
		v, err := clients[1].Peek(ctx, before.Success.TokenID)
		return err == nil && v.Valid
	})
	if _, err := clients[2].Start(ctx, demo); err != nil {
		t.Errorf("no login without the first member: %v", err)
	}
}

// TestStrangers: who cannot prove to belong to the cluster is refused, and both
// sides say so.
func TestStrangers(t *testing.T) {
	inside := newPlace(t).start(t, "--cluster", "127.0.0.1:0")
	t.Run("another secret", func(t *testing.T) {
		p := *inside.place
		dir := t.TempDir()
		p.data, p.secretFile = filepath.Join(dir, "data"), filepath.Join(dir, "secret")
		text, err := secret.Generate(rand.Reader)
		must(t, err)
		must(t, os.WriteFile(p.secretFile, []byte(text), 0o600))
		m, _ := p.launch(t, "--name", "stranger", "--cluster", "127.0.0.1:0", "--join", inside.Cluster)
		eventually(t, readyLimit, "both sides tell of the refusal", func() bool {
			return strings.Contains(m.log.String(), "no mutual proof of belonging to one cluster") &&
				strings.Contains(inside.log.String(), "does not prove that it belongs to this cluster")
		})
		all, err := inside.client(t).Members(t.Context())
		if err != nil || len(all) != 1 {
			t.Errorf("the cluster has %d members, %v; want 1", len(all), err)
		}
		m.kill(t)
	})
	t.Run("no certificate", func(t *testing.T) {
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"sojourn/1"}}} //nolint:gosec // as somebody does who does not care
		conn, err := dialer.DialContext(t.Context(), "tcp", inside.Cluster)
		if err == nil {
			refusedOn(t, conn)
		}
	})
	t.Run("no TLS", func(t *testing.T) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inside.Cluster)
		must(t, err)
		_, err = conn.Write([]byte("SJRN\x00\x16\x01\x01\x02"))
		must(t, err)
		refusedOn(t, conn)
	})
}

// refusedOn wants a connection to be closed by the other side.
func refusedOn(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	buffer := make([]byte, 1024)
	for {
		if _, err := conn.Read(buffer); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // as it comes from Read
				t.Error("the connection stays open")
			}
			return
		}
	}
}
