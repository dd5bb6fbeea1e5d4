package daemon

import (
	"net/http"
	"strings"
	"testing"

	"sojourn/actors/realm"
)

// cookieEffects are of settings that all realms share; their defaults are those
// of the process.
func cookieEffects() map[string]func(*testing.T, *site) {
	const (
		plain    = "; Path=/; HttpOnly"
		security = `{"amconfig.header.cookie":{`
	)
	// marks are what follows the value in both cookies of a login.
	marks := func(s *site) string {
		s.t.Helper()
		a := s.login()
		_, own, _ := strings.Cut(a.cookie("iPlanetDirectoryPro="), ";")
		if _, other, _ := strings.Cut(a.cookie("amlbcookie="), ";"); own != other || own == "" {
			s.t.Errorf("cookies %q", a.header["Set-Cookie"])
		}
		return ";" + own
	}
	return map[string]func(*testing.T, *site){
		"server-security amconfig.header.cookie.com.iplanet.am.cookie.name": func(t *testing.T, s *site) {
			old := s.token()
			s.global(realm.DocumentServerSecurity, security+`"com.iplanet.am.cookie.name":"sid"}}`)
			a := s.login()
			token, _, _ := strings.Cut(strings.TrimPrefix(a.cookie("sid="), "sid="), ";")
			if a.cookie("iPlanetDirectoryPro=") != "" || token == "" {
				t.Errorf("cookies %q", a.header["Set-Cookie"])
			}
			info := func(headers ...string) int {
				return s.do(http.MethodPost, below+"/sessions?_action=getSessionInfo", "{}", headers...).status
			}
			if got := info("sid", token); got != http.StatusOK {
				t.Errorf("in the header: %d", got)
			}
			if got := info("Cookie", "sid="+token); got != http.StatusOK {
				t.Errorf("in the cookie: %d", got)
			}
			if got := info("iPlanetDirectoryPro", old); got == http.StatusOK {
				t.Error("the old name is taken")
			}
			if got := s.do(http.MethodGet, "/serverinfo/*", "").member(t, "cookieName"); got != "sid" {
				t.Errorf("clients are told of %s", got)
			}
		},
		"server-security amconfig.header.cookie.com.iplanet.am.cookie.secure": func(t *testing.T, s *site) {
			if got := marks(s); got != plain {
				t.Errorf("before: %s", got)
			}
			s.global(realm.DocumentServerSecurity, security+`"com.iplanet.am.cookie.secure":true}}`)
			if got := marks(s); got != "; Path=/; Secure; HttpOnly" {
				t.Error(got)
			}
			if got := s.do(http.MethodGet, "/serverinfo/*", "").member(t, "secureCookie"); got != "true" {
				t.Errorf("clients are told %s", got)
			}
		},
		"server-advanced com.sun.identity.cookie.httponly": func(t *testing.T, s *site) {
			s.global(realm.DocumentServerAdvanced, `{"com.sun.identity.cookie.httponly":false}`)
			if got := marks(s); got != "; Path=/" {
				t.Error(got)
			}
		},
		"server-advanced com.sun.identity.cookie.samesite": func(t *testing.T, s *site) {
			s.global(realm.DocumentServerAdvanced, `{"com.sun.identity.cookie.samesite":"strict"}`)
			if got := marks(s); got != plain+"; SameSite=strict" {
				t.Error(got)
			}
			if a := s.do(http.MethodPut, document(realm.DocumentServerAdvanced, true), `{"com.sun.identity.cookie.samesite":"none"}`, s.operator()...); a.status != http.StatusBadRequest {
				t.Errorf("none without Secure: %d %s", a.status, a.text)
			}
		},
		"server-advanced com.iplanet.am.lbcookie.name": func(t *testing.T, s *site) {
			s.global(realm.DocumentServerAdvanced, `{"com.iplanet.am.lbcookie.name":"stick"}`)
			if a := s.begin(""); a.cookie("stick=07") == "" || a.cookie("amlbcookie=") != "" {
				t.Errorf("cookies %q", a.header["Set-Cookie"])
			}
		},
		"server-advanced com.iplanet.am.lbcookie.value": func(t *testing.T, s *site) {
			if a := s.begin(""); a.cookie("amlbcookie=07") == "" {
				t.Errorf("of the process: %q", a.header["Set-Cookie"])
			}
			s.global(realm.DocumentServerAdvanced, `{"com.iplanet.am.lbcookie.value":"01"}`)
			if a := s.begin(""); a.cookie("amlbcookie=01") == "" {
				t.Errorf("cookies %q", a.header["Set-Cookie"])
			}
		},
		"platform cookieDomains": func(t *testing.T, s *site) {
			s.global(realm.DocumentPlatform, `{"cookieDomains":["a.example","b.example"]}`)
			lines := s.login().header["Set-Cookie"]
			if len(lines) != 4 || !strings.Contains(lines[0], "Domain=a.example") || !strings.Contains(lines[1], "Domain=b.example") {
				t.Errorf("cookies %q", lines)
			}
			if got := s.do(http.MethodGet, "/serverinfo/cookieDomains", "").member(t, "domains"); got != `["a.example","b.example"]` {
				t.Error(got)
			}
		},
	}
}

func apiEffects() map[string]func(*testing.T, *site) {
	const goto_ = "/" + "0123456789012345678901234567890123456789"
	only := func(name, value, other string) func(*testing.T, *site) {
		return func(t *testing.T, s *site) {
			s.global(realm.DocumentServerAdvanced, `{"`+name+`":"`+value+`"}`)
			a := s.do(http.MethodPut, document(realm.DocumentServerAdvanced, true), `{"`+name+`":"`+other+`"}`, s.operator()...)
			if a.status != http.StatusBadRequest || !strings.Contains(a.text, "is none of "+value) {
				t.Errorf("%d %s", a.status, a.text)
			}
		}
	}
	return map[string]func(*testing.T, *site){
		"platform locale": func(t *testing.T, s *site) {
			s.global(realm.DocumentPlatform, `{"locale":"de_DE"}`)
			if got := s.do(http.MethodGet, "/serverinfo/*", "").member(t, "lang"); got != "de-DE" {
				t.Error(got)
			}
		},
		"rest csrfFilterEnabled": func(t *testing.T, s *site) {
			forged := func() int {
				return s.do(http.MethodPost, below+"/sessions?_action=getSessionInfo", "{}", "X-Requested-With", "-",
					"Cookie", "iPlanetDirectoryPro="+s.token()).status
			}
			if got := forged(); got != http.StatusForbidden {
				t.Errorf("before: %d", got)
			}
			s.global(realm.DocumentREST, `{"csrfFilterEnabled":false}`)
			if got := forged(); got != http.StatusOK {
				t.Errorf("after: %d", got)
			}
		},
		"rest defaultVersion": func(t *testing.T, s *site) {
			answers := func() string {
				a := s.begin("")
				return a.header.Get("Content-Api-Version") + " " + http.StatusText(a.status)
			}
			for setting, want := range map[string]string{"Latest": "resource=2.1 OK", "Oldest": "resource=1.2 OK", "None": "resource=2.1 Bad Request"} {
				s.global(realm.DocumentREST, `{"defaultVersion":"`+setting+`"}`)
				if got := answers(); got != want {
					t.Errorf("%s: %s, want %s", setting, got, want)
				}
			}
		},
		"server-advanced org.forgerock.http.TrustTransactionHeader": func(t *testing.T, s *site) {
			told := func() string { // an answer that blames the server carries the id
				return s.do(http.MethodPost, below+"/sessions?_action=nonsense", "{}", "X-ForgeRock-TransactionId", "frodo-1").
					header.Get("X-ForgeRock-TransactionId")
			}
			before := told()
			s.global(realm.DocumentServerAdvanced, `{"org.forgerock.http.TrustTransactionHeader":true}`)
			if got := told(); before == "frodo-1" || before == "" || got != "frodo-1" {
				t.Errorf("%s, then %s", before, got)
			}
		},
		"server-advanced openam.auth.destroy_session_after_upgrade": func(t *testing.T, s *site) {
			if before, after := s.upgraded(s.token()); s.valid(before) || !s.valid(after) {
				t.Error("the old session lives, or the new one does not")
			}
			s.global(realm.DocumentServerAdvanced, `{"openam.auth.destroy_session_after_upgrade":false}`)
			if before, after := s.upgraded(s.token()); !s.valid(before) || !s.valid(after) {
				t.Error("one of the sessions does not live")
			}
		},
		"server-advanced org.forgerock.openam.redirecturlvalidator.maxUrlLength": func(t *testing.T, s *site) {
			leads := func() string {
				return s.do(http.MethodPost, below+"/authenticate?goto="+goto_, "",
					"X-OpenAM-Username", s.demo.User, "X-OpenAM-Password", s.demo.Password).member(t, "successUrl")
			}
			before := leads()
			s.global(realm.DocumentServerAdvanced, `{"org.forgerock.openam.redirecturlvalidator.maxUrlLength":"40"}`)
			if got := leads(); before != goto_ || got != "/am/console" {
				t.Errorf("%s, then %s", before, got)
			}
		},
		"server-advanced org.forgerock.openam.xui.user.session.validation.enabled": func(t *testing.T, s *site) {
			s.global(realm.DocumentServerAdvanced, `{"org.forgerock.openam.xui.user.session.validation.enabled":false}`)
			if got := s.do(http.MethodGet, "/serverinfo/*", "").member(t, "xuiUserSessionValidationEnabled"); got != "false" {
				t.Error(got)
			}
		},
		"server-advanced org.forgerock.openam.session.stateless.encryption.method": only(
			"org.forgerock.openam.session.stateless.encryption.method", "A128CBC-HS256", "A256GCM"),
		"server-advanced org.forgerock.openam.session.stateless.rsa.padding": only(
			"org.forgerock.openam.session.stateless.rsa.padding", "RSA-OAEP-256", "RSA1_5"),
		"server-advanced org.forgerock.openam.session.stateless.signing.allownone": func(t *testing.T, s *site) {
			const none = `{"stateless":{"statelessSigningType":"NONE"}}`
			if a := s.do(http.MethodPut, document(realm.DocumentSession, false), none, s.operator()...); a.status != http.StatusBadRequest {
				t.Errorf("%d %s", a.status, a.text)
			}
			s.global(realm.DocumentServerAdvanced, `{"org.forgerock.openam.session.stateless.signing.allownone":true}`)
			s.set(realm.DocumentSession, none)
		},
	}
}
