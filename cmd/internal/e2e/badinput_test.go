package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sojourn/cmd/internal/secret"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// request is one as it travels, so that tests can say what no library would.
type request struct {
	method, target string // POST and .../authenticate when empty
	header         string // further lines, each with its \r\n
	body           string
	length         int // Content-Length if it is not that of body
}

func (r request) bytes() []byte {
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.target == "" {
		r.target = "/am/json/realms/root/authenticate"
	}
	if r.length == 0 {
		r.length = len(r.body)
	}
	if !strings.Contains(r.header, "Content-Type:") {
		r.header += "Content-Type: application/json\r\n"
	}
	if !strings.Contains(r.header, "Transfer-Encoding:") {
		r.header += fmt.Sprintf("Content-Length: %d\r\n", r.length)
	}
	return []byte(r.method + " " + r.target + " HTTP/1.1\r\nHost: localhost\r\n" + r.header + "\r\n" + r.body)
}

// TestBadInput sends what no good client sends. Each is answered with its status
// and AM's error object, none with more than that, and the member goes on.
func TestBadInput(t *testing.T) {
	p := newPlace(t)
	m := p.start(t)
	c := m.client(t)
	ids := authIDs(t, p, c)
	good := func(authID wire.SignedAuthID) string {
		return `{"authId":"` + string(authID) + `","callbacks":[` +
			`{"type":"NameCallback","output":[],"input":[{"name":"IDToken1","value":"demo"}]},` +
			`{"type":"PasswordCallback","output":[],"input":[{"name":"IDToken2","value":"x"}]}]}`
	}
	const gone, badSignature = "Session has timed out", "AuthId JWT Signature not valid"
	const notJSON, twice = "Invalid JSON at byte ", "Invalid JSON at byte %d: a key stands twice in one object"
	for _, tt := range []struct {
		name    string
		request request
		status  int
		message string // its beginning
	}{
		// Bodies.
		{"no JSON", request{body: "authId"}, 400, notJSON},
		{"an array", request{body: "[]"}, 400, notJSON},
		{"a text", request{body: `"authId"`}, 400, notJSON},
		{"cut", request{body: `{"authId":"x"`}, 400, notJSON},
		{"text behind the end", request{body: `{} {}`}, 400, notJSON},
		{"no UTF-8", request{body: "{\"a\":\"\xff\"}"}, 400, notJSON},
		{"half a surrogate", request{body: `{"a":"\ud800"}`}, 400, notJSON},
		{"a control character", request{body: "{\"a\":\"\x01\"}"}, 400, notJSON},
		{"the same key twice", request{body: `{"authId":"x","authId":"y"}`}, 400, fmt.Sprintf(twice, 22)},
		{"the same key twice, once escaped", request{body: `{"authId":"x","auth\u0049d":"y"}`}, 400, fmt.Sprintf(twice, 27)},
		{"the same key twice, deep inside", request{body: `{"a":[{"b":{"c":1,"c":2}}]}`}, 400, fmt.Sprintf(twice, 21)},
		{"nested too deep", request{body: strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)}, 400, notJSON},
		{"a number beyond all", request{body: `{"a":1e999}`}, 400, notJSON},
		{"authId is a number", request{body: `{"authId":1}`}, 400, notJSON},
		{"callbacks is an object", request{body: `{"authId":"x","callbacks":{}}`}, 400, notJSON},
		{"a body that is too large", request{body: `{"a":"` + strings.Repeat("x", 300<<10) + `"}`}, 413, ""},
		{"a length that is too large", request{body: "{}", length: 1 << 40}, 413, ""},
		{"chunks that are too large", request{header: "Transfer-Encoding: chunked\r\n", body: fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 300<<10, strings.Repeat(" ", 300<<10))}, 413, ""},
		{"a form", request{header: "Content-Type: application/x-www-form-urlencoded\r\n", body: "a=b"}, 415, "Unsupported Media Type"},
		{"compressed", request{header: "Content-Encoding: gzip\r\n", body: "\x1f\x8b\x08"}, 400, ""},

		// Targets and header fields.
		{"unknown realm", request{target: "/am/json/realms/root/realms/nowhere/authenticate"}, 400, "Invalid realm, /nowhere"},
		{"unknown realm in the query", request{target: "/am/json/authenticate?realm=/nowhere"}, 400, "Invalid realm, /nowhere"},
		{"unknown tree", request{target: "/am/json/authenticate?authIndexType=service&authIndexValue=Nothing"}, 400, "No Configuration found"},
		{"unknown index type", request{target: "/am/json/authenticate?authIndexType=nothing&authIndexValue=Login"}, 400, "Unknown Authentication Index Type"},
		{"GET", request{method: "GET"}, 405, "Method Not Allowed"},
		{"unknown endpoint", request{target: "/am/json/realms/root/nothing"}, 404, ""},
		{"unknown path", request{target: "/elsewhere"}, 404, ""},
		{"unknown version", request{header: "Accept-API-Version: resource=99.0\r\n"}, 404, `Accept-API-Version: Requested version "99.0" does not match any routes.`},
		{"unknown protocol", request{header: "Accept-API-Version: protocol=9.0,resource=2.1\r\n"}, 400, ""},
		{"a query that is too long", request{target: "/am/json/authenticate?x=" + strings.Repeat("y", 20<<10)}, 414, ""},
		{"credentials twice", request{header: "X-OpenAM-Username: demo\r\nX-OpenAM-Username: amadmin\r\nX-OpenAM-Password: x\r\n"}, 400, ""},
		{"credentials that are too long", request{header: "X-OpenAM-Username: " + strings.Repeat("u", 5<<10) + "\r\nX-OpenAM-Password: x\r\n"}, 400, ""},
		{"an unknown user", request{header: "X-OpenAM-Username: nobody\r\nX-OpenAM-Password: x\r\n"}, 401, "Login failure"},

		// authIds.
		{"no authId", request{body: `{"callbacks":[]}`}, 400, ""},
		{"no JWT", request{body: good("abc")}, 400, ""},
		{"signed by another", request{body: good(ids.foreign)}, 400, badSignature},
		{"changed claims", request{body: good(ids.changed)}, 400, badSignature},
		{"algorithm none", request{body: good(ids.none)}, 400, badSignature},
		{"algorithm none with a signature", request{body: good(ids.noneSigned)}, 400, badSignature},
		{"algorithm HS512", request{body: good(ids.otherAlg)}, 400, badSignature},
		{"another spelling of the signature", request{body: good(ids.valid + "=")}, 400, ""},
		{"of another realm", request{body: good(ids.alpha)}, 400, badSignature},
		{"expired", request{body: good(ids.expired)}, 401, gone},
		{"another answer to an old step", request{body: good(ids.replayed)}, 401, gone},
		{"one callback too few", request{body: strings.Replace(good(ids.valid), `{"type":"NameCallback","output":[],"input":[{"name":"IDToken1","value":"demo"}]},`, "", 1)}, 400, ""},
		{"callbacks in another order", request{body: strings.NewReplacer("NameCallback", "PasswordCallback", "PasswordCallback", "NameCallback").Replace(good(ids.valid))}, 400, ""},
		{"a list for a name", request{body: strings.Replace(good(ids.valid), `"demo"`, `["demo"]`, 1)}, 400, ""},

		// Session calls.
		{"no token", request{target: "/am/json/sessions?_action=getSessionInfo", body: "{}"}, 400, ""},
		{"a token that is none", request{target: "/am/json/sessions?_action=getSessionInfo", header: "iPlanetDirectoryPro: nothing\r\n", body: "{}"}, 401, "Access Denied"},
		{"an unknown action", request{target: "/am/json/sessions?_action=nothing", header: "iPlanetDirectoryPro: nothing\r\n", body: "{}"}, 501, ""},
		{"administration without a right", request{method: "GET", target: "/am/json/global-config/realms?_queryFilter=true"}, 401, ""},
		{"a forged operator token", request{method: "GET", target: "/am/json/global-config/realms?_queryFilter=true", header: "Authorization: Bearer sojourn_op_AAAA\r\n"}, 401, ""},
		{"a cookie without the header against forgery", request{target: "/am/json/sessions?_action=logout", header: "Cookie: iPlanetDirectoryPro=x\r\n", body: "{}"}, 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := m.pipe(t)
			// A refusal may come before all was sent, and the rest is not taken.
			_ = conn.send(tt.request.bytes())
			a, err := conn.receive()
			if err != nil {
				t.Fatal(err)
			}
			amShaped(t, a, tt.status, tt.message)
			if _, err := c.Start(t.Context(), client.Journey{Tree: "Login"}); err != nil {
				t.Fatalf("afterwards a start fails: %v", err)
			}
		})
	}
	if strings.Contains(m.log.String(), "level=ERROR") {
		t.Errorf("bad input is no error of the member:\n%s", m.log)
	}
	login(t, c, p.seed.User, p.seed.Password)
}

// amShaped checks that an answer is AM's error object of a status and nothing
// else.
func amShaped(t *testing.T, a answer, status int, message string) {
	t.Helper()
	var body struct {
		Code            int
		Reason, Message string
		Detail          map[string]string
	}
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		t.Fatalf("%s: not AM's error object (%v): %s", a.Status, err, a.body)
	}
	if a.StatusCode != status || body.Code != status || body.Reason == "" || body.Message == "" {
		t.Errorf("%s: %s, want %d", a.Status, a.body, status)
	}
	if !strings.HasPrefix(body.Message, message) {
		t.Errorf("message %q, want %q", body.Message, message)
	}
	if over := body.Message == "Session has timed out"; over != (body.Detail["errorCode"] == "110") {
		t.Errorf("error 110 and its message belong together: %s", a.body)
	}
	if kind := a.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		t.Errorf("Content-Type %q", kind)
	}
	if a.Header.Get("Set-Cookie") != "" && status != 200 {
		t.Errorf("a refusal sets a cookie: %q", a.Header.Get("Set-Cookie"))
	}
}

// badIDs are authIds that must not be taken, and one that is.
type badIDs struct {
	valid, foreign, changed, none, noneSigned, otherAlg, alpha, expired, replayed wire.SignedAuthID
}

// authIDs makes authIds of which each has one thing wrong.
func authIDs(t *testing.T, p *place, c *client.Client) badIDs {
	t.Helper()
	text, err := os.ReadFile(p.secretFile)
	must(t, err)
	master, err := secret.Parse(text)
	must(t, err)
	ours, err := wire.NewAuthIDs(wire.AuthIDKeys{Active: master.Derive(secret.AuthID)})
	must(t, err)
	other, err := wire.NewAuthIDs(wire.AuthIDKeys{Active: bytes.Repeat([]byte{0x5a, 0xa5}, 16)})
	must(t, err)
	start := func(realm, tree string) wire.Step {
		reply, err := c.Start(t.Context(), client.Journey{Realm: realm, Tree: tree})
		must(t, err)
		return *reply.Step
	}
	var ids badIDs
	ids.valid = start("/", "Login").AuthID
	ids.alpha = start("/alpha", "Login").AuthID
	claims, err := ours.Verify(ids.valid, time.Now())
	must(t, err)
	ids.foreign, err = other.Sign(claims)
	must(t, err)
	parts := strings.Split(string(ids.valid), ".")
	changed := strings.Split(string(start("/", "Login").AuthID), ".")
	join := func(parts ...string) wire.SignedAuthID { return wire.SignedAuthID(strings.Join(parts, ".")) }
	ids.changed = join(parts[0], changed[1], parts[2])
	const none, hs512 = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9"
	ids.none = join(none, parts[1], "")
	ids.noneSigned = join(none, parts[1], parts[2])
	ids.otherAlg = join(hs512, parts[1], parts[2])
	past := claims
	past.Issued, past.Expires = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
	ids.expired, err = ours.Sign(past)
	must(t, err)
	step := start("/", "Choice")
	must(t, client.Credentials(p.seed.User, wire.Password(p.seed.Password))(&step))
	if reply, err := c.Next(t.Context(), "/", step); err != nil || reply.Step == nil {
		t.Fatalf("choice: %+v, %v", reply, err)
	}
	ids.replayed = step.AuthID
	return ids
}
