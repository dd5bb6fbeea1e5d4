package daemon

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

func sessionEffects() map[string]func(*testing.T, *site) {
	// properties are those that a client is shown.
	properties := func(s *site) string { s.t.Helper(); return s.sessions("getSessionProperties", s.token()).text }
	return map[string]func(*testing.T, *site){
		"session dynamic.maxSessionTime": func(t *testing.T, s *site) {
			s.global(realm.DocumentSession, `{"dynamic":{"maxSessionTime":50}}`)
			if got := s.sessions("refresh", s.token()).member(t, "maxsessiontime"); got != "50" {
				t.Errorf("%s minutes for all realms", got)
			}
			s.set(realm.DocumentSession, `{"dynamic":{"maxSessionTime":40}}`)
			if got := s.sessions("refresh", s.token()).member(t, "maxsessiontime"); got != "40" {
				t.Errorf("%s minutes in the realm", got)
			}
			s.user(func(who *identity.Identity) {
				who.Attributes["iplanet-am-session-max-session-time"] = []string{"3"}
			})
			if got := s.sessions("refresh", s.token()).member(t, "maxsessiontime"); got != "3" {
				t.Errorf("%s minutes for the user", got)
			}
		},
		"session dynamic.maxIdleTime": func(t *testing.T, s *site) {
			s.set(realm.DocumentSession, `{"dynamic":{"maxIdleTime":11}}`)
			if got := s.sessions("refresh", s.token()).member(t, "maxidletime"); got != "11" {
				t.Errorf("%s minutes in the realm", got)
			}
			s.user(func(who *identity.Identity) {
				who.Attributes["iplanet-am-session-max-idle-time"] = []string{"2"}
			})
			if got := s.sessions("refresh", s.token()).member(t, "maxidletime"); got != "2" {
				t.Errorf("%s minutes for the user", got)
			}
		},
		"session general.latestAccessTimeUpdateFrequency": func(t *testing.T, s *site) {
			s.set(realm.DocumentSession, `{"general":{"latestAccessTimeUpdateFrequency":17}}`)
			x := s.stored(s.token())
			if at := x.LastAccess; x.Policy.TouchDue(at, at.Add(16*time.Second)) || !x.Policy.TouchDue(at, at.Add(17*time.Second)) {
				t.Errorf("written every %v", x.Policy.TouchInterval)
			}
		},
		"session search.maxSessionListSize": func(t *testing.T, s *site) {
			s.token()
			s.token()
			s.set(realm.DocumentSession, `{"search":{"maxSessionListSize":1}}`)
			a := s.do(http.MethodGet, below+`/sessions?_queryFilter=username%20eq%20%22demo%22%20and%20realm%20eq%20%22/alpha%22`, "", s.operator()...)
			if got := a.member(t, "resultCount"); got != "1" {
				t.Errorf("%s sessions are listed", got)
			}
		},
		"session sessionPropertyWhitelist": func(t *testing.T, s *site) {
			s.set(realm.DocumentSession, `{"sessionPropertyWhitelist":["UserId"]}`)
			if got := properties(s); got != `{"UserId":"demo"}` {
				t.Error(got)
			}
		},
		"amSessionPropertyWhitelist sessionPropertyWhitelist": func(t *testing.T, s *site) {
			if got := properties(s); !strings.HasPrefix(got, `{"AMCtxId":`) {
				t.Error(got)
			}
			s.global(realm.DocumentProperties, `{"defaults":{"sessionPropertyWhitelist":["Service"]}}`)
			if got := properties(s); got != `{"Service":"Login"}` {
				t.Error(got)
			}
			s.set(realm.DocumentProperties, `{"sessionPropertyWhitelist":["UserId","Service"]}`)
			if got := properties(s); got != `{"UserId":"demo","Service":"Login"}` {
				t.Error(got)
			}
		},
	}
}

// The order of session limits is AM's: user, node, tree, realm, all realms.
func TestOrderOfLimits(t *testing.T) {
	const limiting = "5e771265-0000-4000-8000-000000000004"
	s := newSite(t)
	s.node(anyone, "UsernameCollectorNode", "{}")
	tree := func(to, more string) {
		s.tree("Limited", `{"entryNodeId":"`+anyone+`",`+more+`"nodes":{"`+anyone+`":{"nodeType":"UsernameCollectorNode","displayName":"Name","connections":{"outcome":"`+to+`"}},`+
			`"`+limiting+`":{"nodeType":"SetSessionPropertiesNode","displayName":"Limits","connections":{"outcome":"`+success+`"}}}}`)
	}
	limits := func() string {
		refreshed := s.sessions("refresh", s.begin("Limited", "X-OpenAM-Username", s.demo.User).member(t, "tokenId"))
		return refreshed.member(t, "maxsessiontime") + " " + refreshed.member(t, "maxidletime")
	}
	s.node(limiting, "SetSessionPropertiesNode", `{"maxSessionTime":20,"maxIdleTime":2}`)
	tree(success, "")
	for _, layer := range []struct {
		name, want string
		set        func()
	}{
		{"default", "120 30", func() {}},
		{"all realms", "50 5", func() { s.global(realm.DocumentSession, `{"dynamic":{"maxSessionTime":50,"maxIdleTime":5}}`) }},
		{"realm", "40 4", func() { s.set(realm.DocumentSession, `{"dynamic":{"maxSessionTime":40,"maxIdleTime":4}}`) }},
		{"tree", "30 3", func() { tree(success, `"maximumSessionTime":30,"maximumIdleTime":3,`) }},
		{"node", "20 2", func() { tree(limiting, `"maximumSessionTime":30,"maximumIdleTime":3,`) }},
		{"user", "10 1", func() {
			s.user(func(who *identity.Identity) {
				who.Attributes["iplanet-am-session-max-session-time"] = []string{"10"}
				who.Attributes["iplanet-am-session-max-idle-time"] = []string{"1"}
			})
		}},
	} {
		if layer.set(); limits() != layer.want {
			t.Errorf("%s: %s, want %s", layer.name, limits(), layer.want)
		}
	}
}

func quotaEffects() map[string]func(*testing.T, *site) {
	const (
		on    = `"quotas":{"iplanet-am-session-enable-session-constraint":"ON"`
		class = `,"behaviourWhenQuotaExhausted":"org.forgerock.openam.session.service.`
	)
	// three logs in three times, after all sessions of before have ended, and
	// tells which of the sessions are alive then.
	three := func(s *site) string {
		s.t.Helper()
		if a := s.do(http.MethodPost, below+"/sessions?_action=logoutByUser", `{"username":"demo"}`, s.operator()...); a.status != http.StatusOK {
			s.t.Fatalf("%d %s", a.status, a.text)
		}
		var tokens []string
		for range 3 {
			a := s.login()
			if a.status != http.StatusOK {
				tokens = append(tokens, "")
				continue
			}
			tokens = append(tokens, a.member(s.t, "tokenId"))
		}
		var alive strings.Builder
		for _, token := range tokens {
			switch {
			case token == "":
				alive.WriteByte('-')
			case s.valid(token):
				alive.WriteByte('1')
			default:
				alive.WriteByte('0')
			}
		}
		return alive.String()
	}
	return map[string]func(*testing.T, *site){
		"session quotas.iplanet-am-session-enable-session-constraint": func(t *testing.T, s *site) {
			s.set(realm.DocumentSession, `{"dynamic":{"quotaLimit":1}}`)
			if got := three(s); got != "111" {
				t.Errorf("off: %s", got)
			}
			s.set(realm.DocumentSession, `{"dynamic":{"quotaLimit":1},`+on+`}}`)
			if got := three(s); got != "001" {
				t.Errorf("on: %s", got)
			}
		},
		"session dynamic.quotaLimit": func(t *testing.T, s *site) {
			s.global(realm.DocumentSession, `{`+on+`}}`)
			s.set(realm.DocumentSession, `{"dynamic":{"quotaLimit":2}}`)
			if got := three(s); got != "011" {
				t.Errorf("in the realm: %s", got)
			}
			s.user(func(who *identity.Identity) {
				who.Attributes["iplanet-am-session-quota-limit"] = []string{"3"}
			})
			if got := three(s); got != "111" {
				t.Errorf("for the user: %s", got)
			}
		},
		"session quotas.behaviourWhenQuotaExhausted": func(t *testing.T, s *site) {
			for action, want := range map[string]string{
				"DenyAccessAction": "11-", "DestroyOldestAction": "011", "DestroyAllAction": "001", "DestroyNextExpiringAction": "011",
			} {
				s.set(realm.DocumentSession, `{"dynamic":{"quotaLimit":2},`+on+class+action+`"}}`)
				if got := three(s); got != want {
					t.Errorf("%s: %s, want %s", action, got, want)
				}
			}
		},
	}
}
