package rest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

func TestIDFromSession(t *testing.T) {
	r := newRig(t)
	token, _ := r.login("/alpha", "bjensen")
	r.want("by cookie", asked{path: "/realms/root/users?_action=idFromSession", version: "3.0", cookie: token}, 200,
		`{"id":"bjensen","realm":"/alpha","dn":"id=bjensen,ou=user,o=alpha,ou=services,dc=example","successURL":"/am/console","fullLoginURL":"/am/XUI/?realm=%2Falpha"}`)
	r.want("no session", asked{path: "/users?_action=idFromSession"}, 401, accessDenied)
	for target, want := range map[string]string{
		"https://app.example.com/": "https://app.example.com/", "https://evil.example/": "/am/console", "": "/am/console",
	} {
		r.want("goto "+target, asked{path: "/users?_action=validateGoto", cookie: token, body: `{"goto":"` + target + `"}`}, 200, `{"successURL":"`+want+`"}`)
	}
}

func TestUsers(t *testing.T) {
	const path = "/realms/root/realms/alpha/users"
	shown := func(rev, rest string) string {
		return `{"_id":"Bob","_rev":"` + rev + `","realm":"/alpha","username":"Bob",` + rest + `}`
	}
	r := newRig(t)
	r.steps(t, []step{
		{name: "none", method: "GET", path: path + "/bob", status: 404, want: missing},
		{
			name: "create", method: "POST", path: path + "?_action=create", body: `{"username":"Bob","userpassword":"Ch4ng31t","mail":"b@example.com","cn":["B"]}`, status: 201,
			location: "/am/json" + path + "/Bob", want: shown("#", `"cn":["B"],"mail":["b@example.com"],"inetUserStatus":["Active"]`),
		},
		{name: "create again", method: "POST", path: path + "?_action=create", body: `{"username":"bob","userpassword":"x"}`, status: 409, want: `{"code":409,"reason":"Conflict","message":"Identity bob already exists"}`},
		{name: "read in another spelling", method: "GET", path: path + "/BOB", status: 200},
		{name: "disable", method: "PUT", path: path + "/bob", body: `{"inetUserStatus":["Inactive"]}`, status: 200, want: shown("#", `"cn":["B"],"mail":["b@example.com"],"inetUserStatus":["Inactive"]`)},
		{name: "change an attribute, remove another", method: "PUT", path: path + "/bob", body: `{"mail":["x@example.com"],"cn":[]}`, status: 200, want: shown("#", `"mail":["x@example.com"],"inetUserStatus":["Inactive"]`)},
		{name: "a status that is none", method: "PUT", path: path + "/bob", body: `{"inetUserStatus":"Asleep"}`, status: 400},
		{name: "an administrator below the top", method: "POST", path: path + "?_action=create", body: `{"username":"a","_admin":true}`, status: 400},
		{name: "made an administrator later", method: "PUT", path: "/users/bob", body: `{"userpassword":"x"}`, status: 201, location: "/am/json/users/bob"},
		{name: "made an administrator later, refused", method: "PUT", path: "/users/bob", body: `{"_admin":true}`, status: 400},
		{name: "password and hash", method: "PUT", path: path + "/bob", body: `{"userpassword":"x","_hash":"y"}`, status: 400},
		{name: "a hash that is none", method: "PUT", path: path + "/bob", body: `{"_hash":"{SSHA}abc"}`, status: 400},
		{name: "a key twice", method: "PUT", path: path + "/bob", body: `{"mail":"a","mail":"b"}`, status: 400, want: notJSON},
		{name: "a number", method: "PUT", path: path + "/bob", body: `{"mail":1}`, status: 400, want: notJSON},
		{name: "a name that is none", method: "POST", path: path + "?_action=create", body: `{"username":"a,b","userpassword":"x"}`, status: 400},
		{name: "create only", method: "PUT", path: path + "/bob", body: `{}`, header: map[string]string{"If-None-Match": "*"}, status: 412},
		{name: "an old revision", method: "PUT", path: path + "/bob", body: `{}`, header: map[string]string{"If-Match": `"1"`}, status: 412},
		{name: "replace what is not there", method: "PUT", path: path + "/eve", body: `{}`, header: map[string]string{"If-Match": "*"}, status: 404},
		{name: "delete", method: "DELETE", path: path + "/bob", status: 200, want: `{"_id":"Bob","_rev":"#","success":"true"}`},
		{name: "delete again", method: "DELETE", path: path + "/bob", status: 404, want: missing},
	})
}

// No answer ever shows a password or its hash.
func TestHashesStayInside(t *testing.T) {
	r := newRig(t)
	const hash = "$2b$04$abcdefghijklmnopqrstuuV6b1k1iRTRjnJvOeEfr8dtTPKfy2nOO"
	var told strings.Builder
	for _, a := range []asked{
		{path: "/users?_action=create", body: `{"username":"a","userpassword":"Ch4ng31t"}`},
		{path: "/users?_action=create", body: `{"username":"b","_hash":"` + hash + `"}`},
		{method: "GET", path: "/users/a"},
		{method: "GET", path: "/users/b"},
		{method: "GET", path: "/users?_queryFilter=true"},
		{method: "PUT", path: "/users/a", body: `{"userpassword":"Ch4ng31t2"}`},
		{method: "DELETE", path: "/users/b"},
	} {
		a.header = bearer(operatorToken)
		w := r.ask(a)
		if w.Code >= 300 {
			t.Errorf("%s %s: %d %s", a.method, a.path, w.Code, w.Body)
		}
		told.WriteString(w.Body.String())
	}
	for _, secret := range []string{"Ch4ng31t", "hash of", "$2b$", "_hash", "userpassword"} {
		if strings.Contains(told.String(), secret) {
			t.Errorf("%q was told: %s", secret, told.String())
		}
	}
	if got := r.users.all["/"]["a"].Hash; string(got) != "hash of Ch4ng31t2" {
		t.Errorf("stored %q", string(got))
	}
}

func TestUserPages(t *testing.T) {
	r := newRig(t)
	for i := range 7 {
		name := fmt.Sprintf("u%d", i)
		status := identity.Active
		if i%2 == 1 {
			status = identity.Inactive
		}
		if _, err := r.users.PutIdentity(t.Context(), identity.Identity{Realm: "/", Name: name, Status: status}, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		query string
		want  string
	}{
		{"_queryFilter=true&_pageSize=3", "u0 u1 u2|u3 u4 u5|u6"},
		{"_queryFilter=true&_pageSize=7", "u0 u1 u2 u3 u4 u5 u6|"},
		{"_queryFilter=true", "u0 u1 u2 u3 u4 u5 u6"},
		{"_queryFilter=inetUserStatus+eq+%22inactive%22&_pageSize=2", "u1 u3|u5"},
		{"_queryFilter=username+eq+%22U4%22", "u4"},
		{"_queryFilter=uid+sw+%22u%22+and+uid+co+%226%22", "u6"},
		{"_queryId=*", "u0 u1 u2 u3 u4 u5 u6"},
	} {
		var pages []string
		cookie := ""
		for {
			w := r.ask(asked{method: "GET", path: "/users?" + tt.query + "&_pagedResultsCookie=" + cookie, header: bearer(operatorToken)})
			var page wire.Page
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				t.Fatalf("%s: %v", w.Body, err)
			}
			var names []string
			for _, raw := range page.Result {
				var u wire.User
				if err := json.Unmarshal(raw, &u); err != nil {
					t.Fatal(err)
				}
				names = append(names, u.Name)
			}
			pages = append(pages, strings.Join(names, " "))
			if page.PagedResultsCookie == nil {
				break
			}
			cookie = *page.PagedResultsCookie
		}
		if got := strings.Join(pages, "|"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.query, got, tt.want)
		}
	}
	for _, query := range []string{"_queryFilter=true&_pageSize=0", "_queryFilter=true&_pagedResultsCookie=!", ""} {
		if w := r.ask(asked{method: "GET", path: "/users?" + query, header: bearer(operatorToken)}); w.Code != 400 {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
}

func TestImport(t *testing.T) {
	r := newRig(t)
	lines := []string{
		`{"username":"a","_hash":"$2b$04$abcdefghijklmnopqrstuuV6b1k1iRTRjnJvOeEfr8dtTPKfy2nOO","mail":["a@example.com"]}`,
		``,
		`{"username":"b","userpassword":"x"}`,
		`{"username":"c","_hash":"{SSHA}abc"}`,
		`not JSON`,
		`{"username":"a b,c"}`,
		`{"username":"d","_admin":true}`,
	}
	ask := func(query string) wire.ImportReport {
		t.Helper()
		w := r.ask(asked{path: "/users?_action=import" + query, body: strings.Join(lines, "\n"), header: bearer(operatorToken)})
		var report wire.ImportReport
		if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return report
	}
	report := ask("")
	if report.Created != 3 || report.Failed != 3 || len(report.Errors) != 3 ||
		report.Errors[0].Line != 4 || report.Errors[1].Line != 5 || report.Errors[2].Line != 6 {
		t.Errorf("%+v", report)
	}
	if got := r.users.all["/"]["a"]; !strings.HasPrefix(string(got.Hash), "$2b$") || got.Attributes["mail"][0] != "a@example.com" {
		t.Errorf("stored %+v", got)
	}
	if !r.users.all["/"]["d"].Admin {
		t.Error("d is no administrator")
	}
	if report := ask(""); report.Existing != 3 || report.Created != 0 {
		t.Errorf("again: %+v", report)
	}
	if report := ask("&overwrite=true"); report.Replaced != 3 {
		t.Errorf("over: %+v", report)
	}
	r.users.fail = &session.UnavailableError{Reason: "no leader"}
	r.want("unavailable", asked{path: "/users?_action=import", body: lines[0], header: bearer(operatorToken)}, 503, unavailable)
	r.users.fail = nil
	if w := r.ask(asked{path: "/users?_action=import", body: `{"username":"` + strings.Repeat("x", maxUserLine) + `"}`, header: bearer(operatorToken)}); w.Code != 413 {
		t.Errorf("a line too long: %d %s", w.Code, w.Body)
	}
}

// Who is deleted has no session left.
func TestDeleteEndsSessions(t *testing.T) {
	r := newRig(t)
	token, _ := r.login("/", "bob")
	if _, err := r.users.PutIdentity(t.Context(), identity.Identity{Realm: "/", Name: "Bob", Failures: identity.Failures{Until: noon.Add(time.Hour)}}, true); err != nil {
		t.Fatal(err)
	}
	if w := r.ask(asked{method: "GET", path: "/users/bob", header: bearer(operatorToken)}); !strings.Contains(w.Body.String(), `"_lockedUntil":"2026-03-01T13:00:00Z"`) {
		t.Errorf("a locked user: %s", w.Body)
	}
	r.ask(asked{method: "DELETE", path: "/users/bob", header: bearer(operatorToken)})
	r.want("session", asked{path: "/sessions?_action=validate", cookie: token}, 200, `{"valid":false}`)
}
