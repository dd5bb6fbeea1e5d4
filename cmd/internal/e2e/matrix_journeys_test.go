package e2e

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"sojourn/http/client"
	"sojourn/http/wire"
)

func journeyCases() []storeCase {
	return []storeCase{
		{"several pages", severalPages},
		{"wrong answers", wrongAnswers},
		{"the same answers again", sameAgain},
		{"the last answers again", lastAgain},
		{"other answers to an old step", otherAnswers},
		{"no pages", zeroPage},
		{"no session", noSession},
		{"allowlisting", allowlisting},
		{"another store while journeys run", switching},
	}
}

func severalPages(t *testing.T, c *cell) {
	step := c.start(t, treePages)
	want := map[string]string{"In-Memory": "IN_MEMORY_AUTH", "CTS": "CTS_AUTH", "JWT": "JWT_AUTH"}[c.journeys]
	asks := []string{"NameCallback", "ChoiceCallback", "TextOutputCallback", "PasswordCallback"}
	answers := answersOfPages()
	for i, callback := range asks {
		if got := string(step.Callbacks[0].Type); got != callback {
			t.Fatalf("page %d asks with a %s, want %s", i+1, got, callback)
		}
		if got := storeOf(t, step.AuthID); got != want {
			t.Errorf("the journey is kept as %q at page %d, want %q", got, i+1, want)
		}
		if i < len(asks)-1 {
			step = c.must(t, step, answers[i])
		}
	}
	token := c.finish(t, step, answers[len(answers)-1])
	kind := "CTS"
	if c.client {
		kind = "JWT"
	}
	if got := typeOf(t, string(token)); got != kind {
		t.Errorf("the session is kept as %q, want %q", got, kind)
	}
	c.everywhere(t, token, true)
}

func wrongAnswers(t *testing.T, c *cell) {
	step := c.start(t, treePages)
	for _, value := range answersOfPages()[:3] {
		step = c.must(t, step, value)
	}
	reply, err := c.next(t, step, "a wrong password")
	if !refusedLogin(err) {
		t.Fatalf("a wrong password: %+v, %v", reply, err)
	}
	// The journey is over: the right password is other answers to an old step.
	if reply, err = c.next(t, step, cheapPassword); !isTimeout(err) {
		t.Errorf("the right password after the journey's end: %+v, %v; want error 110", reply, err)
	}
	if reply, err = c.next(t, step, "a wrong password"); !refusedLogin(err) && !isTimeout(err) {
		t.Errorf("the wrong password again: %+v, %v", reply, err)
	}
	refused := c.start(t, treePages)
	refused = c.must(t, refused, matrixWho)
	refused = c.must(t, refused, 0)
	if reply, err = c.next(t, refused, 1); !refusedLogin(err) { // the button "No"
		t.Errorf("the question answered with no: %+v, %v", reply, err)
	}
}

func sameAgain(t *testing.T, c *cell) {
	step := c.start(t, treePages)
	answers := answersOfPages()
	for i, value := range answers[:3] {
		once := c.must(t, step, value)
		again := c.must(t, step, value)
		if a, b := once.Callbacks[0], again.Callbacks[0]; a.Type != b.Type {
			t.Errorf("page %d answered twice: a %s, then a %s", i+1, a.Type, b.Type)
		}
		step = again
	}
	c.everywhere(t, c.finish(t, step, answers[3]), true)
}

func lastAgain(t *testing.T, c *cell) {
	step := c.start(t, treePages)
	answers := answersOfPages()
	for _, value := range answers[:3] {
		step = c.must(t, step, value)
	}
	var tokens []wire.TokenID
	uids := map[string]bool{}
	for range 3 {
		token := c.finish(t, step, answers[3])
		v, err := c.at().Peek(t.Context(), token)
		if err != nil || !v.Valid {
			t.Fatalf("a token of a repeated answer: %+v, %v", v, err)
		}
		uids[v.SessionUID] = true
		tokens = append(tokens, token)
	}
	if len(uids) != 1 {
		t.Errorf("one journey made %d sessions", len(uids))
	}
	for _, token := range tokens[1:] {
		if !c.client && token != tokens[0] {
			t.Error("the same answers had another token")
		}
	}
	if ended, err := c.at().Logout(t.Context(), tokens[0]); err != nil || !ended {
		t.Fatalf("logout: %t, %v", ended, err)
	}
	for _, token := range tokens {
		c.everywhere(t, token, false)
	}
	// What has ended is not made again.
	if reply, err := c.next(t, step, answers[3]); err == nil && reply.Success != nil {
		c.everywhere(t, reply.Success.TokenID, false)
	}
}

func otherAnswers(t *testing.T, c *cell) {
	first := c.start(t, treePages)
	second := c.must(t, first, matrixWho)
	if reply, err := c.next(t, first, "user1"); !isTimeout(err) {
		t.Errorf("other answers to the first page: %+v, %v; want error 110", reply, err)
	}
	third := c.must(t, second, 0)
	if reply, err := c.next(t, second, 1); !isTimeout(err) {
		t.Errorf("other answers to the second page: %+v, %v; want error 110", reply, err)
	}
	// Nobody who tries that stops the journey.
	c.everywhere(t, c.walk(t, third, 2), true)
	if reply, err := c.next(t, third, 1); !isTimeout(err) {
		t.Errorf("other answers after the end: %+v, %v; want error 110", reply, err)
	}
}

func zeroPage(t *testing.T, c *cell) {
	j := client.Journey{Realm: c.realm, Tree: treeLogin, Username: matrixWho, Password: cheapPassword}
	reply, err := c.at().Start(t.Context(), j)
	if err != nil || reply.Success == nil {
		t.Fatalf("name and password in the header: %+v, %v", reply, err)
	}
	c.everywhere(t, reply.Success.TokenID, true)
	j.Password = "a wrong one"
	if reply, err := c.at().Start(t.Context(), j); !refusedLogin(err) {
		t.Errorf("a wrong password in the header: %+v, %v", reply, err)
	}
}

func noSession(t *testing.T, c *cell) {
	step := c.startWith(t, client.Journey{Tree: treePages, NoSession: true})
	for _, value := range answersOfPages()[:3] {
		step = c.must(t, step, value)
	}
	reply, err := c.next(t, step, cheapPassword)
	if err != nil || reply.Success == nil || !reply.Success.NoSession || reply.Success.TokenID != "" {
		t.Errorf("with noSession: %+v, %v", reply, err)
	}
}

// allowlistState is AM's claim whitelist-state of an authId, "" for none.
func allowlistState(t *testing.T, id wire.SignedAuthID) string {
	t.Helper()
	_, rest, _ := strings.Cut(string(id), ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	must(t, err)
	var claims map[string]any
	must(t, json.Unmarshal(raw, &claims))
	state, _ := claims["whitelist-state"].(string)
	return state
}

func allowlisting(t *testing.T, c *cell) {
	defer c.keep(t, c.stores, "")
	c.keep(t, c.stores, `,"authenticationSessionsWhitelist":true`)
	step := c.start(t, treePages)
	seen := map[string]bool{}
	answers := answersOfPages()
	for i := range answers {
		state := allowlistState(t, step.AuthID)
		if state == "" || seen[state] {
			t.Errorf("page %d: the allowlist's state is %q, which is empty or was there before", i+1, state)
		}
		seen[state] = true
		if i == len(answers)-1 {
			break
		}
		after := c.must(t, step, answers[i])
		if reply, err := c.next(t, step, []any{"user1", 0, 1}[i]); !isTimeout(err) {
			t.Errorf("page %d: other answers: %+v, %v; want error 110", i+1, reply, err)
		}
		step = after
	}
	c.keep(t, c.stores, "")
	// A journey that began with the claims keeps them, one that begins now has none.
	c.everywhere(t, c.finish(t, step, answers[len(answers)-1]), true)
	if state := allowlistState(t, c.start(t, treePages).AuthID); state != "" {
		t.Errorf("without allowlisting the claim is %q", state)
	}
}

// switching: what has begun stays where it is, what begins goes where the realm
// says now.
func switching(t *testing.T, c *cell) {
	defer c.keep(t, c.stores, "")
	first := c.must(t, c.start(t, treePages), matrixWho)
	kept := storeOf(t, first.AuthID)
	sessions := []wire.TokenID{c.login(t)}
	begun := []wire.Step{}
	for _, other := range storeMatrix() {
		if other == c.stores {
			continue
		}
		c.keep(t, other, "")
		sessions = append(sessions, c.login(t))
		begun = append(begun, c.must(t, c.start(t, treePages), matrixWho))
		for _, token := range sessions {
			c.everywhere(t, token, true)
		}
	}
	c.keep(t, c.stores, "")
	first = c.must(t, first, 1)
	if now := storeOf(t, first.AuthID); now != kept {
		t.Errorf("a journey moved from %q to %q", kept, now)
	}
	sessions = append(sessions, c.walk(t, first, 2))
	for _, step := range begun {
		sessions = append(sessions, c.walk(t, step, 1))
	}
	for i, token := range sessions {
		c.everywhere(t, token, true)
		if i%2 == 0 {
			if ended, err := c.at().Logout(t.Context(), token); err != nil || !ended {
				t.Errorf("logout of session %d: %t, %v", i, ended, err)
			}
			c.everywhere(t, token, false)
		}
	}
}
