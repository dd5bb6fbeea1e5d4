package daemon

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sojourn/cmd/internal/config"
	"sojourn/cts/session"
)

// The file of the audit has a line for everything that became of a session, with
// AM's names, and no secret.
func TestAuditFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	m := start(t, testConfig(t, func(c *config.Config) { c.Audit.File = file }), nil)
	status, text := m.login(t, m.demo.Password)
	var login struct {
		TokenID string `json:"tokenId"`
	}
	if err := json.Unmarshal([]byte(text), &login); err != nil || status != 200 {
		t.Fatalf("login: %d %s", status, text)
	}
	for _, action := range []string{"validate", "logout", "logout"} {
		if status, text := m.ask(t, "POST", "/json/sessions?_action="+action, strings.NewReader(`{"tokenId":"`+login.TokenID+`"}`)); status != 200 {
			t.Fatalf("%s: %d %s", action, status, text)
		}
	}
	m.changes.Publish(session.Event{
		Kind: session.EventEnded, Reason: session.IdleTimeout, Local: true, Index: 1 << 40,
		Session: session.Session{ID: session.ID{1}, Principal: session.Principal{Realm: "/", UniversalID: "id=idler"}},
	})
	eventually(t, "the audit has a time-out", func() bool {
		raw, err := os.ReadFile(file)
		return err == nil && bytes.Contains(raw, []byte("AM-SESSION-IDLE_TIMED_OUT"))
	})
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		name, _ := line["eventName"].(string)
		events = append(events, name)
		if at, _ := line["timestamp"].(string); len(at) != len("2026-11-22T08:00:00.000Z") || line["level"] != nil || line["component"] != "Session" {
			t.Errorf("%s", lines.Text())
		}
		if name == "AM-SESSION-LOGGED_OUT" && (line["transactionId"] == nil || line["runAs"] == nil || line["realm"] != "/") {
			t.Errorf("%s", lines.Text())
		}
	}
	if want := []string{"AM-SESSION-CREATED", "AM-SESSION-LOGGED_OUT", "AM-SESSION-IDLE_TIMED_OUT"}; !slices.Equal(events, want) {
		t.Errorf("events %v, want %v", events, want)
	}
	if secret, _, _ := strings.Cut(login.TokenID, "*"); bytes.Contains(raw, []byte(secret)) {
		t.Error("a token is in it")
	}
}

// An account that is closed has no sessions left, wherever they are kept; of those
// that the holder keeps also the handle is enough to end one.
func TestClosedAccount(t *testing.T) {
	s := newSite(t)
	stored := s.token()
	s.set("authentication", `{"general":{"statelessSessionsEnabled":true}}`)
	first, second := s.token(), s.token()
	if !s.stored(first).ClientSide || s.stored(stored).ClientSide || !s.valid(stored) {
		t.Fatal("sessions of both kinds are wanted")
	}
	handle := s.stored(first).Handle()
	if a := s.do("POST", below+"/sessions?_action=logoutByHandle", `{"sessionHandles":["`+string(handle)+`"]}`, s.operator()...); a.status != 200 {
		t.Fatal(a.text)
	}
	if s.valid(first) || !s.valid(second) || !s.valid(stored) {
		t.Error("by its handle another session ended")
	}
	if a := s.do("PUT", below+"/users/"+s.demo.User, `{"inetUserStatus":"Inactive"}`, s.operator()...); a.status != 200 {
		t.Fatal(a.text)
	}
	if s.valid(second) || s.valid(stored) {
		t.Error("the closed account has a session")
	}
}
