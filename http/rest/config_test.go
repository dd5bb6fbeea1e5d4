package rest

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

const (
	alphaTrees = "/realms/root/realms/alpha/realm-config/authentication/authenticationtrees/"
	missing    = `{"code":404,"reason":"Not Found","message":"Not Found"}`
	nodeA      = "1f0c6a52-7c1b-4a58-9d0e-2b6f4a1c9e77"
	nodeB      = "2f0c6a52-7c1b-4a58-9d0e-2b6f4a1c9e77"
	pageEnd    = `,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`
	loginTree  = `{"entryNodeId":"` + nodeA + `","nodes":{"` + nodeA + `":{"nodeType":"DataStoreDecisionNode","displayName":"Check",` +
		`"connections":{"true":"70e691a5-1e33-4ac3-a356-e7b6d60d92e0","false":"e301438c-0bd0-429c-ab0c-66126501069a"},"x":440,"y":80}},"uiConfig":{"categories":"[]"}}`
)

// step is one request by the operator and its exact answer.
type step struct {
	name, method, path, body string
	header                   map[string]string
	status                   int
	want                     string
	etag, location           string
}

func (r *rig) steps(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			r.t = t
			header := bearer(operatorToken)
			maps.Copy(header, s.header)
			w := r.ask(asked{method: s.method, path: s.path, body: s.body, header: header})
			if w.Code != s.status || (s.want != "" && hideRevs(w.Body.String()) != s.want) {
				t.Errorf("\n got %d %s\nwant %d %s", w.Code, w.Body, s.status, s.want)
			}
			if got := w.Header().Get("ETag"); s.etag != "" && got != s.etag {
				t.Errorf("ETag %s, want %s", got, s.etag)
			}
			if got := w.Header().Get("Location"); got != s.location {
				t.Errorf("Location %q, want %q", got, s.location)
			}
		})
	}
}

func TestTrees(t *testing.T) {
	shown := func(rev, enabled string) string {
		return `{"_id":"Log in","_rev":"` + rev + `","enabled":` + enabled + `,"entryNodeId":"` + nodeA + `","innerTreeOnly":false,"mustRun":false,"noSession":false,` +
			`"nodes":{"` + nodeA + `":{"connections":{"false":"e301438c-0bd0-429c-ab0c-66126501069a","true":"70e691a5-1e33-4ac3-a356-e7b6d60d92e0"},"displayName":"Check","nodeType":"DataStoreDecisionNode","x":440,"y":80}},` +
			`"staticNodes":{},"transactionalOnly":false,"uiConfig":{"categories":"[]"}}`
	}
	const path = alphaTrees + "trees/Log%20in"
	newRig(t).steps(t, []step{
		{name: "none", method: "GET", path: path, status: 404, want: missing},
		{name: "create by put", method: "PUT", path: path, body: loginTree, status: 201, want: shown("1", "true"), etag: `"1"`, location: "/am/json" + path},
		{name: "replace", method: "PUT", path: path, body: strings.Replace(loginTree, "{", `{"enabled":false,"_rev":"1","_id":"other",`, 1), status: 200, want: shown("2", "false"), etag: `"2"`},
		{name: "read", method: "GET", path: path, status: 200, want: shown("2", "false"), etag: `"2"`},
		{name: "list", method: "GET", path: alphaTrees + "trees?_queryFilter=true", status: 200, want: `{"result":[` + shown("2", "false") + `],"resultCount":1` + pageEnd},
		{name: "list by name", method: "GET", path: alphaTrees + "trees?_queryFilter=_id+eq+%22log%20in%22", status: 200, want: `{"result":[` + shown("2", "false") + `],"resultCount":1` + pageEnd},
		{name: "list of another name", method: "GET", path: alphaTrees + "trees?_queryFilter=_id+eq+%22x%22", status: 200, want: `{"result":[],"resultCount":0` + pageEnd},
		{name: "another realm has none", method: "GET", path: "/realm-config/authentication/authenticationtrees/trees?_queryFilter=true", status: 200, want: `{"result":[],"resultCount":0` + pageEnd},
		{name: "create only", method: "PUT", path: path, body: loginTree, header: map[string]string{"If-None-Match": "*"}, status: 412, want: `{"code":412,"reason":"Precondition Failed","message":"Precondition Failed"}`},
		{name: "an old revision", method: "PUT", path: path, body: loginTree, header: map[string]string{"If-Match": `"1"`}, status: 412},
		{name: "both preconditions", method: "PUT", path: path, body: loginTree, header: map[string]string{"If-Match": `"2"`, "If-None-Match": "*"}, status: 412},
		{name: "the right revision", method: "PUT", path: path, body: loginTree, header: map[string]string{"If-Match": `"2"`}, status: 200, want: shown("3", "true")},
		{name: "create by action", method: "POST", path: alphaTrees + "trees?_action=create", body: strings.Replace(loginTree, "{", `{"_id":"b",`, 1), status: 201, location: "/am/json" + alphaTrees + "trees/b"},
		{name: "create again", method: "POST", path: alphaTrees + "trees?_action=create", body: strings.Replace(loginTree, "{", `{"_id":"b",`, 1), status: 409, want: `{"code":409,"reason":"Conflict","message":"Unable to save config: Service already exists"}`},
		{name: "an unknown attribute", method: "PUT", path: path, body: strings.Replace(loginTree, "{", `{"foo":1,`, 1), status: 400, want: `{"code":400,"reason":"Bad Request","message":"Invalid attribute specified.","detail":{"validAttributes":["description","enabled","entryNodeId","identityResource","innerTreeOnly","maximumIdleTime","maximumSessionTime","mustRun","noSession","nodes","staticNodes","transactionalOnly","treeTimeout","uiConfig"]}}`},
		{name: "no entry", method: "PUT", path: path, body: `{"nodes":{}}`, status: 400, want: `{"code":400,"reason":"Bad Request","message":"Node with ID entryNodeId must exist in the tree."}`},
		{name: "nodes that are none", method: "PUT", path: path, body: `{"nodes":[]}`, status: 400, want: `{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, Nodes"}`},
		{name: "no JSON", method: "PUT", path: path, body: `{`, status: 400},
		{name: "an escaped slash", method: "GET", path: alphaTrees + "trees/a%2Fb", status: 404, want: missing},
		{name: "delete", method: "DELETE", path: path, status: 200, want: shown("3", "true")},
		{name: "delete again", method: "DELETE", path: path, status: 404, want: missing},
		{name: "a verb that there is not", method: "PATCH", path: path, status: 405, want: `{"code":405,"reason":"Method Not Allowed","message":"Method Not Allowed"}`},
		{name: "an unknown action", method: "POST", path: alphaTrees + "trees?_action=x", status: 501},
		{name: "an unknown place", method: "GET", path: alphaTrees + "leaves", status: 404, want: `{"code":404,"reason":"Not Found","message":"Resource 'authentication/authenticationtrees/leaves' not found"}`},
	})
}

func TestNodes(t *testing.T) {
	const (
		path = alphaTrees + "nodes/DataStoreDecisionNode/" + nodeA
		page = alphaTrees + "nodes/PageNode/" + nodeB
		kind = `"_type":{"_id":"DataStoreDecisionNode","collection":true,"name":"Data Store Decision"}`
		ends = `"_outcomes":[{"displayName":"True","id":"true"},{"displayName":"False","id":"false"}]`
		one  = `{"_id":"` + nodeA + `","_rev":"1",` + ends + `,` + kind + `}`
	)
	newRig(t).steps(t, []step{
		{name: "none", method: "GET", path: path, status: 404, want: missing},
		{name: "none of an unknown type", method: "GET", path: alphaTrees + "nodes/type1/node1", status: 404, want: `{"code":404,"reason":"Not Found","message":"Resource 'type1/node1' not found"}`},
		{name: "an unknown type", method: "PUT", path: alphaTrees + "nodes/type1/" + nodeA, body: "{}", status: 404, want: `{"code":404,"reason":"Not Found","message":"Resource 'type1/` + nodeA + `' not found"}`},
		{name: "create by put", method: "PUT", path: path, body: `{"_id":"x","_rev":"7","_type":{"_id":"y"},"_outcomes":[]}`, status: 201, want: one, etag: `"1"`, location: "/am/json" + path},
		{name: "read", method: "GET", path: path, status: 200, want: one},
		{name: "read by version", method: "GET", path: alphaTrees + "nodes/DataStoreDecisionNode/1.0/" + nodeA, status: 200, want: one},
		{name: "read as another type", method: "GET", path: alphaTrees + "nodes/PageNode/" + nodeA, status: 404, want: missing},
		{
			name: "a page tells its last child's outcomes", method: "PUT", path: page, body: `{"nodes":[{"_id":"` + nodeA + `","nodeType":"DataStoreDecisionNode","displayName":"d"}],"pageHeader":{},"pageDescription":{}}`, status: 201, location: "/am/json" + page,
			want: `{"_id":"` + nodeB + `","_rev":"2",` + ends + `,"_type":{"_id":"PageNode","collection":true,"name":"Page Node"},"nodes":[{"_id":"` + nodeA + `","nodeType":"DataStoreDecisionNode","displayName":"d"}],"pageDescription":{},"pageHeader":{}}`,
		},
		{name: "list of a type", method: "GET", path: alphaTrees + "nodes/DataStoreDecisionNode?_queryFilter=true", status: 200, want: `{"result":[` + one + `],"resultCount":1` + pageEnd},
		{name: "create again", method: "POST", path: alphaTrees + "nodes/DataStoreDecisionNode?_action=create", body: `{"_id":"` + nodeA + `"}`, status: 409, want: `{"code":409,"reason":"Conflict","message":"Unable to save config: Service already exists"}`},
		{name: "an id that is none", method: "PUT", path: alphaTrees + "nodes/DataStoreDecisionNode/x", body: "{}", status: 400},
		{name: "a value that is none", method: "PUT", path: alphaTrees + "nodes/RetryLimitDecisionNode/" + nodeA, body: `{"retryLimit":"many"}`, status: 400},
		{name: "outcomes", method: "POST", path: alphaTrees + "nodes/DataStoreDecisionNode?_action=listOutcomes", body: "{}", status: 200, want: `[{"displayName":"True","id":"true"},{"displayName":"False","id":"false"}]`},
		{name: "type", method: "POST", path: alphaTrees + "nodes/DataStoreDecisionNode?_action=getType", status: 200, want: `{"_id":"DataStoreDecisionNode","name":"Data Store Decision","collection":true,"tags":[],"metadata":{"tags":[]},"help":""}`},
		{name: "versions", method: "POST", path: alphaTrees + "nodes/DataStoreDecisionNode?_action=versionInfo", status: 200, want: `[{"version":"1.0","changelog":""}]`},
		{name: "schema", method: "POST", path: alphaTrees + "nodes/DataStoreDecisionNode/1.0?_action=schema", status: 200, want: `{"type":"object","properties":{}}`},
		{name: "delete", method: "DELETE", path: path, status: 200, want: one},
		{name: "delete again", method: "DELETE", path: path, status: 404, want: missing},
	})
}

// Every type has a schema and a template that its own rules take.
func TestNodeTypes(t *testing.T) {
	r := newRig(t)
	header := bearer(operatorToken)
	var all struct {
		Result []struct {
			ID string `json:"_id"`
		} `json:"result"`
	}
	w := r.ask(asked{path: alphaTrees + "nodes?_action=getAllTypes", header: header})
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all.Result) < 20 {
		t.Fatalf("%v: %d types: %s", err, len(all.Result), w.Body)
	}
	for _, kind := range all.Result {
		t.Run(kind.ID, func(t *testing.T) {
			r.t = t
			var schema struct {
				Properties map[string]struct {
					Type  string `json:"type"`
					Order int    `json:"propertyOrder"`
				} `json:"properties"`
			}
			w := r.ask(asked{path: alphaTrees + "nodes/" + kind.ID + "?_action=schema", header: header})
			if err := json.Unmarshal(w.Body.Bytes(), &schema); err != nil || w.Code != 200 {
				t.Fatalf("schema: %d %s", w.Code, w.Body)
			}
			var template map[string]any
			w = r.ask(asked{path: alphaTrees + "nodes/" + kind.ID + "?_action=template", header: header})
			if err := json.Unmarshal(w.Body.Bytes(), &template); err != nil || w.Code != 200 {
				t.Fatalf("template: %d %s", w.Code, w.Body)
			}
			for name := range template {
				if schema.Properties[name].Type == "" || schema.Properties[name].Order == 0 {
					t.Errorf("%s is in the template and not in the schema", name)
				}
			}
		})
	}
}

func TestScripts(t *testing.T) {
	const (
		path  = "/realms/root/realms/alpha/scripts/" + nodeA
		body  = `{"_id":"x","name":"N","language":"JAVASCRIPT","context":"AUTHENTICATION_TREE_DECISION_NODE","script":"b3V0Y29tZQ==","createdBy":"me"}`
		shown = `{"_id":"` + nodeA + `","_rev":"1","context":"AUTHENTICATION_TREE_DECISION_NODE","createdBy":"operator","creationDate":1772366400000,"language":"JAVASCRIPT",` +
			`"lastModifiedBy":"operator","lastModifiedDate":1772366400000,"name":"N","script":"b3V0Y29tZQ=="}`
	)
	newRig(t).steps(t, []step{
		{name: "none", method: "GET", path: path, status: 404, want: missing},
		{name: "no text", method: "PUT", path: path, body: `{"name":"N"}`, status: 400, want: `{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, Script"}`},
		{name: "create", method: "PUT", path: path, body: body, status: 201, want: shown, location: "/am/json" + path},
		{name: "by name", method: "GET", path: "/realms/root/realms/alpha/scripts?_queryFilter=name+eq+%22N%22", status: 200, want: `{"result":[` + shown + `],"resultCount":1` + pageEnd},
		{name: "by another name", method: "GET", path: "/realms/root/realms/alpha/scripts?_queryFilter=name+eq+%22M%22", status: 200, want: `{"result":[],"resultCount":0` + pageEnd},
		{name: "the name again", method: "PUT", path: "/realms/root/realms/alpha/scripts/" + nodeB, body: body, status: 409},
		{name: "a node that uses it", method: "PUT", path: alphaTrees + "nodes/MessageNode/" + nodeB, body: `{"script":"` + nodeA + `"}`, status: 201, location: "/am/json" + alphaTrees + "nodes/MessageNode/" + nodeB},
		{name: "in use", method: "DELETE", path: path, status: 409},
		{name: "the node goes", method: "DELETE", path: alphaTrees + "nodes/MessageNode/" + nodeB, status: 200},
		{name: "delete", method: "DELETE", path: path, status: 200, want: `{"_id":"` + nodeA + `"}`},
	})
}

func TestSettings(t *testing.T) {
	const path = "/realms/root/realms/alpha/realm-config/"
	r := newRig(t)
	r.steps(t, []step{
		{name: "session, default", method: "GET", path: path + "services/session", status: 200},
		{name: "session", method: "PUT", path: path + "services/session", body: `{"_id":"","dynamic":{"maxIdleTime":7},"_type":{}}`, status: 200, etag: `"1"`},
		{name: "session, nonsense", method: "PUT", path: path + "services/session", body: `{"dynamic":{"maxIdleTime":"long"}}`, status: 400},
		{name: "session, old revision", method: "PUT", path: path + "services/session", body: `{}`, header: map[string]string{"If-Match": "0"}, status: 412},
		{
			name: "sojourn, even replicas", method: "PUT", path: path + "services/sojourn", body: `{"journeys":{"replicas":4}}`, status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, Journeys.replicas: 4 is none of 1, 3, 5"}`,
		},
		{name: "sojourn", method: "PUT", path: path + "services/sojourn", body: `{"journeys":{"replicas":5}}`, status: 200},
		{name: "authentication", method: "PUT", path: path + "authentication", body: `{"core":{"orgConfig":"Mine"}}`, status: 200},
		{name: "no JSON", method: "PUT", path: path + "authentication", body: `{`, status: 400},
	})
	for path, want := range map[string]string{
		path + "services/session": `"maxIdleTime":7`,
		path + "authentication":   `"orgConfig":"Mine"`,
	} {
		w := r.ask(asked{method: "GET", path: path, header: bearer(operatorToken)})
		if !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"_type":{`) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	if d := r.docs.all[documentKey{realm.KindSettings, "/alpha", "session"}]; string(d.Body) != `{"dynamic":{"maxIdleTime":7}}` {
		t.Errorf("stored: %s", d.Body)
	}
	r.t = t
	// frodo lists services by _id, and asks each for what is below it.
	r.want("services", asked{path: path + "services?_action=nextdescendents", header: bearer(operatorToken)}, 200,
		`{"result":[{"_id":"session","_rev":"1","_type":{"_id":"session","name":"Session","collection":false},`+
			`"dynamic":{"maxCachingTime":3,"maxIdleTime":7,"maxSessionTime":120,"quotaLimit":5}},`+
			`{"_id":"amSessionPropertyWhitelist","_rev":"#","_type":{"_id":"amSessionPropertyWhitelist","name":"Session Property Whitelist Service","collection":false},`+
			`"sessionPropertyWhitelist":["AMCtxId"],"whitelistedQueryProperties":[]},`+
			`{"_id":"validation","_rev":"#","_type":{"_id":"validation","name":"Validation Service","collection":false},"validGotoDestinations":[]},`+
			`{"_id":"sojourn","_rev":"2","_type":{"_id":"sojourn","name":"Sojourn","collection":false},"journeys":{"replicas":5,"resumeElsewhere":true}}]}`)
	r.want("below a service", asked{path: path + "services/session?_action=nextdescendents", header: bearer(operatorToken)}, 200, `{"result":[]}`)
	r.want("below none", asked{path: path + "services/email?_action=nextdescendents", header: bearer(operatorToken)}, 404,
		`{"code":404,"reason":"Not Found","message":"Resource 'services/email' not found"}`)
}

func TestRealms(t *testing.T) {
	const (
		path  = "/global-config/realms"
		root  = `{"_id":"Lw","_rev":"#","active":true,"aliases":[],"name":"/","parentPath":null}`
		beta  = `{"_id":"L2JldGE","_rev":"1","active":true,"aliases":[],"name":"beta","parentPath":"/"}`
		below = `{"_id":"L2JldGEvYw","_rev":"2","active":true,"aliases":["x"],"name":"c","parentPath":"/beta"}`
	)
	r := newRig(t)
	steps := []step{
		{name: "create", method: "POST", path: path + "?_action=create", body: `{"name":"beta","active":true,"parentPath":"/","aliases":[]}`, status: 201, want: beta, location: "/am/json" + path + "/L2JldGE"},
		{name: "create below", method: "POST", path: path + "?_action=create", body: `{"name":"c","parentPath":"/beta","aliases":["x"]}`, status: 201, want: below, location: "/am/json" + path + "/L2JldGEvYw"},
		{name: "create again", method: "POST", path: path + "?_action=create", body: `{"name":"beta","parentPath":"/"}`, status: 409},
		{name: "below nothing", method: "POST", path: path + "?_action=create", body: `{"name":"x","parentPath":"/none"}`, status: 400},
		{name: "a slash in its name", method: "POST", path: path + "?_action=create", body: `{"name":"a/b","parentPath":"/"}`, status: 400},
		{name: "inactive", method: "POST", path: path + "?_action=create", body: `{"name":"d","active":false}`, status: 400},
		{name: "read", method: "GET", path: path + "/L2JldGE", status: 200, want: beta},
		{name: "an id that is none", method: "GET", path: path + "/*", status: 404, want: missing},
		{name: "not empty", method: "DELETE", path: path + "/L2JldGE", status: 409},
		{name: "the top level", method: "DELETE", path: path + "/Lw", status: 403},
		{name: "delete below", method: "DELETE", path: path + "/L2JldGEvYw", status: 200, want: below},
	}
	r.steps(t, steps)
	w := r.ask(asked{method: "GET", path: path + "/?_queryFilter=true", header: bearer(operatorToken)})
	if !strings.HasPrefix(w.Body.String(), `{"result":[{"_id":"Lw",`) || !strings.HasSuffix(w.Body.String(), `,`+beta+`],"resultCount":2`+pageEnd) {
		t.Errorf("list: %s", w.Body)
	}
}

// A realm that is made again is empty.
func TestDeletedRealmTakesItsContentAlong(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Realms = memoryRealms{"/": settingsOf(t), "/beta": settingsOf(t)}
	})
	token, _ := r.login("/beta", "u")
	foreign, _ := r.login("/beta", "of a directory")
	r.steps(t, []step{
		{name: "realm", method: "POST", path: "/global-config/realms?_action=create", body: `{"name":"beta"}`, status: 201, location: "/am/json/global-config/realms/L2JldGE"},
		{name: "user", method: "POST", path: "/realms/root/realms/beta/users?_action=create", body: `{"username":"u","userpassword":"p"}`, status: 201, location: "/am/json/realms/root/realms/beta/users/u"},
		{
			name: "tree", method: "PUT", path: "/realms/root/realms/beta/realm-config/authentication/authenticationtrees/trees/t", body: loginTree, status: 201,
			location: "/am/json/realms/root/realms/beta/realm-config/authentication/authenticationtrees/trees/t",
		},
		{name: "delete", method: "DELETE", path: "/global-config/realms/L2JldGE", status: 200},
	})
	if len(r.docs.all) != 0 || len(r.users.all["/beta"]) != 0 {
		t.Errorf("left: %v, %v", r.docs.all, r.users.all)
	}
	r.t = t
	for _, token := range []session.TokenID{token, foreign} {
		r.want("its session", asked{path: "/sessions?_action=validate", cookie: token}, 200, `{"valid":false}`)
	}
}

func TestBackup(t *testing.T) {
	r := newRig(t)
	r.saved = []byte("a backup")
	w := r.ask(asked{method: "GET", path: "/global-config/sojourn/backup", header: bearer(operatorToken)})
	if w.Code != 200 || w.Body.String() != "a backup" || w.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	r.want("restore", asked{path: "/global-config/sojourn/backup", body: "another", header: bearer(operatorToken)}, 200, `{"success":true}`)
	if string(r.saved) != "another" {
		t.Errorf("restored %q", r.saved)
	}
	r.want("too large", asked{path: "/global-config/sojourn/backup", body: "large", header: bearer(operatorToken)}, 400,
		`{"code":400,"reason":"Bad Request","message":"a thing of 2 bytes is larger than the store takes: at most 1"}`)
	r.want("no backup", asked{path: "/global-config/sojourn/backup", body: "cut", header: bearer(operatorToken)}, 400,
		`{"code":400,"reason":"Bad Request","message":"not a whole backup"}`)
	r.well = errors.New("no room")
	if w := r.ask(asked{method: "GET", path: "/global-config/sojourn/backup", header: bearer(operatorToken)}); w.Code != 500 || strings.Contains(w.Body.String(), "room") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestServerInfo(t *testing.T) {
	r := newRig(t)
	user, _ := r.login("/alpha", "demo")
	r.want("settings", asked{method: "GET", path: "/realms/root/realms/alpha/serverinfo/*", version: "1.1"}, 200,
		`{"_id":"*","_rev":"#","domains":[],"protectedUserAttributes":[],"cookieName":"iPlanetDirectoryPro","secureCookie":false,`+
			`"forgotPassword":"false","forgotUsername":"false","kbaEnabled":"false","selfRegistration":"false","lang":"en-US","successfulUserRegistrationDestination":"default",`+
			`"socialImplementations":[],"referralsEnabled":"false","zeroPageLogin":{"enabled":false,"refererWhitelist":[],"allowedWithoutReferer":true},`+
			`"realm":"/alpha","xuiUserSessionValidationEnabled":true,"fileBasedConfiguration":false,"userIdAttributes":[]}`)
	r.want("version, by a stranger", asked{method: "GET", path: "/serverinfo/version"}, 403, `{"code":403,"reason":"Forbidden","message":"No session for request."}`)
	r.want("version", asked{method: "GET", path: "/serverinfo/version", version: "1.0", cookie: user}, 200,
		`{"_id":"version","_rev":"#","version":"8.0.1","fullVersion":"Sojourn 0.1.0 (PingAM 8.0.1 compatible) Build abc (2026-March-01 12:00)","revision":"abc","date":"2026-March-01 12:00"}`)
	r.want("domains", asked{method: "GET", path: "/serverinfo/cookieDomains"}, 200, `{"_id":"cookieDomains","_rev":"#","domains":[]}`)
	r.want("nonsense", asked{method: "GET", path: "/serverinfo/x"}, 404, `{"code":404,"reason":"Not Found","message":"Resource 'x' not found"}`)
	for _, state := range []string{"live", "ready"} {
		r.well = nil
		if w := r.ask(asked{method: "GET", path: "/health/" + state}); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "0" || w.Header().Get("Content-Api-Version") != "resource=1.0" {
			t.Errorf("%s: %d %v", state, w.Code, w.Header())
		}
		r.well = errors.New("no quorum")
		if w := r.ask(asked{method: "GET", path: "/health/" + state}); w.Code != 503 || w.Body.Len() != 0 {
			t.Errorf("%s: %d %s", state, w.Code, w.Body)
		}
	}
	for well, status := range map[error]int{nil: 200, errors.New("x"): 503} {
		r.well = well
		w := &recorder{header: http.Header{}}
		r.h.IsAlive(w, nil)
		if w.status != status || strings.Contains(w.body, "Server is ALIVE") != (well == nil) {
			t.Errorf("isAlive: %d %s", w.status, w.body)
		}
	}
}

type recorder struct {
	header http.Header
	status int
	body   string
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status = s }

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = 200
	}
	r.body += string(p)
	return len(p), nil
}
