package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/cts/session"
)

func TestQuerySessions(t *testing.T) {
	r := newRig(t)
	admin, a := r.login("/", "amadmin", asAdmin)
	user, s := r.login("/alpha", "bjensen")
	const envelope = `,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`
	one := fmt.Sprintf(`{"username":"bjensen","universalId":"id=bjensen,ou=user,o=alpha,ou=services,dc=example","realm":"/alpha","sessionHandle":%q,`+
		`"latestAccessTime":"2026-03-01T12:00:00Z","maxIdleExpirationTime":"2026-03-01T12:30:00Z","maxSessionExpirationTime":"2026-03-01T14:00:00Z"}`, s.ID.Handle())
	own := fmt.Sprintf(`{"username":"amadmin","universalId":"id=amadmin,ou=user,dc=example","realm":"/","sessionHandle":%q,`+
		`"latestAccessTime":"2026-03-01T12:00:00Z","maxIdleExpirationTime":"2026-03-01T12:30:00Z","maxSessionExpirationTime":"2026-03-01T14:00:00Z"}`, a.ID.Handle())
	bad := func(message string) string {
		return `{"code":400,"reason":"Bad Request","message":"` + message + `"}`
	}
	for _, tt := range []struct {
		name, query string
		cookie      session.TokenID
		status      int
		want        string
	}{
		{"by user and realm", `_queryFilter=username+eq+%22BJensen%22+and+realm+eq+%22/alpha%22`, admin, 200, `{"result":[` + one + `],"resultCount":1` + envelope},
		{"realm first", `_queryFilter=realm%20eq%20"alpha"%20and%20username%20eq%20"bjensen"`, admin, 200, `{"result":[` + one + `],"resultCount":1` + envelope},
		{"the realm of the path", `_queryFilter=username+eq+"bjensen"`, admin, 200, `{"result":[],"resultCount":0` + envelope},
		{"another field", `_queryFilter=username+eq+"x"+and+tree+eq+"y"`, admin, 400, bad("tree is not supported in query filter")},
		{"another comparison", `_queryFilter=username+co+"x"`, admin, 400, bad("Only eq is supported in query filter")},
		{"no user's", `_queryFilter=username+eq+""`, admin, 400, bad("A username is needed in query filter")},
		{"all of a realm", `_queryFilter=realm+eq+"/alpha"`, admin, 200, `{"result":[` + one + `],"resultCount":1` + envelope},
		{"all of the path's realm", `_queryFilter=true`, admin, 200, `{"result":[` + own + `],"resultCount":1` + envelope},
		{"by handle", `_queryFilter=realm+eq+"/alpha"+and+sessionHandle+eq+"` + string(s.ID.Handle()) + `"`, admin, 200, `{"result":[` + one + `],"resultCount":1` + envelope},
		{"a handle of another realm", `_queryFilter=sessionHandle+eq+"` + string(s.ID.Handle()) + `"`, admin, 200, `{"result":[],"resultCount":0` + envelope},
		{"a handle of another user", `_queryFilter=realm+eq+"/alpha"+and+username+eq+"x"+and+sessionHandle+eq+"` + string(s.ID.Handle()) + `"`, admin, 200, `{"result":[],"resultCount":0` + envelope},
		{"a handle of nobody", `_queryFilter=sessionHandle+eq+"shandle:x"`, admin, 200, `{"result":[],"resultCount":0` + envelope},
		{"a page of no size", `_queryFilter=true&_pageSize=0`, admin, 400, bad("The _pageSize is not a number of results")},
		{"a page of another's cookie", `_queryFilter=true&_pagedResultsCookie=AAAA`, admin, 400, bad("The _pagedResultsCookie is not one of ours")},
		{"no filter", ``, admin, 400, bad("The _queryFilter parameter is missing")},
		{"nonsense", `_queryFilter=username+eq`, admin, 400, bad("The _queryFilter is not understood: username eq")},
		{"a user asks", `_queryFilter=username+eq+"bjensen"`, user, 403, forbidden},
		{"a stranger asks", `_queryFilter=username+eq+"bjensen"`, "", 401, accessDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.want(tt.name, asked{method: "GET", path: "/sessions?" + tt.query, version: "3.1", cookie: tt.cookie}, tt.status, tt.want)
		})
	}
}

// Whatever is logged in and out between two pages, a session that is there all the
// while is listed once, and none is listed twice.
func TestPagesOfSessions(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t)
		limit := rapid.IntRange(1, 4).Draw(rt, "limit")
		settings := settingsOf(t)
		settings.MaxSessionList = limit
		*r.realms["/alpha"] = *settings
		stays, listed := map[string]bool{}, map[string]int{}
		var comes []session.Session
		for i := range rapid.IntRange(0, 12).Draw(rt, "sessions") {
			_, s := r.login("/alpha", "user"+strconv.Itoa(i%3))
			if rapid.Bool().Draw(rt, "stays") {
				stays[string(s.ID.Handle())] = true
			} else {
				comes = append(comes, s)
			}
		}
		size := rapid.IntRange(1, 6).Draw(rt, "size")
		for cookie, pages := "", 0; ; pages++ {
			if pages > 40 {
				rt.Fatal("the pages do not end")
			}
			query := url.Values{"_queryFilter": {"true"}, "_pageSize": {strconv.Itoa(size)}}
			if cookie != "" {
				query.Set("_pagedResultsCookie", cookie)
			}
			w := r.ask(asked{method: "GET", path: "/realms/root/realms/alpha/sessions?" + query.Encode(), header: bearer(operatorToken)})
			var page struct {
				Result []struct {
					Handle string `json:"sessionHandle"`
				} `json:"result"`
				Cookie *string `json:"pagedResultsCookie"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != 200 || len(page.Result) > min(size, limit) {
				rt.Fatalf("%d %s", w.Code, w.Body)
			}
			for _, one := range page.Result {
				listed[one.Handle]++
			}
			if len(comes) > 0 && rapid.Bool().Draw(rt, "goes") {
				_, _ = r.store.End(t.Context(), session.Cause{}, comes[0])
				comes = comes[1:]
			}
			if rapid.IntRange(0, 3).Draw(rt, "new") == 0 {
				r.login("/alpha", "late")
			}
			if page.Cookie == nil {
				break
			}
			cookie = *page.Cookie
		}
		for handle, n := range listed {
			if n > 1 {
				rt.Fatalf("%s is listed %d times", handle, n)
			}
		}
		for handle := range stays {
			if listed[handle] == 0 {
				rt.Fatalf("%s is not listed", handle)
			}
		}
	})
}

func TestQueryOfSessionsUnavailable(t *testing.T) {
	r := newRig(t)
	r.store.fail = &session.UnavailableError{Reason: "no lease"}
	for _, filter := range []string{"true", `username eq "x"`, `sessionHandle eq "shandle:AAAAAAAAAAAAAAAAAAAAAA"`} {
		r.want(filter, asked{method: "GET", path: "/sessions?_queryFilter=" + url.QueryEscape(filter), header: bearer(operatorToken)}, 503, unavailable)
	}
}

// What a client-side session does not have is refused, and what has no sense for
// it is left out (am-contract section 5.3).
func TestClientSideSession(t *testing.T) {
	r := newRig(t)
	token, s := r.login("/alpha", "bjensen", func(s *session.Session) {
		id := s.ID
		*s = s.KeptByHolder()
		s.ID = id
	})
	r.now = noon.Add(90 * time.Minute)
	path := "/realms/root/realms/alpha/sessions?_action="
	bad := func(message string) string { return `{"code":400,"reason":"Bad Request","message":"` + message + `"}` }
	info := `{"username":"bjensen","universalId":"id=bjensen,ou=user,o=alpha,ou=services,dc=example","realm":"/alpha",` +
		`"latestAccessTime":"2026-03-01T12:00:00Z","maxIdleExpirationTime":"9999-12-31T23:59:59Z","maxSessionExpirationTime":"2026-03-01T14:00:00Z",` +
		`"properties":{"AMCtxId":"ctx-bjensen","LoginLocation":"","am.x":""}}`
	for _, tt := range []struct {
		action, version, body string
		status                int
		want                  string
	}{
		{"validate", "4.0", "{}", 200, `{"valid":true,"sessionUid":"ctx-bjensen","uid":"bjensen","realm":"/alpha"}`},
		{"getSessionInfo", "4.0", "{}", 200, info},
		{"getSessionInfoAndResetIdleTime", "4.0", "{}", 200, info},
		{"getSessionInfo", "3.1", "{}", 200, `{"username":"bjensen","universalId":"id=bjensen,ou=user,o=alpha,ou=services,dc=example","realm":"/alpha",` +
			fmt.Sprintf(`"sessionHandle":%q,`, s.Handle()) +
			`"latestAccessTime":"2026-03-01T12:00:00Z","maxIdleExpirationTime":"9999-12-31T23:59:59Z","maxSessionExpirationTime":"2026-03-01T14:00:00Z"}`},
		{"getSessionProperties", "3.1", "{}", 200, `{"AMCtxId":"ctx-bjensen","LoginLocation":"","am.x":""}`},
		{"refresh", "3.1", "{}", 400, bad("A client-side session cannot be refreshed")},
		{"updateSessionProperties", "3.1", `{"am.x":"1"}`, 400, bad("A client-side session cannot be changed")},
		{"setProperty", "1.1", `{"am.x":"1"}`, 400, bad("A client-side session cannot be changed")},
		{"getTimeLeft", "1.1", "{}", 200, `{"maxtime":1800}`},
	} {
		r.want(tt.action, asked{path: path + tt.action, version: tt.version, body: tt.body, cookie: token}, tt.status, tt.want)
	}
	r.want("idFromSession", asked{path: "/realms/root/realms/alpha/users?_action=idFromSession", cookie: token}, 200,
		`{"id":"bjensen","realm":"/alpha","dn":"id=bjensen,ou=user,o=alpha,ou=services,dc=example","successURL":"/am/console","fullLoginURL":"/am/XUI/?realm=%2Falpha"}`)
	r.want("logout", asked{path: path + "logout", version: "3.1", cookie: token}, 200, `{"result":"Successfully logged out"}`)
	r.want("after it", asked{path: path + "validate", version: "4.0", cookie: token}, 200, `{"valid":false}`)
}

// An account that is closed has no sessions; one that is only changed keeps them.
func TestClosedAccountsLoseSessions(t *testing.T) {
	r := newRig(t)
	operator := bearer(operatorToken)
	path := "/realms/root/realms/alpha/users"
	for _, name := range []string{"demo", "gone", "kept", "again"} {
		w := r.ask(asked{path: path + "?_action=create", header: operator, body: fmt.Sprintf(`{"username":%q,"userpassword":"Passw0rd"}`, name)})
		if w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	r.store.fail = errors.New("sessions are not asked about")
	r.ask(asked{method: "PUT", path: path + "/kept", header: operator, body: `{"mail":"kept@example.com","inetUserStatus":"Active"}`})
	if w := r.ask(asked{method: "PUT", path: path + "/demo", header: operator, body: `{"inetUserStatus":"Inactive"}`}); w.Code != 500 {
		t.Errorf("an account was closed and its sessions were not: %d %s", w.Code, w.Body)
	}
	r.store.fail = nil
	if w := r.ask(asked{method: "PUT", path: path + "/demo", header: operator, body: `{"inetUserStatus":"Inactive"}`}); w.Code != 200 {
		t.Errorf("closed again: %d %s", w.Code, w.Body)
	}
	if w := r.ask(asked{method: "DELETE", path: path + "/gone", header: operator}); w.Code != 200 {
		t.Errorf("deleted: %d %s", w.Code, w.Body)
	}
	lines := `{"username":"again","inetUserStatus":["Inactive"]}` + "\n" + `{"username":"new","inetUserStatus":["Inactive"]}` + "\n"
	header := bearer(operatorToken)
	header["Content-Type"] = "application/x-ndjson"
	if w := r.ask(asked{path: path + "?_action=import&overwrite=true", header: header, body: lines}); w.Code != 200 {
		t.Errorf("imported: %d %s", w.Code, w.Body)
	}
	want := []string{"demo by operator", "demo by operator", "gone by operator", "again by operator"}
	if fmt.Sprint(r.store.expelled) != fmt.Sprint(want) {
		t.Errorf("expelled %v, want %v", r.store.expelled, want)
	}
}
