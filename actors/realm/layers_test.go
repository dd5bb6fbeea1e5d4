package realm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
)

// samples are values for each attribute that means something, by document and
// path, in JSON. A new attribute needs some here.
var samples = map[string][]string{
	"authentication trees.authenticationSessionsMaxDuration":                 {"7", `"9"`, "120"},
	"authentication trees.authenticationSessionsStateManagement":             {`"In-Memory"`, `"CTS"`, `"JWT"`, `"jwt"`},
	"authentication trees.suspendedAuthenticationTimeout":                    {"1", "6"},
	"authentication trees.authenticationSessionsWhitelist":                   {"true", "false"},
	"authentication trees.authenticationTreeCookieHttpOnly":                  {"true", `"false"`},
	"authentication accountlockout.loginFailureLockoutMode":                  {"true", "false"},
	"authentication accountlockout.loginFailureCount":                        {"1", "9"},
	"authentication accountlockout.loginFailureDuration":                     {"0", "600"},
	"authentication accountlockout.lockoutDuration":                          {"0", "4"},
	"authentication accountlockout.lockoutDurationMultiplier":                {"1", "3"},
	"authentication accountlockout.lockoutWarnUserCount":                     {"0", "2"},
	"authentication general.defaultAuthLevel":                                {"0", "5"},
	"authentication general.statelessSessionsEnabled":                        {"true", "false"},
	"authentication general.externalLoginPageUrl":                            {`"https://a.example/login"`, `""`},
	"authentication general.locale":                                          {`"de"`, `"fr_CA"`},
	"authentication core.orgConfig":                                          {`"Main"`, `"Other"`, `"[Empty]"`},
	"authentication postauthprocess.loginSuccessUrl":                         {`["/a"]`, `[]`, `"/b"`},
	"authentication postauthprocess.loginFailureUrl":                         {`["/a"]`, `[]`},
	"authentication postauthprocess.userAttributeSessionMapping":             {`["mail|user.mail"]`, `[]`},
	"authentication userprofile.dynamicProfileCreation":                      {`"false"`, `"ignore"`},
	"authentication security.addClearSiteDataHeader":                         {"true", "false"},
	"authentication security.zeroPageLoginEnabled":                           {"true", "false"},
	"authentication security.zeroPageLoginReferrerWhiteList":                 {`["https://a.example/x"]`, `[]`},
	"authentication security.zeroPageLoginAllowedWithoutReferrer":            {"true", "false"},
	"session dynamic.maxSessionTime":                                         {"1", "2147483647"},
	"session dynamic.maxIdleTime":                                            {"1", "90"},
	"session dynamic.quotaLimit":                                             {"1", "50"},
	"session general.latestAccessTimeUpdateFrequency":                        {"0", "30"},
	"session general.crossUpgradeReferenceFlag":                              {"true", "false"},
	"session search.maxSessionListSize":                                      {"1", "500"},
	"session search.sessionListRetrievalTimeout":                             {"1", "7"},
	"session notifications.propertyChangeNotifications":                      {`"ON"`, `"OFF"`},
	"session notifications.notificationPropertyList":                         {`["a"]`, `[]`},
	"session quotas.iplanet-am-session-enable-session-constraint":            {`"ON"`, `"OFF"`},
	"session quotas.behaviourWhenQuotaExhausted":                             {`"org.forgerock.openam.session.service.DenyAccessAction"`, `"org.forgerock.openam.session.service.DestroyAllAction"`},
	"session stateless.statelessSigningType":                                 {`"HS512"`, `"ES256"`, `"NONE"`},
	"session stateless.statelessEncryptionType":                              {`"RSA"`, `"DIRECT"`, `"NONE"`},
	"session stateless.statelessCompressionType":                             {`"NONE"`, `"DEF"`},
	"session stateless.statelessLogoutByUser":                                {"true", "false"},
	"session sessionPropertyWhitelist":                                       {`["old"]`},
	"amSessionPropertyWhitelist sessionPropertyWhitelist":                    {`["a","b"]`, `[]`},
	"validation validGotoDestinations":                                       {`["https://a.example/*"]`, `[]`},
	"sojourn journeys.replicas":                                              {"1", "3", `"5"`},
	"sojourn journeys.resumeElsewhere":                                       {"true", "false", `"false"`},
	"platform cookieDomains":                                                 {`["a.example"]`, `[]`},
	"platform locale":                                                        {`"de"`, `"en_GB"`},
	"rest csrfFilterEnabled":                                                 {"true", "false"},
	"rest defaultVersion":                                                    {`"Latest"`, `"Oldest"`, `"None"`},
	"session stateless.openam-session-stateless-enable-session-blacklisting": {"true", "false"},

	"server-security amconfig.header.cookie.com.iplanet.am.cookie.name":        {`"mine"`, `"theirs"`},
	"server-security amconfig.header.cookie.com.iplanet.am.cookie.secure":      {"true", "false"},
	"server-advanced com.iplanet.am.lbcookie.name":                             {`"lb"`},
	"server-advanced com.iplanet.am.lbcookie.value":                            {`"02"`},
	"server-advanced com.sun.identity.cookie.httponly":                         {"true", "false"},
	"server-advanced com.sun.identity.cookie.samesite":                         {`"lax"`, `"none"`, `"off"`},
	"server-advanced org.forgerock.http.TrustTransactionHeader":                {"true", `"false"`},
	"server-advanced openam.auth.destroy_session_after_upgrade":                {"true", "false"},
	"server-advanced org.forgerock.openam.redirecturlvalidator.maxUrlLength":   {`"100"`, "2000"},
	"server-advanced org.forgerock.openam.xui.user.session.validation.enabled": {"true", "false"},
	"server-advanced org.forgerock.openam.session.stateless.signing.allownone": {"true", "false"},
	"server-advanced org.forgerock.openam.session.stateless.encryption.method": {`"A128CBC-HS256"`},
	"server-advanced org.forgerock.openam.session.stateless.rsa.padding":       {`"RSA-OAEP-256"`},
}

// written is a choice of values for attributes, by document and path.
type written map[string]string

// documents are those that hold the values; those of the whole deployment have
// some attributes within "defaults".
func (w written) documents(global bool) map[string]json.RawMessage {
	trees := map[string]map[string]any{}
	for key, value := range w {
		id, path, _ := strings.Cut(key, " ")
		doc := trees[id]
		if doc == nil {
			doc = map[string]any{}
			trees[id] = doc
		}
		to := doc
		if group := groupOf(path); group != "" {
			inner, ok := doc[group].(map[string]any)
			if !ok {
				inner = map[string]any{}
				doc[group] = inner
			}
			to, path = inner, strings.TrimPrefix(path, group+".")
		}
		to[path] = json.RawMessage(value)
	}
	out := map[string]json.RawMessage{}
	for id, doc := range trees {
		var whole any = doc
		if global && slices.Contains([]string{"authentication", "amSessionPropertyWhitelist", "validation", "sojourn"}, id) {
			whole = map[string]any{"defaults": doc}
		}
		raw, err := json.Marshal(whole)
		if err != nil {
			panic(err)
		}
		out[id] = raw
	}
	return out
}

// groupOf is the first part of a path, of which AM's properties have none.
func groupOf(path string) string {
	if group, ok := strings.CutPrefix(path, "amconfig.header."); ok {
		name, _, _ := strings.Cut(group, ".")
		return "amconfig.header." + name
	}
	if strings.HasPrefix(path, "com.") || strings.HasPrefix(path, "org.") || strings.HasPrefix(path, "openam.") || !strings.Contains(path, ".") {
		return ""
	}
	group, _, _ := strings.Cut(path, ".")
	return group
}

// Every attribute that means something has samples, and the samples are of
// attributes that there are.
func TestSamples(t *testing.T) {
	known := map[string]bool{}
	for _, s := range realm.Reference() {
		key := s.Document + " " + s.Path
		known[key] = true
		if !s.None && len(samples[key]) == 0 {
			t.Errorf("no samples for %s", key)
		}
		if s.About == "" || s.Values == "" {
			t.Errorf("%s is not explained", key)
		}
	}
	for key := range samples {
		if !known[key] {
			t.Errorf("samples for %s, which there is not", key)
		}
	}
}

// The strongest layer that says something about an attribute has its say, and
// what the documents show reads back as the same settings.
func TestLayers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		global, own := written{}, written{}
		for _, s := range realm.Reference() {
			key := s.Document + " " + s.Path
			if s.None {
				continue
			}
			if s.Global && rapid.Bool().Draw(t, key+" globally") {
				global[key] = rapid.SampledFrom(samples[key]).Draw(t, key)
			}
			if s.Realm && rapid.Bool().Draw(t, key+" here") {
				own[key] = rapid.SampledFrom(samples[key]).Draw(t, key)
			}
		}
		l := realm.Layers{Process: realm.DefaultDeployment(), Global: global.documents(true), Own: own.documents(false)}
		settings, err := l.Settings()
		if err != nil {
			if _, ok := errors.AsType[*realm.SettingError](err); !ok {
				t.Fatal(err)
			}
			return // what does not fit together has its own tests
		}
		if unknown := l.Unknown(); len(unknown) > 0 {
			t.Fatalf("not known: %q", unknown)
		}
		again := realm.Layers{Process: l.Process, Global: map[string]json.RawMessage{}, Own: map[string]json.RawMessage{}}
		for _, id := range realm.GlobalDocuments() {
			if again.Global[id], err = l.GlobalDocument(id); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range realm.Documents() {
			if again.Own[id], err = l.Document(id); err != nil {
				t.Fatal(err)
			}
		}
		shown, err := again.Settings()
		if err != nil {
			t.Fatalf("what is shown is not accepted: %v", err)
		}
		if !reflect.DeepEqual(plain(shown), plain(settings)) {
			t.Fatalf("shown %+v\nfirst %+v", shown, settings)
		}
		model(t, l, global, own)
	})
}

// model compares what is in force with what was written, attribute by attribute.
func model(t *rapid.T, l realm.Layers, global, own written) {
	all, err := l.InForce()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, now := range all {
		key := now.Document + " " + now.Path
		if seen[key] {
			t.Fatalf("%s is listed twice", key)
		}
		seen[key] = true
		want, from := "", realm.FromDefault
		if value, ok := global[key]; ok {
			want, from = value, realm.FromGlobal
		}
		if value, ok := own[key]; ok {
			want, from = value, realm.FromRealm
		}
		if now.Origin != from {
			t.Fatalf("%s is from %s, not %s", key, now.Origin, from)
		}
		if from != realm.FromDefault && simple(want) != simple(string(now.Value)) && !special(key) {
			t.Fatalf("%s is %s, not %s", key, now.Value, want)
		}
	}
	for _, w := range []written{global, own} {
		for key := range w {
			if !seen[key] {
				t.Fatalf("%s is not listed", key)
			}
		}
	}
}

// simple is a value without the freedoms that its form has.
func simple(value string) string {
	return strings.ToLower(strings.Trim(value, `"[]`))
}

// special attributes have a meaning that is not the value itself.
func special(key string) bool {
	switch key {
	case "authentication core.orgConfig", "authentication postauthprocess.loginSuccessUrl", // the default stands for nothing
		"authentication trees.suspendedAuthenticationTimeout",                                     // no longer than a journey
		"session sessionPropertyWhitelist", "amSessionPropertyWhitelist sessionPropertyWhitelist": // one list in two places
		return true
	}
	return false
}

// plain makes empty lists nil.
func plain(s realm.Settings) realm.Settings {
	for _, list := range []*[]string{
		&s.SessionProperties, &s.GotoPatterns, &s.NotifiedProperties, &s.ZeroPage.Referrers, &s.Deployment.Cookies.Domains,
	} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	return s
}

// What is accepted is shown without a fault, and shown again it is the same.
func FuzzLayers(f *testing.F) {
	f.Add("authentication", `{"trees":{"authenticationSessionsMaxDuration":"10"}}`, `{"defaults":{"trees":{"suspendedAuthenticationTimeout":9}}}`)
	f.Add("session", `{"dynamic":{"maxIdleTime":1},"stateless":{"statelessSigningType":"NONE"}}`, `{"quotas":{"iplanet-am-session-enable-session-constraint":"ON"}}`)
	f.Add("validation", `{"validGotoDestinations":"x"}`, `{"defaults":[]}`)
	f.Add("server-advanced", `{}`, `{"com.sun.identity.cookie.samesite":"none"}`)
	f.Fuzz(func(t *testing.T, id, own, global string) {
		l := realm.Layers{
			Process: realm.DefaultDeployment(),
			Own:     map[string]json.RawMessage{id: []byte(own)}, Global: map[string]json.RawMessage{id: []byte(global)},
		}
		settings, err := l.Settings()
		if settings.JourneyMaxDuration <= 0 || settings.MaxSession <= 0 || settings.Deployment.Cookies.Check() != nil {
			t.Fatalf("not good settings: %+v", settings)
		}
		if err != nil {
			return
		}
		if !slices.Contains(realm.Documents(), id) {
			return
		}
		if l.Own[id], err = l.Document(id); err != nil {
			t.Fatal(err)
		}
		again, err := l.Settings()
		if err != nil {
			t.Fatalf("what is shown is not accepted: %v", err)
		}
		if !reflect.DeepEqual(plain(again), plain(settings)) {
			t.Fatalf("got %+v\nwant %+v", again, settings)
		}
	})
}

func TestFaultsTogether(t *testing.T) {
	own := func(id, body string) realm.Layers { return layers(map[string]json.RawMessage{id: []byte(body)}) }
	global := func(id, body string) realm.Layers {
		return realm.Layers{Process: realm.DefaultDeployment(), Global: map[string]json.RawMessage{id: []byte(body)}}
	}
	const inMemory = "in-memory storage is not supported for authenticated sessions"
	tests := []struct {
		name, want string
		layers     realm.Layers
	}{
		{"suspended longer than the journey", "trees.suspendedAuthenticationTimeout: a journey may take 3m0s in all", own("authentication", `{"trees":{"authenticationSessionsMaxDuration":3,"suspendedAuthenticationTimeout":4}}`)},
		{"neither signed nor encrypted", "NONE for both", own("session", `{"stateless":{"statelessSigningType":"NONE","statelessEncryptionType":"NONE"}}`)},
		{"encrypted for anybody", "NONE with RSA", own("session", `{"stateless":{"statelessSigningType":"NONE","statelessEncryptionType":"RSA"}}`)},
		{"unsigned", "NONE needs org.forgerock.openam.session.stateless.signing.allownone", own("session", `{"stateless":{"statelessSigningType":"NONE"}}`)},
		{"SameSite none without Secure", "SameSite none needs Secure", global("server-advanced", `{"com.sun.identity.cookie.samesite":"none"}`)},
		{"one name for two cookies", "cannot both be called", global("server-advanced", `{"com.iplanet.am.lbcookie.name":"iPlanetDirectoryPro"}`)},
		{"a cookie that splits", "cannot stand in a cookie", global("server-security", `{"amconfig.header.cookie":{"com.iplanet.am.cookie.name":"a\r\nb"}}`)},
		{"a domain that splits", "cannot stand in a cookie", global("platform", `{"cookieDomains":["a;b"]}`)},
		{"another encryption", `"A256GCM" is none of A128CBC-HS256`, global("server-advanced", `{"org.forgerock.openam.session.stateless.encryption.method":"A256GCM"}`)},
		{"a class of somebody else's", "is none of org.forgerock", own("session", `{"quotas":{"behaviourWhenQuotaExhausted":"com.example.Action"}}`)},
		{"a mapping of nothing", "not of the form attribute|property", own("authentication", `{"postauthprocess":{"userAttributeSessionMapping":["mail"]}}`)},
		{"too long a goto", "from 1 to 2000", global("server-advanced", `{"org.forgerock.openam.redirecturlvalidator.maxUrlLength":"2001"}`)},
		{"sessions in memory, by AM's switch", inMemory, own("authentication", `{"general":{"statelessSessionsEnabled":"In-Memory"}}`)},
		{"sessions in memory, by a name of one's own", inMemory, own("authentication", `{"general":{"sessionsStateManagement":"in_memory"}}`)},
		{"sessions in memory, in the session service", inMemory, own("session", `{"storage":"In Memory"}`)},
		{"sessions in memory, for all realms", inMemory, global("authentication", `{"defaults":{"trees":{"authenticatedSessionsStateManagement":"In-Memory"}}}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := tt.layers.Settings()
			var fault *realm.SettingError
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if want := realm.DefaultSettings(); s.ClientSide != want.ClientSide || !s.Deployment.Cookies.Equal(want.Deployment.Cookies) || s.Quota != want.Quota {
				t.Errorf("what is at fault counts: %+v", s)
			}
		})
	}
}

func TestWhatAttributesMeanTogether(t *testing.T) {
	l := realm.Layers{
		Process: realm.DefaultDeployment(),
		Global: map[string]json.RawMessage{
			"session":         []byte(`{"quotas":{"iplanet-am-session-enable-session-constraint":"ON"},"dynamic":{"quotaLimit":9}}`),
			"server-advanced": []byte(`{"org.forgerock.openam.session.stateless.signing.allownone":"true"}`),
		},
		Own: map[string]json.RawMessage{
			"session":        []byte(`{"dynamic":{"quotaLimit":2},"sessionPropertyWhitelist":["old"],"stateless":{"statelessSigningType":"NONE"}}`),
			"authentication": []byte(`{"trees":{"authenticationSessionsMaxDuration":2},"postauthprocess":{"userAttributeSessionMapping":["mail|user.mail"]}}`),
		},
	}
	s, err := l.Settings()
	if err != nil {
		t.Fatal(err)
	}
	want := realm.DefaultSettings()
	want.Quota.Limit = 2
	want.SessionProperties = []string{"old"}
	want.ClientSide.Signing = realm.SigningNone
	want.JourneyMaxDuration, want.SuspendDuration = 2*time.Minute, 2*time.Minute
	want.SessionMapping = []realm.Mapping{{Attribute: "mail", Property: "user.mail"}}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v\nwant %+v", s, want)
	}
	l.Own["amSessionPropertyWhitelist"] = []byte(`{"sessionPropertyWhitelist":["new"]}`)
	if s, err = l.Settings(); err != nil || !slices.Equal(s.SessionProperties, []string{"new"}) {
		t.Errorf("properties %q, %v", s.SessionProperties, err)
	}
	if s, err = (realm.Layers{Process: l.Process, Own: l.Own}).Settings(); err == nil || s.Quota.Limit != 0 {
		t.Errorf("a quota of %d while quotas are off, %v", s.Quota.Limit, err)
	}
}

// What a process says differs from member to member, and is the weakest.
func TestProcessLayer(t *testing.T) {
	process := realm.DefaultDeployment()
	process.Cookies.Name, process.Cookies.LBValue = "ours", "07"
	l := realm.Layers{Process: process, Global: map[string]json.RawMessage{
		"server-security": []byte(`{"amconfig.header.cookie":{"com.iplanet.am.cookie.name":"theirs"}}`),
	}}
	s, err := l.Settings()
	if err != nil || s.Deployment.Cookies.Name != "theirs" || s.Deployment.Cookies.LBValue != "07" {
		t.Errorf("%+v, %v", s.Deployment.Cookies, err)
	}
	all, err := l.InForce()
	if err != nil {
		t.Fatal(err)
	}
	from := map[string]string{}
	for _, now := range all {
		from[now.Path] = fmt.Sprintf("%s %s", now.Origin, now.Value)
	}
	for path, want := range map[string]string{
		"amconfig.header.cookie.com.iplanet.am.cookie.name": `global "theirs"`,
		"com.iplanet.am.lbcookie.value":                     `process "07"`,
		"com.iplanet.am.lbcookie.name":                      `default "amlbcookie"`,
	} {
		if from[path] != want {
			t.Errorf("%s: %s, want %s", path, from[path], want)
		}
	}
}
