package realm_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sojourn/actors/realm"
)

func TestDecodeSettingsDefaults(t *testing.T) {
	tests := []struct{ name, auth, session, validation, own string }{
		{"nothing", "", "", "", ""},
		{"empty objects", "{}", "{}", "{}", "{}"},
		{"null groups", `{"trees":null}`, `{"dynamic":null}`, `{"validGotoDestinations":null}`, `{"journeys":null}`},
		{"null values", `{"trees":{"authenticationSessionsMaxDuration":null}}`, `{"dynamic":{"maxIdleTime":null}}`, "null", `{"journeys":{"replicas":null}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := layers(stored(tt.auth, tt.session, tt.validation, tt.own)).Settings()
			if err != nil {
				t.Fatal(err)
			}
			if want := realm.DefaultSettings(); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestDecodeSettingsValues(t *testing.T) {
	auth := `{"_id":"","trees":{"authenticationSessionsMaxDuration":"10","authenticationTreeCookieHttpOnly":"false"},
		"accountlockout":{"loginFailureLockoutMode":true,"loginFailureCount":3,"loginFailureDuration":60,
			"lockoutDuration":2,"lockoutDurationMultiplier":4,"lockoutWarnUserCount":1},
		"general":{"defaultAuthLevel":7},"core":{"orgConfig":"Main"},"security":{"addClearSiteDataHeader":false},
		"postauthprocess":{"loginSuccessUrl":["/home","/other"],"loginFailureUrl":"https://a.example/sorry"},
		"userprofile":{"dynamicProfileCreation":"ignore"}}`
	session := `{"dynamic":{"maxSessionTime":2147483647,"maxIdleTime":1,"maxCachingTime":0},
		"general":{"latestAccessTimeUpdateFrequency":0},"sessionPropertyWhitelist":["a","b"]}`
	validation := `{"validGotoDestinations":["https://a.example/*"]}`
	got, err := layers(stored(auth, session, validation, `{"journeys":{"replicas":"5"}}`)).Settings()
	if err != nil {
		t.Fatal(err)
	}
	want := realm.DefaultSettings()
	want.DefaultTree = "Main"
	want.JourneyMaxDuration, want.JourneyReplicas = 10*time.Minute, 5
	want.HidesTokenID = false
	want.MaxSession, want.MaxIdle, want.MaxCaching = 153722867*time.Minute, time.Minute, 0 // the first is the longest there is
	want.TouchInterval = 0
	want.SessionProperties = []string{"a", "b"}
	want.ClearsSiteData, want.ProfileRequired = false, false
	want.SuccessURL, want.FailureURL = "/home", "https://a.example/sorry"
	want.GotoPatterns = []string{"https://a.example/*"}
	want.DefaultAuthLevel = 7
	want.Lockout = realm.Lockout{
		Enabled: true, Failures: 3, Window: time.Minute, Duration: 2 * time.Minute, Multiplier: 4, WarnAfter: 1,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestDecodeSettingsFaults(t *testing.T) {
	tests := []struct{ name, auth, session, validation, own, want string }{
		{"zero minutes", `{"trees":{"authenticationSessionsMaxDuration":0}}`, "", "", "", "settings authentication: trees.authenticationSessionsMaxDuration: a whole number from 1 to 2147483647 is needed"},
		{"too many minutes", `{"trees":{"authenticationSessionsMaxDuration":2147483648}}`, "", "", "", "from 1 to 2147483647"},
		{"half a minute", `{"trees":{"authenticationSessionsMaxDuration":0.5}}`, "", "", "", "a whole number"},
		{"negative lock", `{"accountlockout":{"lockoutDuration":-1}}`, "", "", "", "accountlockout.lockoutDuration: a whole number from 0"},
		{"flag", `{"accountlockout":{"loginFailureLockoutMode":"maybe"}}`, "", "", "", "accountlockout.loginFailureLockoutMode: true or false is needed"},
		{"profile mode", `{"userprofile":{"dynamicProfileCreation":"sometimes"}}`, "", "", "", `"sometimes" is none of false, ignore, true, createAlias`},
		{"success URL with a line feed", `{"postauthprocess":{"loginSuccessUrl":["/a\nb"]}}`, "", "", "", "postauthprocess.loginSuccessUrl"},
		{"no default tree", `{"core":{"orgConfig":""}}`, "", "", "", "core.orgConfig: a tree's name is needed"},
		{"group is a list", `{"trees":[]}`, "", "", "", "trees: an object is needed, not a list"},
		{"idle time", "", `{"dynamic":{"maxIdleTime":0}}`, "", "", "settings session: dynamic.maxIdleTime"},
		{"properties", "", `{"sessionPropertyWhitelist":[{}]}`, "", "", "sessionPropertyWhitelist: a text is needed, not an object"},
		{"pattern", "", "", `{"validGotoDestinations":["*"]}`, "", "settings validation: validGotoDestinations: URL pattern \"*\""},
		{"even replicas", "", "", "", `{"journeys":{"replicas":2}}`, "settings sojourn: journeys.replicas: 2 is none of 1, 3, 5"},
		{"no replicas", "", "", "", `{"journeys":{"replicas":0}}`, "0 is none of 1, 3, 5"},
		{"negative replicas", "", "", "", `{"journeys":{"replicas":-1}}`, "-1 is none of 1, 3, 5"},
		{"many replicas", "", "", "", `{"journeys":{"replicas":1e99}}`, "a whole number"},
		{"half a replica", "", "", "", `{"journeys":{"replicas":1.5}}`, "a whole number"},
		{"not JSON", "{", "", "", "", "settings authentication: the text ends too early"},
		{"a list", "[]", "", "", "", "settings authentication: an object is needed, not a list"},
		{"a key twice", `{"core":{"orgConfig":"a","orgConfig":"b"}}`, "", "", "", `settings authentication: /core: the key "orgConfig" stands there twice`},
		{"two values", "{} {}", "", "", "", "more data follows"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", "", "", "", "not valid UTF-8"},
		{"too large", `{"a":"` + strings.Repeat("a", realm.MaxDocument) + `"}`, "", "", "", "larger than"},
		{"too deep", strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70), "", "", "", "deeper than 64 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := layers(stored(tt.auth, tt.session, tt.validation, tt.own)).Settings()
			var fault *realm.SettingError
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		_, err := layers(stored(`{"core":{"orgConfig":""},"general":{"defaultAuthLevel":-1}}`, "{", "", "")).Settings()
		for _, want := range []string{"core.orgConfig", "general.defaultAuthLevel", "settings session"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not name %s", err, want)
			}
		}
	})
}

func TestUnknownSettings(t *testing.T) {
	got := layers(stored(
		`{"_id":"","_rev":"1","trees":{"suspendedAuthenticationTimeout":9,"zzz":1,"aaa":1},"newGroup":{"a":1}}`,
		`{"quota":1,"dynamic":{"quotaLimit":2}}`, "", `{"journeys":{"replicas":1,"copies":1}}`)).Unknown()
	want := []string{"authentication: newGroup", "authentication: trees.aaa", "authentication: trees.zzz", "session: quota", "sojourn: journeys.copies"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAuthenticationDocument(t *testing.T) {
	t.Run("defaults", func(t *testing.T) {
		got, err := layers(nil).Document(realm.DocumentAuthentication)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"accountlockout":{"lockoutDuration":0,"lockoutDurationMultiplier":1,"lockoutWarnUserCount":0,` +
			`"loginFailureCount":5,"loginFailureDuration":300,"loginFailureLockoutMode":false,"storeInvalidAttemptsInDataStore":true},` +
			`"core":{"adminAuthModule":"Login","orgConfig":"Login"},` +
			`"general":{"defaultAuthLevel":0,"externalLoginPageUrl":"","identityType":["agent","user"],"locale":"en_US","statelessSessionsEnabled":false,` +
			`"twoFactorRequired":false,"userStatusCallbackPlugins":[]},` +
			`"postauthprocess":{"loginFailureUrl":[],"loginPostProcessClass":[],"loginSuccessUrl":["/am/console"],` +
			`"userAttributeSessionMapping":[],"usernameGeneratorClass":"com.sun.identity.authentication.spi.DefaultUserIDGenerator","usernameGeneratorEnabled":true},` +
			`"security":{"addClearSiteDataHeader":true,"keyAlias":"test","moduleBasedAuthEnabled":false,"sharedSecret":null,` +
			`"zeroPageLoginAllowedWithoutReferrer":true,"zeroPageLoginEnabled":false,"zeroPageLoginReferrerWhiteList":[]},` +
			`"trees":{"authenticationSessionsMaxDuration":5,"authenticationSessionsStateManagement":"In-Memory",` +
			`"authenticationSessionsWhitelist":false,"authenticationTreeCookieHttpOnly":true,"suspendedAuthenticationTimeout":5},` +
			`"userprofile":{"aliasAttributeName":["uid"],"defaultRole":[],"dynamicProfileCreation":"false"}}`
		if string(got) != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	t.Run("stored values stay", func(t *testing.T) {
		stored := `{"general":{"locale":"de","ours":{"a":[1]}},"security":{"sharedSecret":"hush"},"trees":{"suspendedAuthenticationTimeout":null}}`
		raw, err := layers(map[string]json.RawMessage{"authentication": []byte(stored)}).Document(realm.DocumentAuthentication)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]map[string]any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if got["general"]["locale"] != "de" || got["general"]["ours"] == nil || got["trees"]["suspendedAuthenticationTimeout"] != 5.0 {
			t.Errorf("got %s", raw)
		}
		if strings.Contains(string(raw), "hush") {
			t.Errorf("a secret is shown: %s", raw)
		}
	})
	t.Run("not JSON", func(t *testing.T) {
		if raw, err := layers(map[string]json.RawMessage{"authentication": []byte("[")}).Document(realm.DocumentAuthentication); err == nil {
			t.Errorf("got %s", raw)
		}
	})
}

// stored are settings documents by their ids.
func stored(auth, session, validation, own string) map[string]json.RawMessage {
	return map[string]json.RawMessage{
		realm.DocumentAuthentication: []byte(auth),
		realm.DocumentSession:        []byte(session),
		realm.DocumentValidation:     []byte(validation),
		realm.DocumentSojourn:        []byte(own),
	}
}

// layers are those of a realm with these documents, under nothing but defaults.
func layers(own map[string]json.RawMessage) realm.Layers {
	return realm.Layers{Process: realm.DefaultDeployment(), Own: own}
}
