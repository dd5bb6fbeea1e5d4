package daemon

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// kept is what a journey's sessionId says of the place where it waits.
func (s *site) kept(step answered) string {
	s.t.Helper()
	id, _ := s.claims(step)["sessionId"].(string)
	for part := range strings.SplitSeq(id, "*") {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "."))
		for _, word := range []string{"IN_MEMORY_AUTH", "CTS_AUTH", "JWT_AUTH"} {
			if strings.Contains(part, word) || err == nil && strings.Contains(string(raw), word) {
				return word
			}
		}
	}
	return id
}

// answers the page of the tree Login.
func (s *site) answers(step answered) answered {
	s.t.Helper()
	body := strings.NewReplacer(`{"name":"IDToken1","value":""}`, `{"name":"IDToken1","value":"`+s.demo.User+`"}`,
		`{"name":"IDToken2","value":""}`, `{"name":"IDToken2","value":"`+s.demo.Password+`"}`).Replace(step.text)
	return s.do(http.MethodPost, below+"/authenticate", body)
}

func storeEffects() map[string]func(*testing.T, *site) {
	return map[string]func(*testing.T, *site){
		"authentication trees.authenticationSessionsStateManagement": func(t *testing.T, s *site) {
			begun := s.begin("")
			for setting, want := range map[string]string{"CTS": "CTS_AUTH", "JWT": "JWT_AUTH", "In-Memory": "IN_MEMORY_AUTH"} {
				s.set(realm.DocumentAuthentication, `{"trees":{"authenticationSessionsStateManagement":"`+setting+`"}}`)
				step := s.begin("")
				if got := s.kept(step); got != want {
					t.Errorf("%s: %s", setting, got)
				}
				if a := s.answers(step); a.status != http.StatusOK || a.member(t, "tokenId") == "" {
					t.Errorf("%s: %d %s", setting, a.status, a.text)
				}
			}
			if a := s.answers(begun); a.status != http.StatusOK || a.member(t, "tokenId") == "" {
				t.Errorf("a journey that had begun: %d %s", a.status, a.text)
			}
		},
		"authentication trees.authenticationSessionsWhitelist": func(t *testing.T, s *site) {
			if _, there := s.claims(s.begin(""))["whitelist-state"]; there {
				t.Error("claims without the setting")
			}
			s.set(realm.DocumentAuthentication, `{"trees":{"authenticationSessionsWhitelist":true}}`)
			step := s.begin("")
			if _, there := s.claims(step)["whitelist-state"]; !there {
				t.Errorf("claims %v", s.claims(step))
			}
			if a := s.answers(step); a.status != http.StatusOK {
				t.Errorf("%d %s", a.status, a.text)
			}
		},
		"session general.crossUpgradeReferenceFlag": func(t *testing.T, s *site) {
			reference := func(token string) string { s.t.Helper(); return s.stored(token).Properties[session.PropertyReference] }
			if got := reference(s.token()); got != "" {
				t.Errorf("XUSRef %q without the setting", got)
			}
			s.set(realm.DocumentSession, `{"general":{"crossUpgradeReferenceFlag":true}}`)
			old := s.token()
			first := reference(old)
			if first == "" || first != s.stored(old).Properties[session.PropertyContextID] {
				t.Errorf("XUSRef %q", first)
			}
			_, renewed := s.upgraded(old)
			if got := reference(renewed); got != first || s.stored(renewed).Properties[session.PropertyContextID] == first {
				t.Errorf("XUSRef %q after an upgrade, %q before", got, first)
			}
		},
		"session notifications.propertyChangeNotifications": func(t *testing.T, s *site) {
			s.set(realm.DocumentProperties, `{"sessionPropertyWhitelist":["one","two"]}`)
			if got := s.told(t, "one"); strings.Contains(got, `"one"`) {
				t.Errorf("told while off: %s", got)
			}
			s.set(realm.DocumentSession, `{"notifications":{"propertyChangeNotifications":"ON"}}`)
			if got := s.told(t, "one"); !strings.Contains(got, `"one"`) {
				t.Errorf("told while on: %s", got)
			}
		},
		"session notifications.notificationPropertyList": func(t *testing.T, s *site) {
			s.set(realm.DocumentProperties, `{"sessionPropertyWhitelist":["one","two"]}`)
			s.set(realm.DocumentSession, `{"notifications":{"propertyChangeNotifications":"ON","notificationPropertyList":["two"]}}`)
			if got := s.told(t, "one"); strings.Contains(got, `"one"`) {
				t.Errorf("told of one: %s", got)
			}
			if got := s.told(t, "two"); !strings.Contains(got, `"two"`) {
				t.Errorf("told of two: %s", got)
			}
		},
	}
}

// upgraded is a session and the one that took its place.
func (s *site) upgraded(before string) (old, renewed string) {
	s.t.Helper()
	a := s.do(http.MethodPost, below+"/authenticate?ForceAuth=true", "", "iPlanetDirectoryPro", before,
		"X-OpenAM-Username", s.demo.User, "X-OpenAM-Password", s.demo.Password)
	return before, a.member(s.t, "tokenId")
}

// told is all that a listener hears of a session between its beginning and its
// end, in which one property is changed.
func (s *site) told(t *testing.T, property string) string {
	t.Helper()
	token := s.token()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/json"+below+"/sessions/notifications", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("iPlanetDirectoryPro", token)
	stream, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	if stream.StatusCode != http.StatusOK || !lines.Scan() {
		t.Fatalf("%d %v", stream.StatusCode, lines.Err())
	}
	if a := s.do(http.MethodPost, below+"/sessions?_action=updateSessionProperties", `{"`+property+`":"x"}`, "iPlanetDirectoryPro", token); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.text)
	}
	if a := s.sessions("logout", token); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.text)
	}
	var all strings.Builder
	for lines.Scan() { // the stream ends with its session
		all.WriteString(lines.Text() + "\n")
	}
	return all.String()
}

func clientSideEffects() map[string]func(*testing.T, *site) {
	const on = `{"general":{"statelessSessionsEnabled":true}}`
	// held switches client-side sessions on, with these settings beside.
	held := func(s *site, stateless string) {
		s.t.Helper()
		s.set(realm.DocumentAuthentication, on)
		if stateless != "" {
			s.set(realm.DocumentSession, `{"stateless":{`+stateless+`}}`)
		}
	}
	// parts are those of the token's text that its holder keeps.
	parts := func(token string) []string { return strings.Split(token[strings.LastIndexByte(token, '*')+1:], ".") }
	header := func(s *site, part string) map[string]any {
		s.t.Helper()
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			s.t.Fatal(err)
		}
		var h map[string]any
		if err := json.Unmarshal(raw, &h); err != nil {
			s.t.Fatal(err)
		}
		return h
	}
	// inner is the header of what is encrypted inside a signed token.
	inner := func(s *site, token string) map[string]any {
		s.t.Helper()
		raw, err := base64.RawURLEncoding.DecodeString(parts(token)[1])
		if err != nil {
			s.t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(raw), ".")
		return header(s, first)
	}
	// fresh is a session's token, once there is a key for it: the leader makes
	// private keys when a realm's settings ask for them.
	fresh := func(s *site) string {
		s.t.Helper()
		var token string
		eventually(s.t, "a token", func() bool {
			a := s.login()
			if a.status == http.StatusServiceUnavailable {
				return false
			}
			token = a.member(s.t, "tokenId")
			return true
		})
		if !s.valid(token) {
			s.t.Error("its token is not valid")
		}
		return token
	}
	return map[string]func(*testing.T, *site){
		"authentication general.statelessSessionsEnabled": func(t *testing.T, s *site) {
			stored := s.token()
			held(s, "")
			if token := fresh(s); len(parts(token)) != 3 || !s.stored(token).ClientSide {
				t.Error("the session is not kept by its holder")
			}
			if !s.valid(stored) {
				t.Error("a session that was there has ended")
			}
		},
		"session stateless.statelessSigningType": func(t *testing.T, s *site) {
			held(s, `"statelessSigningType":"HS512"`)
			if got := header(s, parts(fresh(s))[0])["alg"]; got != "HS512" {
				t.Errorf("signed by %v", got)
			}
			s.set(realm.DocumentSession, `{"stateless":{"statelessSigningType":"ES256"}}`)
			if got := header(s, parts(fresh(s))[0])["alg"]; got != "ES256" {
				t.Errorf("signed by %v", got)
			}
			s.set(realm.DocumentSession, `{}`)
			s.global(realm.DocumentSession, `{"stateless":{"statelessSigningType":"ES384"}}`)
			if got := header(s, parts(fresh(s))[0])["alg"]; got != "ES384" {
				t.Errorf("signed by %v, with the setting of all realms", got)
			}
		},
		"session stateless.statelessEncryptionType": func(t *testing.T, s *site) {
			for setting, want := range map[string]string{"DIRECT": "dir", "AES_KEYWRAP": "A256KW", "RSA": "RSA-OAEP-256"} {
				held(s, `"statelessEncryptionType":"`+setting+`"`)
				if got := inner(s, fresh(s)); got["alg"] != want || got["enc"] != "A128CBC-HS256" {
					t.Errorf("%s: %v", setting, got)
				}
			}
		},
		"session stateless.statelessCompressionType": func(t *testing.T, s *site) {
			held(s, "")
			if got := inner(s, fresh(s))["zip"]; got == "DEF" {
				t.Error("compressed without the setting")
			}
			held(s, `"statelessCompressionType":"DEF"`)
			if got := inner(s, fresh(s))["zip"]; got != "DEF" {
				t.Errorf("zip is %v", got)
			}
		},
		"session stateless.openam-session-stateless-enable-session-blacklisting": func(t *testing.T, s *site) {
			held(s, "")
			token := fresh(s)
			if s.sessions("logout", token); s.valid(token) {
				t.Error("valid after its logout")
			}
			held(s, `"openam-session-stateless-enable-session-blacklisting":false`)
			token = fresh(s)
			if s.sessions("logout", token); !s.valid(token) {
				t.Error("without a list, a logout ended the session")
			}
		},
		"session stateless.statelessLogoutByUser": func(t *testing.T, s *site) {
			everywhere := func() {
				if a := s.do(http.MethodPost, below+"/sessions?_action=logoutByUser", `{"username":"demo"}`, s.operator()...); a.status != http.StatusOK {
					t.Fatalf("%d %s", a.status, a.text)
				}
			}
			held(s, "")
			token := fresh(s)
			if everywhere(); !s.valid(token) {
				t.Error("ended without the setting")
			}
			held(s, `"statelessLogoutByUser":true`)
			if everywhere(); s.valid(token) {
				t.Error("valid after the logout of its user")
			}
		},
	}
}
