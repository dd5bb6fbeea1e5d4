package rest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"sojourn/cts/session"
	"sojourn/http/client"
	"sojourn/http/server"
	"sojourn/http/wire"
)

// listen serves the rig's API as the daemon does and returns a client of it.
func (r *rig) listen(t testing.TB) *client.Client {
	t.Helper()
	s, err := server.Listen(server.Config{
		Address: "127.0.0.1:0", ContextPath: "/am", Log: slog.New(slog.DiscardHandler),
		Mounts: []server.Mount{
			{Path: "/json/", Handler: r.h},
			{Path: "/json/health/", Handler: r.h, Essential: true},
			{Path: "/json/global-config/sojourn/backup", Handler: r.h, Streaming: true},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background()) //nolint:usetesting // ended by the cleanup, which waits for the server
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c, err := client.New(client.Config{Base: "http://" + s.Addr().String() + "/am", Operator: operatorToken})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

// What the client can do, the server does.
func TestThroughClient(t *testing.T) {
	r := newRig(t)
	c := r.listen(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	token, s := r.login("/alpha", "bjensen")
	own := wire.TokenID(token)

	v, err := c.Validate(ctx, own)
	must(err)
	if v != (wire.Validation{Valid: true, SessionUID: "ctx-bjensen", UID: "bjensen", Realm: "/alpha"}) {
		t.Errorf("validate: %+v", v)
	}
	info, err := c.InfoAndTouch(ctx, own)
	must(err)
	if info.Username != "bjensen" || !info.MaxSessionExpirationTime.Equal(s.MaxExpires()) || len(info.Properties) != 3 {
		t.Errorf("info: %+v", info)
	}
	fresh, err := c.Refresh(ctx, own)
	must(err)
	if fresh.MaxTime != 7200 || fresh.UID != "bjensen" {
		t.Errorf("refresh: %+v", fresh)
	}
	properties, err := c.SetSessionProperties(ctx, own, wire.Properties{{Name: "am.x", Value: "ü\"7"}})
	must(err)
	if len(properties) != 3 || properties[2].Value != "ü\"7" {
		t.Errorf("properties: %+v", properties)
	}
	list, err := c.SessionsOf(ctx, "/alpha", "bjensen")
	must(err)
	if len(list) != 1 || list[0].Handle != string(s.ID.Handle()) {
		t.Fatalf("sessions: %+v", list)
	}
	told, err := c.LogoutByHandle(ctx, list[0].Handle)
	must(err)
	if !told[list[0].Handle] {
		t.Errorf("logoutByHandle told %v", told)
	}
	if _, err := c.Info(ctx, own); !client.IsStatus(err, http.StatusUnauthorized) {
		t.Errorf("info of what was ended: %v", err)
	}
	if ended, err := c.Logout(ctx, own); err != nil || ended {
		t.Errorf("logout of what was ended: %t, %v", ended, err)
	}
	token, _ = r.login("/alpha", "bjensen")
	must(c.LogoutByUser(ctx, "/alpha", "bjensen"))
	if v, err := c.Peek(ctx, wire.TokenID(token)); err != nil || v.Valid {
		t.Errorf("peek: %+v, %v", v, err)
	}

	admin := true
	must(c.CreateUser(ctx, "/", wire.User{Name: "root", Password: "Ch4ng31t", Admin: &admin, Attributes: map[string][]string{"mail": {"r@example.com"}}}))
	if err := c.CreateUser(ctx, "/", wire.User{Name: "root", Password: "x"}); !client.IsStatus(err, http.StatusConflict) {
		t.Errorf("create again: %v", err)
	}
	u, err := c.UpdateUser(ctx, "/", wire.User{Name: "ROOT", Status: "Inactive", Attributes: map[string][]string{"mail": {}}})
	must(err)
	if u.Name != "root" || u.Status != "Inactive" || len(u.Attributes) != 0 || u.Admin == nil || !*u.Admin {
		t.Errorf("update: %+v", u)
	}
	var lines strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&lines, `{"username":"u%04d","_hash":"$2b$04$abcdefghijklmnopqrstuuV6b1k1iRTRjnJvOeEfr8dtTPKfy2nOO"}`+"\n", i)
	}
	report, err := c.ImportUsers(ctx, "/alpha", strings.NewReader(lines.String()), false, nil)
	must(err)
	if report.Created != 1200 {
		t.Errorf("import: %+v", report)
	}
	n := 0
	for u, err := range c.Users(ctx, "/alpha") {
		must(err)
		if want := fmt.Sprintf("u%04d", n); u.Name != want {
			t.Fatalf("user %d is %s", n, u.Name)
		}
		n++
	}
	if n != 1200 {
		t.Errorf("%d users", n)
	}
	must(c.DeleteUser(ctx, "/alpha", "u0007"))
	if _, err := c.User(ctx, "/alpha", "u0007"); !client.IsStatus(err, http.StatusNotFound) {
		t.Errorf("user that was deleted: %v", err)
	}

	must(c.CreateRealm(ctx, "/", "beta"))
	realms, err := c.Realms(ctx)
	must(err)
	if strings.Join(realms, " ") != "/ /beta" {
		t.Errorf("realms: %v", realms)
	}
	must(c.DeleteRealm(ctx, "/beta"))
	made, err := c.PutNode(ctx, "/alpha", "DataStoreDecisionNode", nodeA, []byte(`{}`))
	must(err)
	madeTree, err := c.PutTree(ctx, "/alpha", "a b", []byte(loginTree))
	must(err)
	nodes, err := c.Nodes(ctx, "/alpha")
	must(err)
	trees, err := c.Trees(ctx, "/alpha")
	must(err)
	if !made || !madeTree || len(nodes) != 1 || len(trees) != 1 {
		t.Errorf("made %t %t, %d nodes, %d trees", made, madeTree, len(nodes), len(trees))
	}
	must(c.DeleteTree(ctx, "/alpha", "a b"))
	must(c.DeleteNode(ctx, "/alpha", "DataStoreDecisionNode", nodeA))
	must(c.PutSettings(ctx, "/alpha", "authentication", []byte(`{"core":{"orgConfig":"X"}}`)))
	if raw, err := c.Settings(ctx, "/alpha", "authentication"); err != nil || !bytes.Contains(raw, []byte(`"orgConfig":"X"`)) {
		t.Errorf("settings: %s, %v", raw, err)
	}

	// A backup is larger than any body may otherwise be.
	r.saved = bytes.Repeat([]byte("backup. "), 1<<20)
	var backup bytes.Buffer
	must(c.Backup(ctx, &backup))
	r.saved = nil
	must(c.Restore(ctx, &backup))
	if len(r.saved) != 8<<20 {
		t.Errorf("restored %d bytes", len(r.saved))
	}
	version, err := c.Version(ctx)
	must(err)
	if version.Version != compatible {
		t.Errorf("version: %+v", version)
	}
	must(c.Ready(ctx))
	r.well = &session.UnavailableError{Reason: "no leader"}
	if err := c.Ready(ctx); !client.IsStatus(err, http.StatusServiceUnavailable) {
		t.Errorf("ready: %v", err)
	}
}
