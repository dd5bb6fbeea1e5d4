package daemon

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// Nodes of the trees that the tests add.
const (
	anyone    = "5e771265-0000-4000-8000-000000000001"
	greeting  = "5e771265-0000-4000-8000-000000000002"
	success   = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0"
	nameAsked = `{"entryNodeId":"` + anyone + `","nodes":{"` + anyone + `":{"nodeType":"UsernameCollectorNode","displayName":"Name",` +
		`"connections":{"outcome":"` + success + `"}}}}`
)

// believing adds a tree that takes any name for a user.
func (s *site) believing() {
	s.t.Helper()
	s.node(anyone, "UsernameCollectorNode", "{}")
	s.tree("Believing", nameAsked)
}

func journeyEffects() map[string]func(*testing.T, *site) {
	return map[string]func(*testing.T, *site){
		"authentication trees.authenticationSessionsMaxDuration": func(t *testing.T, s *site) {
			lasts := func() float64 {
				claims := s.claims(s.begin(""))
				return claims["exp"].(float64) - claims["iat"].(float64)
			}
			if got := lasts(); got < 299 || got > 301 {
				t.Errorf("%v seconds by default", got)
			}
			s.global(realm.DocumentAuthentication, `{"defaults":{"trees":{"authenticationSessionsMaxDuration":7}}}`)
			if got := lasts(); got < 419 || got > 421 {
				t.Errorf("%v seconds for all realms", got)
			}
			s.set(realm.DocumentAuthentication, `{"trees":{"authenticationSessionsMaxDuration":9}}`)
			if got := lasts(); got < 539 || got > 541 {
				t.Errorf("%v seconds in the realm", got)
			}
		},
		"authentication trees.authenticationTreeCookieHttpOnly": func(t *testing.T, s *site) {
			cookie := "iPlanetDirectoryPro=" + s.token()
			if a := s.begin("", "Cookie", cookie); a.status != http.StatusOK || a.member(t, "tokenId") != "" {
				t.Errorf("%d %s", a.status, a.text)
			}
			s.set(realm.DocumentAuthentication, `{"trees":{"authenticationTreeCookieHttpOnly":false}}`)
			if a := s.begin("", "Cookie", cookie); !strings.HasSuffix(cookie, "="+a.member(t, "tokenId")) {
				t.Errorf("%d %s", a.status, a.text)
			}
		},
		"authentication general.defaultAuthLevel": func(t *testing.T, s *site) {
			before := s.stored(s.token()).AuthLevel
			s.set(realm.DocumentAuthentication, `{"general":{"defaultAuthLevel":4}}`)
			if got := s.stored(s.token()).AuthLevel; before != 0 || got != 4 {
				t.Errorf("level %d, then %d", before, got)
			}
		},
		"authentication general.locale": func(t *testing.T, s *site) {
			s.node(anyone, "UsernameCollectorNode", "{}")
			s.node(greeting, "PageNode", `{"pageHeader":{"en":"Hello","de":"Hallo","fr":"Salut"},"pageDescription":{},"nodes":[{"_id":"`+anyone+`","nodeType":"UsernameCollectorNode","displayName":"Name"}]}`)
			s.tree("Greeting", `{"entryNodeId":"`+greeting+`","nodes":{"`+greeting+`":{"nodeType":"PageNode","displayName":"Page","connections":{"outcome":"`+success+`"}}}}`)
			if a := s.begin("Greeting"); a.member(t, "header") != "Hello" {
				t.Errorf("%d %s", a.status, a.text)
			}
			s.set(realm.DocumentAuthentication, `{"general":{"locale":"de_CH"}}`)
			if a := s.begin("Greeting"); a.member(t, "header") != "Hallo" {
				t.Errorf("%d %s", a.status, a.text)
			}
			if a := s.begin("Greeting", "Accept-Language", "fr"); a.member(t, "header") != "Salut" {
				t.Errorf("%d %s", a.status, a.text)
			}
		},
		"authentication core.orgConfig": func(t *testing.T, s *site) {
			s.believing()
			if a := s.begin(""); !strings.Contains(a.text, "PasswordCallback") {
				t.Errorf("%d %s", a.status, a.text)
			}
			s.set(realm.DocumentAuthentication, `{"core":{"orgConfig":"Believing"}}`)
			if a := s.begin(""); strings.Contains(a.text, "PasswordCallback") || !strings.Contains(a.text, "NameCallback") {
				t.Errorf("%d %s", a.status, a.text)
			}
		},
	}
}

func lockoutEffects() map[string]func(*testing.T, *site) {
	const on = `{"accountlockout":{"loginFailureLockoutMode":true,`
	// fails logs in with a wrong password, and returns what the client is told.
	fails := func(s *site) string {
		s.t.Helper()
		a := s.login("X-OpenAM-Password", "wrong")
		if a.status != http.StatusUnauthorized {
			s.t.Errorf("%d %s", a.status, a.text)
		}
		return a.member(s.t, "message")
	}
	fresh := func(s *site) { s.t.Helper(); s.user(func(*identity.Identity) {}) }
	locked := func(s *site) bool { s.t.Helper(); return s.user(nil).Locked(time.Now()) }
	return map[string]func(*testing.T, *site){
		"authentication accountlockout.loginFailureLockoutMode": func(t *testing.T, s *site) {
			fresh(s)
			s.set(realm.DocumentAuthentication, `{"accountlockout":{"loginFailureCount":1}}`)
			if fails(s); locked(s) {
				t.Error("locked while lockout is off")
			}
			s.set(realm.DocumentAuthentication, on+`"loginFailureCount":1}}`)
			if fails(s); !locked(s) {
				t.Error("not locked")
			}
		},
		"authentication accountlockout.loginFailureCount": func(t *testing.T, s *site) {
			fresh(s)
			s.set(realm.DocumentAuthentication, on+`"loginFailureCount":2}}`)
			if fails(s); locked(s) {
				t.Error("locked by the first")
			}
			if fails(s); !locked(s) {
				t.Error("not locked by the second")
			}
		},
		"authentication accountlockout.loginFailureDuration": func(t *testing.T, s *site) {
			once := func(who *identity.Identity) {
				who.Failures = identity.Failures{Count: 1, Since: time.Now().Add(-10 * time.Minute)}
			}
			s.user(once)
			s.set(realm.DocumentAuthentication, on+`"loginFailureCount":2,"loginFailureDuration":60}}`)
			if fails(s); locked(s) {
				t.Error("locked by a failure of ten minutes ago")
			}
			s.user(once)
			s.set(realm.DocumentAuthentication, on+`"loginFailureCount":2,"loginFailureDuration":3600}}`)
			if fails(s); !locked(s) {
				t.Error("a failure of ten minutes ago does not count")
			}
		},
		"authentication accountlockout.lockoutDuration": func(t *testing.T, s *site) {
			fresh(s)
			s.set(realm.DocumentAuthentication, on+`"loginFailureCount":1,"lockoutDuration":30}}`)
			fails(s)
			until := time.Until(s.user(nil).Failures.Until)
			if until < 29*time.Minute || until > 30*time.Minute || s.user(nil).Status == identity.Inactive {
				t.Errorf("locked for %v", until)
			}
		},
		"authentication accountlockout.lockoutDurationMultiplier": func(t *testing.T, s *site) {
			s.user(func(who *identity.Identity) { who.Failures = identity.Failures{Locks: 1} })
			s.set(realm.DocumentAuthentication, on+`"loginFailureCount":1,"lockoutDuration":10,"lockoutDurationMultiplier":3}}`)
			fails(s)
			if until := time.Until(s.user(nil).Failures.Until); until < 29*time.Minute || until > 30*time.Minute {
				t.Errorf("locked for %v", until)
			}
		},
		"authentication accountlockout.lockoutWarnUserCount": func(t *testing.T, s *site) {
			fresh(s)
			s.set(realm.DocumentAuthentication, on+`"loginFailureCount":5}}`)
			if told := fails(s); strings.Contains(told, "Warning") {
				t.Error(told)
			}
			s.set(realm.DocumentAuthentication, on+`"loginFailureCount":5,"lockoutWarnUserCount":2}}`)
			if told := fails(s); told != "Warning: You will be locked out after 3 more failure(s)." {
				t.Error(told)
			}
		},
	}
}

func loginEffects() map[string]func(*testing.T, *site) {
	serverinfo := func(s *site, name string) string {
		s.t.Helper()
		return s.do(http.MethodGet, below+"/serverinfo/*", "").member(s.t, "zeroPageLogin", name)
	}
	asked := func(a answered) bool { return strings.Contains(a.text, "callbacks") }
	return map[string]func(*testing.T, *site){
		"authentication postauthprocess.loginSuccessUrl": func(t *testing.T, s *site) {
			s.set(realm.DocumentAuthentication, `{"postauthprocess":{"loginSuccessUrl":["/home","/other"]}}`)
			if got := s.login().member(t, "successUrl"); got != "/home" {
				t.Error(got)
			}
		},
		"authentication postauthprocess.loginFailureUrl": func(t *testing.T, s *site) {
			s.set(realm.DocumentAuthentication, `{"postauthprocess":{"loginFailureUrl":["/sorry"]}}`)
			if got := s.login("X-OpenAM-Password", "wrong").member(t, "detail", "failureUrl"); got != "/sorry" {
				t.Error(got)
			}
		},
		"authentication postauthprocess.userAttributeSessionMapping": func(t *testing.T, s *site) {
			s.set(realm.DocumentAuthentication, `{"postauthprocess":{"userAttributeSessionMapping":["mail|user.mail","mail|AuthLevel","none|user.none"]}}`)
			x := s.stored(s.token())
			if got := x.Properties["user.mail"]; got != "demo@example.com" {
				t.Errorf("user.mail is %q", got)
			}
			if x.Properties["AuthLevel"] != "" {
				t.Error("a property of the server's own was set")
			}
			if _, there := x.Properties["user.none"]; there {
				t.Error("an attribute that the user lacks was set")
			}
		},
		"authentication userprofile.dynamicProfileCreation": func(t *testing.T, s *site) {
			s.believing()
			stranger := []string{"X-OpenAM-Username", "stranger"}
			if got := s.begin("Believing", stranger...).member(t, "message"); got != "User Requires Profile to Login" {
				t.Error(got)
			}
			s.set(realm.DocumentAuthentication, `{"userprofile":{"dynamicProfileCreation":"ignore"}}`)
			if a := s.begin("Believing", stranger...); a.status != http.StatusOK || a.member(t, "tokenId") == "" {
				t.Errorf("%d %s", a.status, a.text)
			}
		},
		"authentication security.addClearSiteDataHeader": func(t *testing.T, s *site) {
			if got := s.sessions("logout", s.token()).header["Clear-Site-Data"]; len(got) != 1 {
				t.Errorf("%q", got)
			}
			s.set(realm.DocumentAuthentication, `{"security":{"addClearSiteDataHeader":false}}`)
			if got := s.sessions("logout", s.token()).header["Clear-Site-Data"]; len(got) != 0 {
				t.Errorf("%q", got)
			}
		},
		"authentication security.zeroPageLoginEnabled": func(t *testing.T, s *site) {
			before := serverinfo(s, "enabled")
			s.set(realm.DocumentAuthentication, `{"security":{"zeroPageLoginEnabled":true}}`)
			if got := serverinfo(s, "enabled"); before != "false" || got != "true" {
				t.Errorf("%s, then %s", before, got)
			}
		},
		"authentication security.zeroPageLoginReferrerWhiteList": func(t *testing.T, s *site) {
			const listed = "https://app.example.com/login"
			if a := s.login("Referer", "https://other.example.com/"); asked(a) {
				t.Errorf("without a list: %s", a.text)
			}
			s.set(realm.DocumentAuthentication, `{"security":{"zeroPageLoginReferrerWhiteList":["`+listed+`"]}}`)
			if a := s.login("Referer", "https://other.example.com/"); !asked(a) {
				t.Errorf("another page: %s", a.text)
			}
			if a := s.login("Referer", listed); asked(a) {
				t.Errorf("the page: %s", a.text)
			}
			if got := serverinfo(s, "refererWhitelist"); got != `["`+listed+`"]` {
				t.Error(got)
			}
		},
		"authentication security.zeroPageLoginAllowedWithoutReferrer": func(t *testing.T, s *site) {
			s.set(realm.DocumentAuthentication, `{"security":{"zeroPageLoginAllowedWithoutReferrer":false}}`)
			if a := s.login(); !asked(a) {
				t.Errorf("without: %s", a.text)
			}
			if a := s.login("Referer", "https://any.example.com/"); asked(a) {
				t.Errorf("with one: %s", a.text)
			}
			if got := serverinfo(s, "allowedWithoutReferer"); got != "false" {
				t.Error(got)
			}
		},
		"validation validGotoDestinations": func(t *testing.T, s *site) {
			goto_ := func() string {
				return s.do(http.MethodPost, below+"/users?_action=validateGoto", `{"goto":"https://app.example.com/x"}`,
					"iPlanetDirectoryPro", s.token()).member(t, "successURL")
			}
			before := goto_()
			s.set(realm.DocumentValidation, `{"validGotoDestinations":["https://app.example.com/*"]}`)
			if got := goto_(); before != "/am/console" || got != "https://app.example.com/x" {
				t.Errorf("%s, then %s", before, got)
			}
		},
	}
}
