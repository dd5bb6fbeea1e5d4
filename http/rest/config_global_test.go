package rest

import (
	"net/http"
	"strings"
	"testing"

	"sojourn/actors/realm"
)

// AM's secrets, which are not shown, are not stored either; all else is.
func TestSecretsOfAMAreNotStored(t *testing.T) {
	for place, tt := range map[string]struct{ id, body, want string }{
		"/realms/root/realms/alpha/realm-config/services/session": {
			realm.DocumentSession, `{"stateless":{"statelessSigningHmacSecret":"hush","statelessEncryptionAesKey":"hush","statelessSigningType":"HS512"},"ours":1}`,
			`{"ours":1,"stateless":{"statelessSigningType":"HS512"}}`,
		},
		"/realms/root/realms/alpha/realm-config/authentication": {
			realm.DocumentAuthentication, `{"security":{"sharedSecret":"hush"}}`, `{"security":{}}`,
		},
		"/global-config/authentication": {
			realm.DocumentAuthentication, `{"defaults":{"security":{"sharedSecret":"hush","keyAlias":"k"}},"ours":1}`, `{"defaults":{"security":{"keyAlias":"k"}},"ours":1}`,
		},
		"/global-config/servers/server-default/properties/advanced": {
			realm.DocumentServerAdvanced, `{"org.forgerock.openam.httpclienthandler.system.proxy.password":"hush","our.own":"x"}`, `{"our.own":"x"}`,
		},
		"/global-config/services/platform": {realm.DocumentPlatform, `{"locale":"de"}`, `{"locale":"de"}`},
	} {
		t.Run(place, func(t *testing.T) {
			r := newRig(t)
			kind, in := realm.KindSettings, realm.Name("/alpha")
			if strings.HasPrefix(place, "/global-config") {
				kind, in = realm.KindGlobal, realm.Root
			}
			w := r.ask(asked{method: http.MethodPut, path: place, body: tt.body, header: bearer(operatorToken)})
			d, err := r.docs.Document(t.Context(), kind, in, tt.id)
			if w.Code != http.StatusOK || err != nil || string(d.Body) != tt.want {
				t.Errorf("%d, stored %s, %v; want %s", w.Code, d.Body, err, tt.want)
			}
		})
	}
}

// The documents of all realms have AM's shapes, as frodo recorded them.
func TestGlobalSettings(t *testing.T) {
	const place = "/global-config/"
	r := newRig(t)
	kind := func(id, name string) string {
		return `"_type":{"_id":"` + id + `","name":"` + name + `","collection":false},`
	}
	r.want("session", asked{method: http.MethodGet, path: place + "services/session", header: bearer(operatorToken)}, 200,
		`{"_id":"","_rev":"#",`+kind("session", "Session")+
			`"dynamic":{"maxCachingTime":3,"maxIdleTime":30,"maxSessionTime":120,"quotaLimit":5},`+
			`"general":{"crossUpgradeReferenceFlag":false,"dnRestrictionOnly":false,"latestAccessTimeUpdateFrequency":60,"timeoutHandlers":[]},`+
			`"notifications":{"notificationPropertyList":[],"propertyChangeNotifications":"OFF"},`+
			`"quotas":{"behaviourWhenQuotaExhausted":"org.forgerock.openam.session.service.DestroyNextExpiringAction","denyLoginWhenRepoDown":"NO",`+
			`"iplanet-am-session-enable-session-constraint":"OFF","quotaConstraintMaxWaitTime":6000},`+
			`"search":{"maxSessionListSize":120,"sessionListRetrievalTimeout":5},`+
			`"stateless":{"openam-session-stateless-blacklist-cache-size":10000,"openam-session-stateless-blacklist-poll-interval":60,`+
			`"openam-session-stateless-blacklist-purge-delay":1,"openam-session-stateless-enable-session-blacklisting":true,`+
			`"openam-session-stateless-logout-poll-interval":60,"statelessCompressionType":"NONE","statelessEncryptionAesKey":null,`+
			`"statelessEncryptionRsaKeyAlias":"test","statelessEncryptionType":"DIRECT","statelessLogoutByUser":false,`+
			`"statelessSigningHmacSecret":null,"statelessSigningRsaKeyAlias":"test","statelessSigningType":"HS256"}}`)
	r.want("rest", asked{method: http.MethodGet, path: place + "services/rest", header: bearer(operatorToken)}, 200,
		`{"_id":"","_rev":"#",`+kind("rest", "REST APIs")+
			`"csrfFilterEnabled":true,"defaultProtocolVersion":"Latest","defaultVersion":"Latest","descriptionsState":"STATIC","warningHeader":true}`)
	r.want("platform", asked{method: http.MethodGet, path: place + "services/platform", header: bearer(operatorToken)}, 200,
		`{"_id":"","_rev":"#",`+kind("platform", "Platform")+`"cookieDomains":[],"locale":"en_US"}`)
	r.want("validation", asked{method: http.MethodGet, path: place + "services/validation", header: bearer(operatorToken)}, 200,
		`{"_id":"","_rev":"#",`+kind("validation", "Validation Service")+`"defaults":{"validGotoDestinations":[]}}`)
	r.want("security properties", asked{method: http.MethodGet, path: place + "servers/server-default/properties/security", header: bearer(operatorToken)}, 200,
		`{"_id":"null/properties/security","_rev":"#","amconfig.header.cookie":{"com.iplanet.am.cookie.encode":false,`+
			`"com.iplanet.am.cookie.name":"iPlanetDirectoryPro","com.iplanet.am.cookie.secure":false},`+
			`"amconfig.header.crlcache":{"com.sun.identity.crl.cache.directory.password":null},"amconfig.header.encryption":{"am.encryption.pwd":null}}`)
	r.steps(t, []step{
		{name: "authentication", method: "PUT", path: place + "authentication", body: `{"defaults":{"core":{"orgConfig":"Main"}},"keepPostProcessInstances":false}`, status: 200},
		{name: "not an object", method: "PUT", path: place + "authentication", body: `{"defaults":[]}`, status: 400},
		{name: "a realm's session", method: "PUT", path: "/realms/root/realms/alpha/realm-config/services/session", body: `{"stateless":{"statelessEncryptionType":"NONE"}}`, status: 200},
		{name: "a realm that has it", method: "POST", path: "/global-config/realms?_action=create", body: `{"name":"alpha"}`, status: 201, location: "/am/json/global-config/realms/L2FscGhh"},
		{
			name: "what does not go with a realm's own", method: "PUT", path: place + "services/session", body: `{"stateless":{"statelessSigningType":"NONE"}}`, status: 400,
		},
		{name: "AM's servers", method: "PUT", path: place + "servers/server-default/properties/advanced", body: `{"com.iplanet.am.lbcookie.value":"02","our.own":"x"}`, status: 200},
		{name: "removed", method: "DELETE", path: place + "servers/server-default/properties/advanced", status: 200},
		{name: "removed already", method: "DELETE", path: place + "servers/server-default/properties/advanced", status: 404},
	})
	r.t = t
	w := r.ask(asked{method: http.MethodGet, path: "/realms/root/realms/alpha/realm-config/authentication", header: bearer(operatorToken)})
	if !strings.Contains(w.Body.String(), `"orgConfig":"Main"`) {
		t.Errorf("a realm does not show what holds for all: %s", w.Body)
	}
	w = r.ask(asked{method: http.MethodGet, path: place + "authentication", header: bearer(operatorToken)})
	if !strings.Contains(w.Body.String(), `"keepPostProcessInstances":false`) {
		t.Errorf("what nobody knows is not kept: %s", w.Body)
	}
}

// A write that would put a realm's settings at fault is refused with that realm's
// name; a fault that was there before is not held against it.
func TestGlobalSettingsAreJudgedForEveryRealm(t *testing.T) {
	r := newRig(t)
	store := func(kind realm.DocumentKind, where realm.Name, id, body string) {
		r.docs.all[documentKey{kind, where, id}] = realm.Document{Kind: kind, Realm: where, ID: id, Rev: "1", Body: []byte(body)}
	}
	store(realm.KindRealm, realm.Root, "/alpha", `{}`)
	store(realm.KindSettings, "/alpha", realm.DocumentAuthentication, `{"trees":{"suspendedAuthenticationTimeout":4}}`)
	const path = "/global-config/authentication"
	r.want("too short for /alpha", asked{method: http.MethodPut, path: path, body: `{"defaults":{"trees":{"authenticationSessionsMaxDuration":3}}}`, header: bearer(operatorToken)}, 400,
		`{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, Trees.suspendedAuthenticationTimeout: `+
			`a journey may take 3m0s in all (trees.authenticationSessionsMaxDuration), suspended or not (settings of realm /alpha)"}`)
	store(realm.KindSettings, "/alpha", realm.DocumentAuthentication, `{"trees":{"authenticationSessionsStateManagement":"elsewhere"}}`)
	if w := r.ask(asked{method: http.MethodPut, path: path, body: `{"defaults":{"core":{"orgConfig":"Main"}}}`, header: bearer(operatorToken)}); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Sessions in memory are refused in AM's words, whole.
func TestInMemorySessionsAreRefused(t *testing.T) {
	r := newRig(t)
	r.want("for all realms", asked{method: http.MethodPut, path: "/global-config/authentication", body: `{"defaults":{"general":{"sessionStateManagement":"In-Memory"}}}`, header: bearer(operatorToken)}, 400,
		`{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, General.sessionStateManagement: `+
			`in-memory storage is not supported for authenticated sessions: they are kept in the token store (CTS) or by their holders `+
			`(general.statelessSessionsEnabled); only journeys may be in memory (trees.authenticationSessionsStateManagement)"}`)
}

func TestSettingsInForce(t *testing.T) {
	r := newRig(t)
	r.steps(t, []step{
		{name: "for all", method: "PUT", path: "/global-config/services/session", body: `{"dynamic":{"maxIdleTime":7,"maxSessionTime":70}}`, status: 200},
		{name: "for one", method: "PUT", path: "/realms/root/realms/alpha/realm-config/services/session", body: `{"dynamic":{"maxIdleTime":"9"}}`, status: 200},
	})
	r.t = t
	w := r.ask(asked{method: http.MethodGet, path: "/realms/root/realms/alpha/realm-config/sojourn/settings?_queryFilter=true", header: bearer(operatorToken)})
	for _, want := range []string{
		`{"_id":"session.dynamic.maxIdleTime","document":"session","setting":"dynamic.maxIdleTime","value":9,"origin":"realm"}`,
		`"setting":"dynamic.maxSessionTime","value":70,"origin":"global"}`,
		`"setting":"core.orgConfig","value":"Login","origin":"default"}`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is not in %s", want, w.Body)
		}
	}
}
