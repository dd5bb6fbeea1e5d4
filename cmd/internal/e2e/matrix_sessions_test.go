package e2e

import (
	"slices"
	"strings"
	"testing"

	"sojourn/http/client"
	"sojourn/http/wire"
)

func sessionCases() []storeCase {
	return []storeCase{
		{"what a session says of itself", describing},
		{"changes of a session", changing},
		{"logout", logout},
		{"logout of all of a user", logoutOfUser},
		{"an existing session", existing},
		{"upgrade", upgrade},
		{"an upgrade that fails", failedUpgrade},
		{"ForceAuth", forceAuth},
	}
}

func describing(t *testing.T, c *cell) {
	token := c.login(t)
	info, err := c.at().Info(t.Context(), token)
	if err != nil || info.Username != matrixWho || info.Realm != c.realm || !strings.HasPrefix(info.UniversalID, "id="+matrixWho+",ou=user,") {
		t.Fatalf("getSessionInfo: %+v, %v", info, err)
	}
	v, err := c.at().Validate(t.Context(), token)
	if err != nil || !v.Valid || v.SessionUID == "" || v.SessionUID != property(info.Properties, "AMCtxId") {
		t.Errorf("validate: %+v, %v; getSessionInfo shows %v", v, err, info.Properties)
	}
	properties, err := c.at().SessionProperties(t.Context(), token)
	if err != nil || property(properties, "demo.place") != "pages" {
		t.Errorf("getSessionProperties: %v, %v", properties, err)
	}
	if life := info.MaxSessionExpirationTime.Sub(info.LatestAccessTime).Minutes(); life < 100 || life > 120 {
		t.Errorf("the session ends %v minutes after its latest access, want about 120", life)
	}
	if _, err := c.at().Info(t.Context(), "no-token-of-ours"); !client.IsStatus(err, 401) {
		t.Errorf("getSessionInfo of a token that is none: %v", err)
	}
}

// changing: AM's limits of client-side sessions are that nothing in them can be
// changed and that they cannot be refreshed.
func changing(t *testing.T, c *cell) {
	token := c.login(t)
	changes := wire.Properties{{Name: "demo.place", Value: "elsewhere"}}
	after, err := c.at().SetSessionProperties(t.Context(), token, changes)
	refreshed, refreshErr := c.at().Refresh(t.Context(), token)
	if c.client {
		if err == nil || property(after, "demo.place") == "elsewhere" {
			t.Errorf("a property of a client-side session was changed: %v", after)
		}
		if refreshErr == nil && refreshed.UID != "" {
			t.Errorf("a client-side session was refreshed: %+v", refreshed)
		}
		now, err := c.at().SessionProperties(t.Context(), token)
		if err != nil || property(now, "demo.place") != "pages" {
			t.Errorf("after a change that was refused: %v, %v", now, err)
		}
		c.everywhere(t, token, true)
		return
	}
	if err != nil || property(after, "demo.place") != "elsewhere" {
		t.Errorf("updateSessionProperties: %v, %v", after, err)
	}
	for i, at := range c.clients {
		now, err := at.SessionProperties(t.Context(), token)
		if err != nil || property(now, "demo.place") != "elsewhere" {
			t.Errorf("member %d shows %v, %v after the change", i+1, now, err)
		}
	}
	if refreshErr != nil || refreshed.UID != matrixWho || refreshed.MaxIdleTime != 30 || refreshed.MaxTime < 7000 {
		t.Errorf("refresh: %+v, %v", refreshed, refreshErr)
	}
	list, err := c.at().SessionsOf(t.Context(), c.realm, matrixWho)
	if err != nil || len(list) == 0 {
		t.Errorf("the list of sessions: %d, %v", len(list), err)
	}
}

func logout(t *testing.T, c *cell) {
	kept := c.login(t)
	for range len(c.clients) { // each time told to another member
		token := c.login(t)
		if ended, err := c.at().Logout(t.Context(), token); err != nil || !ended {
			t.Fatalf("logout: %t, %v", ended, err)
		}
		c.everywhere(t, token, false)
		if ended, err := c.at().Logout(t.Context(), token); err != nil || ended {
			t.Errorf("logout of what has ended: %t, %v", ended, err)
		}
		if _, err := c.at().Info(t.Context(), token); !client.IsStatus(err, 401) {
			t.Errorf("getSessionInfo of what has ended: %v", err)
		}
	}
	c.everywhere(t, kept, true)
}

// logoutOfUser ends client-side sessions too where the realm says so.
func logoutOfUser(t *testing.T, c *cell) {
	must(t, c.at().PutSettings(t.Context(), c.realm, "session", []byte(
		`{"sessionPropertyWhitelist":["AMCtxId","demo.place"],"stateless":{"statelessLogoutByUser":true}}`)))
	tokens := []wire.TokenID{c.login(t), c.login(t)}
	must(t, c.at().LogoutByUser(t.Context(), c.realm, matrixWho))
	for _, token := range tokens {
		c.everywhere(t, token, false)
	}
	c.everywhere(t, c.login(t), true)
}

func existing(t *testing.T, c *cell) {
	token := c.login(t)
	reply, err := c.at().Start(t.Context(), client.Journey{Realm: c.realm, Tree: treePages, Session: token})
	if err != nil || reply.Success == nil || reply.Success.TokenID != "" || reply.Success.NoSession {
		t.Errorf("a session that satisfies the request: %+v, %v", reply, err)
	}
	c.everywhere(t, token, true)
}

// levelOf logs a session in once more, for a higher level.
func (c *cell) levelOf(t *testing.T, token wire.TokenID, user string) (wire.Reply, error) {
	t.Helper()
	c = c.with(token)
	return c.next(t, c.start(t, treeLevel), user)
}

func upgrade(t *testing.T, c *cell) {
	old := c.login(t)
	holder := c.with(old)
	step := holder.start(t, treeLevel)
	c.everywhere(t, old, true)
	token := holder.finish(t, step, matrixWho)
	c.everywhere(t, token, true)
	c.everywhere(t, old, false)
	properties, err := c.at().SessionProperties(t.Context(), token)
	if err != nil || property(properties, "demo.place") != "pages" {
		t.Errorf("the upgraded session lost a property: %v, %v", properties, err)
	}
	// It satisfies both trees.
	for _, tree := range []string{treePages, treeLevel} {
		reply, err := c.at().Start(t.Context(), client.Journey{Realm: c.realm, Tree: tree, Session: token})
		if err != nil || reply.Success == nil {
			t.Errorf("the upgraded session does not satisfy %s: %+v, %v", tree, reply, err)
		}
	}
}

func failedUpgrade(t *testing.T, c *cell) {
	old := c.login(t)
	if reply, err := c.levelOf(t, old, "nobody"); !refusedLogin(err) {
		t.Errorf("an upgrade by somebody unknown: %+v, %v", reply, err)
	}
	if reply, err := c.levelOf(t, old, "user1"); !client.IsStatus(err, 400) {
		t.Errorf("an upgrade as another user: %+v, %v; want AM's error 124", reply, err)
	}
	c.everywhere(t, old, true)
}

func forceAuth(t *testing.T, c *cell) {
	old := c.login(t)
	holder := c.with(old)
	token := holder.walk(t, holder.startWith(t, client.Journey{Tree: treePages, ForceAuth: true}), 0)
	if slices.Contains([]wire.TokenID{old, ""}, token) {
		t.Error("ForceAuth made no new token")
	}
	c.everywhere(t, token, true)
	c.everywhere(t, old, false)
}
