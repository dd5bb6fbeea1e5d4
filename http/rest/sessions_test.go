package rest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sojourn/cts/session"
)

const (
	accessDenied = `{"code":401,"reason":"Unauthorized","message":"Access Denied"}`
	forbidden    = `{"code":403,"reason":"Forbidden","message":"Forbidden"}`
	unavailable  = `{"code":503,"reason":"Service Unavailable","message":"Service Unavailable"}`
)

func bodyOf(token session.TokenID) string { return `{"tokenId":"` + string(token) + `"}` }

// gone returns the token of a session that has ended.
func (r *rig) gone() session.TokenID {
	token, s := r.login("/alpha", "gone")
	delete(r.store.all, s.ID)
	return token
}

// Every session call with its exact answer.
func TestSessionCalls(t *testing.T) {
	const info = `{"username":"bjensen","universalId":"id=bjensen,ou=user,o=alpha,ou=services,dc=example","realm":"/alpha",` +
		`"latestAccessTime":"2026-03-01T12:00:00Z","maxIdleExpirationTime":"2026-03-01T12:30:00Z","maxSessionExpirationTime":"2026-03-01T14:00:00Z",` +
		`"properties":{"AMCtxId":"ctx-bjensen","LoginLocation":"","am.x":""}}`
	r := newRig(t)
	own, s := r.login("/alpha", "bjensen")
	handle := string(s.ID.Handle())
	second, _ := r.login("/alpha", "bjensen")
	other, _ := r.login("/alpha", "scarter")
	admin, _ := r.login("/", "amadmin", asAdmin)
	dead := r.gone()
	oldInfo := strings.Replace(info, `"latestAccessTime"`, `"sessionHandle":"`+handle+`","latestAccessTime"`, 1)
	oldInfo = oldInfo[:strings.Index(oldInfo, `,"properties"`)] + "}"
	valid := `{"valid":true,"sessionUid":"ctx-bjensen","uid":"bjensen","realm":"/alpha"}`

	const path = "/realms/root/realms/alpha/sessions/?_action="
	for _, tt := range []struct {
		name, path, version, body string
		cookie                    session.TokenID
		header                    map[string]string
		status                    int
		want                      string
	}{
		{"validate by cookie", path + "validate", "3.0", "", own, nil, 200, valid},
		{"validate by cookie, empty object", path + "validate", "2.1", "{}", own, nil, 200, valid},
		{"validate without a slash or version", "/sessions?_action=validate", "", "{}", own, nil, 200, valid},
		{"validate by header", path + "validate", "5.1", "", "", map[string]string{"iPlanetDirectoryPro": string(own)}, 200, valid},
		{"validate by body alone", path + "validate", "4.0", bodyOf(own), "", nil, 200, valid},
		{"validate another's by any caller", path + "validate", "3.0", bodyOf(own), other, nil, 200, valid},
		{"validate with spaces and escapes", path + "validate", "3.0", ` { "tokenId" : "` + strings.Replace(string(own), "*", `\u002a`, 1) + `" , "x":1} `, "", nil, 200, valid},
		{"validate version 1", path + "validate", "1.0", "", own, nil, 200, `{"valid":true,"uid":"bjensen","realm":"/alpha"}`},
		{"validate by parameter", path + "validate&tokenId=" + string(own), "3.0", "", "", nil, 200, valid},
		{"validate a dead one", path + "validate", "3.0", "", dead, nil, 200, `{"valid":false}`},
		{"validate a dead one in the body", path + "validate", "3.0", bodyOf(dead), own, nil, 200, `{"valid":false}`},
		{"validate nonsense", path + "validate", "3.0", `{"tokenId":"nonsense"}`, "", nil, 200, `{"valid":false}`},
		{"validate nothing", path + "validate", "3.0", "{}", "", nil, 400, `{"code":400,"reason":"Bad Request","message":"iPlanetDirectoryCookie not set on request"}`},
		{"validate no JSON", path + "validate", "3.0", "{", own, nil, 400, notJSON},
		{"validate a number", path + "validate", "3.0", `{"tokenId":7}`, own, nil, 400, notJSON},
		{"validate a key that stands twice", path + "validate", "3.0", `{"tokenId":"a","tokenId":"b"}`, own, nil, 400, notJSON},

		{"info by cookie", path + "getSessionInfo", "4.0", "", own, nil, 200, info},
		{"info by body alone", path + "getSessionInfo", "4.0", bodyOf(own), "", nil, 200, info},
		{"info through another realm", "/realms/root/sessions/?_action=getSessionInfo", "4.0", bodyOf(own), "", nil, 200, info},
		{"info by an administrator", path + "getSessionInfo", "4.0", bodyOf(own), admin, nil, 200, info},
		{"info by the operator", path + "getSessionInfo", "4.0", bodyOf(own), "", bearer(operatorToken), 200, info},
		{"info of another session of one's own", path + "getSessionInfo", "4.0", bodyOf(own), second, nil, 200, info},
		{"info beside a dead cookie", path + "getSessionInfo", "4.0", bodyOf(own), dead, nil, 200, info},
		{"info of version 2", path + "getSessionInfo", "2.0", "", own, nil, 200, oldInfo},
		{"info of version 3", path + "getSessionInfo", "3.1", "", own, nil, 200, oldInfo},
		{"info and reset", path + "getSessionInfoAndResetIdleTime", "4.0", "", own, nil, 200, info},
		{
			"info of an administrator", "/realms/root/realms/alpha/sessions?_action=getSessionInfo", "4.0", "", admin, nil, 200,
			`{"username":"amadmin","universalId":"id=amadmin,ou=user,dc=example","realm":"/","latestAccessTime":"2026-03-01T12:00:00Z",` +
				`"maxIdleExpirationTime":"2026-03-01T12:30:00Z","maxSessionExpirationTime":"2026-03-01T14:00:00Z","properties":{"AMCtxId":"ctx-amadmin"}}`,
		},
		{"info of somebody else", path + "getSessionInfo", "4.0", bodyOf(own), other, nil, 403, forbidden},
		{"info of a dead one by somebody else", path + "getSessionInfo", "4.0", bodyOf(dead), other, nil, 403, forbidden},
		{"info of a dead one by an administrator", path + "getSessionInfo", "4.0", bodyOf(dead), admin, nil, 200, `{"valid":false}`},
		{"info of a dead one of one's own", path + "getSessionInfo", "4.0", "", dead, nil, 401, accessDenied},
		{"info of a dead one by body alone", path + "getSessionInfo", "4.0", bodyOf(dead), "", nil, 401, accessDenied},
		{"info with a wrong bearer", path + "getSessionInfo", "4.0", bodyOf(own), admin, bearer("wrong"), 401, accessDenied},

		{
			"refresh", path + "refresh", "3.1", "", own, nil, 200,
			`{"uid":"bjensen","realm":"/alpha","idletime":0,"maxidletime":30,"maxsessiontime":120,"maxtime":7200}`,
		},
		{"refresh a dead one", path + "refresh", "3.1", "", dead, nil, 200, `{"valid":false}`},
		{"refresh somebody else's", path + "refresh", "3.1", bodyOf(own), other, nil, 403, forbidden},

		{"properties", path + "getSessionProperties", "3.1", "", own, nil, 200, `{"AMCtxId":"ctx-bjensen","LoginLocation":"","am.x":""}`},
		{"properties of a dead one", path + "getSessionProperties", "3.1", bodyOf(dead), admin, nil, 400, `{"code":400,"reason":"Bad Request","message":"Bad Request"}`},
		{"properties of a dead one of one's own", path + "getSessionProperties", "3.1", "", dead, nil, 401, accessDenied},
		{"update", path + "updateSessionProperties", "3.1", `{"LoginLocation":"40.7,-74"}`, second, nil, 200, `{"AMCtxId":"ctx-bjensen","LoginLocation":"40.7,-74","am.x":""}`},
		{"update by token in the body", path + "updateSessionProperties", "3.1", `{"am.x":"1","tokenId":"` + string(second) + `"}`, "", nil, 200, `{"AMCtxId":"ctx-bjensen","LoginLocation":"40.7,-74","am.x":"1"}`},
		{"update away", path + "updateSessionProperties", "3.1", `{"LoginLocation":""}`, second, nil, 200, `{"AMCtxId":"ctx-bjensen","LoginLocation":"","am.x":"1"}`},
		{"update what is not listed", path + "updateSessionProperties", "3.1", `{"am.x":"2","other":"x"}`, second, nil, 403, forbidden},
		{"update what is protected", path + "updateSessionProperties", "3.1", `{"AMCtxId":"x"}`, second, nil, 403, forbidden},
		{"update nothing", path + "updateSessionProperties", "3.1", `{}`, second, nil, 400, `{"code":400,"reason":"Bad Request","message":"No session properties are given"}`},
		{"update to a number", path + "updateSessionProperties", "3.1", `{"am.x":2}`, second, nil, 400, notJSON},
		{"update too long", path + "updateSessionProperties", "3.1", `{"am.x":"` + strings.Repeat("x", maxPropertyValue+1) + `"}`, second, nil, 400, `{"code":400,"reason":"Bad Request","message":"The value of am.x is too long"}`},

		{"isActive", path + "isActive", "1.1", "", own, nil, 200, `{"active":true}`},
		{"isActive, dead", path + "isActive", "1.1", "", dead, nil, 200, `{"active":false}`},
		{"getIdle", path + "getIdle", "1.1", "", own, nil, 200, `{"idletime":0}`},
		{"getIdle, dead", path + "getIdle", "1.1", "", dead, nil, 200, `{"idletime":-1}`},
		{"getMaxIdle", path + "getMaxIdle", "1.1", "", own, nil, 200, `{"maxidletime":30}`},
		{"getMaxSessionTime", path + "getMaxSessionTime", "1.1", "", own, nil, 200, `{"maxsessiontime":120}`},
		{"getTimeLeft", path + "getTimeLeft", "1.1", "", own, nil, 200, `{"maxtime":7200}`},
		{"getMaxTime, dead", path + "getMaxTime", "1.1", bodyOf(dead), admin, nil, 200, `{"maxtime":-1}`},
		{"token in the path", "/sessions/" + string(own) + "?_action=getTimeLeft", "1.1", "", admin, nil, 200, `{"maxtime":7200}`},
		{"getProperty", path + "getProperty", "1.1", `{"properties":["AMCtxId","secret"]}`, own, nil, 200, `{"AMCtxId":"ctx-bjensen"}`},
		{"getProperty, all", path + "getProperty", "1.1", "", own, nil, 200, `{"AMCtxId":"ctx-bjensen","LoginLocation":"","am.x":""}`},
		{"setProperty", path + "setProperty", "1.1", `{"am.x":"7"}`, second, nil, 200, `{"success":true}`},
		{"deleteProperty", path + "deleteProperty", "1.1", `{"properties":["am.x"]}`, second, nil, 200, `{"success":true}`},
		{"getPropertyNames", path + "getPropertyNames", "1.1", "", own, nil, 200, `{"properties":["AMCtxId","LoginLocation","am.x"]}`},
		{"version 1 only", path + "isActive", "4.0", "", own, nil, 501, `{"code":501,"reason":"Not Implemented","message":"Action isActive not implemented for this resource"}`},

		{"an unknown action", path + "x", "4.0", "", own, nil, 501, `{"code":501,"reason":"Not Implemented","message":"Action x not implemented for this resource"}`},
		{"no action", "/sessions", "4.0", "", own, nil, 400, `{"code":400,"reason":"Bad Request","message":"The _action parameter is missing"}`},
		{
			"a version that does not exist", path + "validate", "9.0", "", own, nil, 404,
			`{"code":404,"reason":"Not Found","message":"Accept-API-Version: Requested version \"9.0\" does not match any routes."}`,
		},

		{"logoutByHandle by a user", path + "logoutByHandle", "3.1", `{"sessionHandles":[]}`, own, nil, 403, forbidden},
		{"logoutByHandle by a stranger", path + "logoutByHandle", "3.1", `{"sessionHandles":[]}`, "", nil, 401, accessDenied},
		{"logoutByHandle without a list", path + "logoutByHandle", "3.1", `{}`, admin, nil, 400, `{"code":400,"reason":"Bad Request","message":"The sessionHandles array is missing"}`},
		{"logoutByHandle", path + "logoutByHandle", "3.1", `{"sessionHandles":["` + handle + `","shandle:none","` + handle + `"]}`, admin, nil, 200, `{"result":{"` + handle + `":true,"shandle:none":true}}`},
		{"ended by its handle", path + "validate", "3.0", "", own, nil, 200, `{"valid":false}`},

		{"logoutByUser of somebody else", path + "logoutByUser", "5.1", `{"username":"bjensen"}`, other, nil, 403, forbidden},
		{"logoutByUser through another realm", "/realms/root/sessions?_action=logoutByUser", "5.1", `{"username":"bjensen"}`, second, nil, 403, forbidden},
		{"logoutByUser by a stranger", path + "logoutByUser", "5.1", `{"username":"bjensen"}`, "", nil, 401, accessDenied},
		{"logoutByUser of nobody", path + "logoutByUser", "5.1", `{}`, admin, nil, 400, `{"code":400,"reason":"Bad Request","message":"The username is missing"}`},
		{"logoutByUser of oneself", path + "logoutByUser", "5.1", `{"username":"BJensen"}`, second, nil, 200, `{"result":true}`},
		{"ended by its user", path + "validate", "3.0", "", second, nil, 200, `{"valid":false}`},
		{"logoutByUser by the operator", path + "logoutByUser", "5.1", `{"username":"scarter"}`, "", bearer(operatorToken), 200, `{"result":true}`},
		{"ended by the operator", path + "validate", "3.0", "", other, nil, 200, `{"valid":false}`},

		{"logout", path + "logout", "2.1", "", admin, nil, 200, `{"result":"Successfully logged out"}`},
		{"logout again", path + "logout", "2.1", "", admin, nil, 200, `{"result":"Token has expired"}`},
		{"logout without a token", path + "logout", "2.1", "", "", nil, 400, `{"code":400,"reason":"Bad Request","message":"iPlanetDirectoryCookie not set on request"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.want(tt.name, asked{path: tt.path, version: tt.version, body: tt.body, cookie: tt.cookie, header: tt.header}, tt.status, tt.want)
		})
	}
}

// A session that is idle by what this member knows is ended all the same: another
// member may know of an access.
func TestLogoutOfWhatLooksIdle(t *testing.T) {
	r := newRig(t)
	token, s := r.login("/alpha", "bjensen")
	r.now = s.IdleExpires()
	r.want("logout", asked{path: "/realms/root/realms/alpha/sessions/?_action=logout", version: "3.1", cookie: token}, 200, `{"result":"Token has expired"}`)
	if _, there := r.store.all[s.ID]; there {
		t.Error("it is still there")
	}
}

const notJSON = `{"code":400,"reason":"Bad Request","message":"The request could not be processed because the provided content is not valid JSON"}`

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

func TestWhatTouchesASession(t *testing.T) {
	for _, tt := range []struct {
		query   string
		version string
		touches bool
	}{
		{"validate", "3.0", true},
		{"validate&refresh=false", "3.0", false},
		{"validate&refresh=true", "3.0", true},
		{"getSessionInfo", "4.0", false},
		{"getSessionInfoAndResetIdleTime", "4.0", true},
		{"refresh", "3.1", true},
		{"getSessionProperties", "3.1", false},
		{"isActive", "1.1", false},
		{"isActive&refresh=true", "1.1", true},
		{"getIdle", "1.1", false},
	} {
		t.Run(tt.query, func(t *testing.T) {
			r := newRig(t)
			token, s := r.login("/", "demo")
			r.now = noon.Add(10 * time.Minute)
			if w := r.ask(asked{path: "/sessions?_action=" + tt.query, version: tt.version, cookie: token}); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := r.store.all[s.ID].LastAccess.Equal(r.now); got != tt.touches {
				t.Errorf("touched: %t, want %t", got, tt.touches)
			}
		})
	}
}

// A member that cannot know must never say that a session is not there.
func TestUnavailableIsNeverUnauthorised(t *testing.T) {
	r := newRig(t)
	token, _ := r.login("/", "demo", asAdmin)
	r.store.fail = &session.UnavailableError{Reason: "no lease", RetryAfter: 1500 * time.Millisecond}
	for _, path := range []string{
		"validate", "getSessionInfo", "getSessionInfoAndResetIdleTime", "refresh", "logout", "logoutByHandle",
		"logoutByUser", "getSessionProperties", "updateSessionProperties",
	} {
		t.Run(path, func(t *testing.T) {
			r.t = t
			a := asked{path: "/sessions?_action=" + path, body: `{"username":"x","sessionHandles":[]}`, cookie: token}
			if path == "updateSessionProperties" {
				a.body = `{"AMCtxId":"x"}`
			}
			r.want(path, a, 503, unavailable)
			if w := r.ask(a); w.Header().Get("Retry-After") != "2" || len(w.Header()["Set-Cookie"]) > 0 {
				t.Errorf("header %v", w.Header())
			}
		})
	}
	r.t = t
	r.want("query", asked{method: "GET", path: "/sessions?_queryFilter=username+eq+%22x%22", cookie: token}, 503, unavailable)
	// A token that was never ours needs no store to be refused.
	r.want("nonsense", asked{path: "/sessions?_action=validate", body: `{"tokenId":"x"}`}, 200, `{"valid":false}`)
}

// A session that has run out is gone, though the store still has it.
func TestExpiredSession(t *testing.T) {
	r := newRig(t)
	token, _ := r.login("/", "demo")
	r.now = noon.Add(30 * time.Minute)
	r.want("idle", asked{path: "/sessions?_action=validate", cookie: token}, 200, `{"valid":false}`)
	r.now = noon.Add(30*time.Minute - time.Second)
	r.want("just before", asked{path: "/sessions?_action=validate", cookie: token}, 200, `{"valid":true,"sessionUid":"ctx-demo","uid":"demo","realm":"/"}`)
	r.want("times", asked{path: "/sessions?_action=getTimeLeft", version: "1.2", cookie: token}, 200, `{"maxtime":5401}`)
}

func TestSessionWithoutLimits(t *testing.T) {
	r := newRig(t)
	token, _ := r.login("/", "demo", func(s *session.Session) { s.Policy = session.Policy{} })
	r.want("info", asked{path: "/sessions?_action=getSessionInfo", cookie: token}, 200,
		`{"username":"demo","universalId":"id=demo,ou=user,dc=example","realm":"/","latestAccessTime":"2026-03-01T12:00:00Z",`+
			`"maxIdleExpirationTime":"9999-12-31T23:59:59Z","maxSessionExpirationTime":"9999-12-31T23:59:59Z","properties":{"AMCtxId":"ctx-demo"}}`)
	r.want("refresh", asked{path: "/sessions?_action=refresh", cookie: token}, 200,
		`{"uid":"demo","realm":"/","idletime":0,"maxidletime":2147483647,"maxsessiontime":2147483647,"maxtime":2147483647}`)
}

func TestLogoutHeaders(t *testing.T) {
	r := newRig(t)
	own, _ := r.login("/", "demo")
	other, _ := r.login("/", "other")
	w := r.ask(asked{path: "/sessions/?_action=logout", version: "2.0", body: bodyOf(other), cookie: own})
	if w.Code != 200 || len(w.Header()["Set-Cookie"]) != 0 || w.Header().Get("Clear-Site-Data") != "" {
		t.Errorf("logging out another took one's own cookie: %v", w.Header())
	}
	w = r.ask(asked{path: "/sessions/?_action=logout", version: "2.0", cookie: own})
	for name, want := range map[string]string{
		"Set-Cookie":          "iPlanetDirectoryPro=LOGOUT; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/; HttpOnly",
		"Clear-Site-Data":     `"cache", "cookies", "storage", "executionContexts"`,
		"Content-Api-Version": "resource=2.1",
		"Content-Type":        "application/json;charset=UTF-8",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Of handles that are named together each is told for itself, unless nothing is
// known of any.
func TestLogoutByHandleTellsOfEach(t *testing.T) {
	r := newRig(t)
	_, first := r.login("/", "demo")
	_, second := r.login("/", "demo")
	a := asked{
		path: "/sessions?_action=logoutByHandle", header: bearer(operatorToken),
		body: fmt.Sprintf(`{"sessionHandles":[%q,%q]}`, first.ID.Handle(), second.ID.Handle()),
	}
	r.store.stuck = second.ID
	r.want("one is stuck", a, 200, fmt.Sprintf(`{"result":{%q:true,%q:false}}`, first.ID.Handle(), second.ID.Handle()))
	a.body = fmt.Sprintf(`{"sessionHandles":[%q]}`, second.ID.Handle())
	r.want("nothing but it", a, 503, unavailable)
}
