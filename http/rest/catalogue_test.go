package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// gone is the body that makes clients start again.
const gone = `{"code":401,"reason":"Unauthorized","message":"Session has timed out","detail":{"errorCode":"110"}}`

// Every row of the error catalogue (am-contract section 1.7) that this server
// can meet, byte for byte.
func TestErrorCatalogue(t *testing.T) {
	fresh := `{"authId":"` + string(signed(t, ref())) + `"}`
	other := ref()
	other.Realm = "/"
	expired := ref()
	expired.Expires = at
	failure := func(d journey.Done) func(*stand) {
		return func(s *stand) { s.replies(done(d), nil) }
	}
	fails := func(err error) func(*stand) {
		return func(s *stand) { s.replies(journey.Reply{}, err) }
	}
	v1 := header("Accept-API-Version", "resource=1.0")
	for _, c := range []struct {
		name   string
		set    func(*stand)
		path   string // start when empty
		body   string
		edit   func(*http.Request)
		status int
		want   string
	}{
		{
			name: "Failure", set: failure(journey.Done{}), status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"Login failure"}`,
		},
		{
			name: "Failure, version 1", set: failure(journey.Done{URL: "/failed"}), edit: v1, status: 401,
			want: `{"errorMessage":"Login failure","failureUrl":"/failed"}`,
		},
		{
			name: "Failure with a node's message", set: failure(journey.Done{Message: "Not on Sundays"}), status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"Not on Sundays"}`,
		},
		{
			name:   "Failure with details",
			set:    failure(journey.Done{Message: "No", Details: map[string]string{"b": `{"x":[1]}`, "a": "text", "c": "7"}}),
			status: 401,
			want:   `{"code":401,"reason":"Unauthorized","message":"No","detail":{"a":"text","b":{"x":[1]},"c":7}}`,
		},
		{
			name: "Failure with a URL", set: failure(journey.Done{URL: "https://app.example/failed"}), status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"Login failure","detail":{"failureUrl":"https://app.example/failed"}}`,
		},
		{
			name:   "a detail does not replace the URL",
			set:    failure(journey.Done{URL: "/a", Details: map[string]string{"failureUrl": "https://evil.example"}}),
			status: 401,
			want:   `{"code":401,"reason":"Unauthorized","message":"Login failure","detail":{"failureUrl":"/a"}}`,
		},
		{
			name: "locked out", set: failure(journey.Done{Message: "User Locked Out.", Lockout: true, URL: "/f"}), status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"User Locked Out.","detail":{"failureUrl":""}}`,
		},
		{
			name:   "lockout warning",
			set:    failure(journey.Done{Message: "Warning: You will be locked out after 1 more failure(s).", Lockout: true}),
			status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"Warning: You will be locked out after 1 more failure(s).",` +
				`"detail":{"failureUrl":""}}`,
		},
		{
			name: "no profile", set: failure(journey.Done{Message: "User Requires Profile to Login"}), status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"User Requires Profile to Login"}`,
		},
		{
			name: "a node's exception", set: failure(journey.Done{Err: errors.New("secret trouble")}), status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"Login failure"}`,
		},
		{name: "journey gone", set: fails(fmt.Errorf("resume: %w", journey.ErrGone)), body: fresh, status: 401, want: gone},
		{name: "authId expired", body: `{"authId":"` + string(signed(t, expired)) + `"}`, status: 401, want: gone},
		{
			name: "journey gone, version 1", set: fails(journey.ErrGone), body: fresh, edit: v1, status: 401,
			want: `{"errorMessage":"Session has timed out"}`,
		},
		{
			name: "authId no JWT", body: `{"authId":"hello"}`, status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Failed to parse JWT, it is not of three parts"}`,
		},
		{
			name: "authId missing", body: `{"callbacks":[]}`, status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Failed to parse JWT, the body has no authId"}`,
		},
		{
			name: "authId altered", body: strings.Replace(fresh, `"}`, `x"}`, 1), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"AuthId JWT Signature not valid"}`,
		},
		{
			name: "authId of another realm", body: `{"authId":"` + string(signed(t, other)) + `"}`, status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"AuthId JWT Signature not valid"}`,
		},
		{
			name: "wrong number of callbacks", set: fails(callback.ErrCount), body: fresh, status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Incorrect number of callbacks found in JSON response"}`,
		},
		{
			name: "wrong callback type", set: fails(callback.ErrType), body: fresh, status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Required callback not found in JSON response"}`,
		},
		{
			name: "callback input missing", set: fails(callback.ErrInput), body: fresh, status: 500,
			want: `{"code":500,"reason":"Internal Server Error","message":"JSON Callback does not include a input field"}`,
		},
		{
			name: "a value that its callback cannot mean", body: fresh, status: 400,
			set:  fails(fmt.Errorf("node x: %w", &callback.ValueError{Type: callback.Choice, Detail: "no such choice"})),
			want: `{"code":400,"reason":"Bad Request","message":"ChoiceCallback: no such choice"}`,
		},
		{
			name: "unknown tree", set: fails(journey.ErrNoTree), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"No Configuration found"}`,
		},
		{
			name: "unknown index type", path: start + "?authIndexType=nonsense&authIndexValue=x", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Unknown Authentication Index Type"}`,
		},
		{
			name: "index type that is not served", path: start + "?authIndexType=transaction&authIndexValue=x", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Authentication Type Denied"}`,
		},
		{
			name: "module", path: start + "?authIndexType=module&authIndexValue=LDAP", status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"Module Based Authentication is not allowed."}`,
		},
		{
			name: "level that no tree reaches", path: start + "?authIndexType=level&authIndexValue=5", set: fails(journey.ErrLevel), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Invalid Auth Level."}`,
		},
		{
			name: "level that is none", path: start + "?authIndexType=level&authIndexValue=high", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Invalid Auth Level."}`,
		},
		{
			name: "level that every tree reaches", path: start + "?authIndexType=level&authIndexValue=0", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Invalid Auth Level."}`,
		},
		{
			name: "unknown realm by parameter", path: "/am/json/authenticate?realm=/nope", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Invalid realm, /nope"}`,
		},
		{
			name: "no realm at all by parameter", path: "/am/json/authenticate?realm=%00", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Invalid realm, \u0000"}`,
		},
		{
			name: "unknown realm by path", path: "/am/json/realms/root/realms/nope/authenticate", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Invalid realm, /nope"}`,
		},
		{
			name: "unknown realm by the short path", path: "/am/json/nope/authenticate", status: 404,
			want: `{"code":404,"reason":"Not Found","message":"Resource 'nope' not found"}`,
		},
		{
			name: "unknown endpoint", path: "/am/json/nope", status: 404,
			want: `{"code":404,"reason":"Not Found","message":"Resource 'nope' not found"}`,
		},
		{
			name: "below the endpoint", path: start + "/backchannel/initialize", status: 404,
			want: `{"code":404,"reason":"Not Found","message":"Resource 'backchannel' not found"}`,
		},
		{
			name: "inactive realm", path: "/am/json/realms/root/realms/off/authenticate", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Org is inactive"}`,
		},
		{
			name: "realm that became inactive", set: fails(journey.ErrNoRealm), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Org is inactive"}`,
		},
		{
			name: "body not JSON", body: "hello", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Invalid JSON at byte 0: expected an object"}`,
		},
		{
			name: "body not JSON, version 1", body: "hello", edit: v1, status: 400,
			want: `{"errorMessage":"Invalid JSON at byte 0: expected an object"}`,
		},
		{
			name: "wrong content type", body: "{}", edit: header("Content-Type", "text/plain"), status: 415,
			want: `{"code":415,"reason":"Unsupported Media Type","message":"Unsupported Media Type"}`,
		},
		{
			name: "no content type", body: "{}", edit: header("Content-Type"), status: 415,
			want: `{"code":415,"reason":"Unsupported Media Type","message":"Unsupported Media Type"}`,
		},
		{
			name: "body too large", body: `{"x":"` + strings.Repeat("x", 256<<10) + `"}`, status: 413,
			want: `{"code":413,"reason":"Request Entity Too Large","message":"The request body is too large"}`,
		},
		{
			name: "body too large, size not told", body: "{}", edit: stream(strings.NewReader(strings.Repeat(" ", 257<<10)), nil), status: 413,
			want: `{"code":413,"reason":"Request Entity Too Large","message":"The request body is too large"}`,
		},
		{
			name: "body over the listener's limit", edit: stream(strings.NewReader(""), &http.MaxBytesError{Limit: 1}), status: 413,
			want: `{"code":413,"reason":"Request Entity Too Large","message":"The request body is too large"}`,
		},
		{
			name: "body too slow", edit: stream(strings.NewReader("{"), os.ErrDeadlineExceeded), status: 408,
			want: `{"code":408,"reason":"Request Timeout","message":"The request body took too long"}`,
		},
		{
			name: "body cut off", edit: stream(strings.NewReader("{"), io.ErrUnexpectedEOF), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"The request body ended early"}`,
		},
		{
			name: "no such resource version", edit: header("Accept-API-Version", "resource=999.0"), status: 404,
			want: `{"code":404,"reason":"Not Found","message":"Accept-API-Version: Requested version \"999.0\" does not match any routes."}`,
		},
		{
			name: "no version while one is demanded", edit: header("Accept-API-Version"), status: 400,
			set:  func(s *stand) { s.cfg.Process.DefaultVersion = realm.None },
			want: `{"code":400,"reason":"Bad Request","message":"No requested version specified and behavior set to NONE."}`,
		},
		{
			name: "protocol major", edit: header("Accept-API-Version", "protocol=9.0"), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Unsupported major version: 9.0"}`,
		},
		{
			name: "protocol minor", edit: header("Accept-API-Version", "protocol=1.9,resource=2.0"), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Unsupported minor version: 1.9"}`,
		},
		{
			name: "GET", edit: func(r *http.Request) { r.Method = http.MethodGet }, status: 405,
			want: `{"code":405,"reason":"Method Not Allowed","message":"Method Not Allowed"}`,
		},
		{
			name: "session limit", set: failure(journey.Done{Message: "You have reached your session limit."}), status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"You have reached your session limit."}`,
		},
		{
			name: "upgrade as another user", set: fails(journey.ErrOtherUser), body: fresh, status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Session Upgrade fails since user is different than original authenticated user"}`,
		},
		{
			name: "upgrade of a session that is none", path: start + "?sessionUpgradeSSOTokenId=nope", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"The session to upgrade is not valid"}`,
		},
		{
			name: "suspended id", path: start + "?suspendedId=abc", status: 401,
			want: `{"code":401,"reason":"Unauthorized","message":"org.forgerock.openam.auth.nodes.framework.token.` +
				`SuspendedAuthSessionException: Token not found. It may have expired."}`,
		},
		{
			name: "CSRF", edit: func(r *http.Request) {
				r.Header.Del("Accept-API-Version")
				r.Header.Set("Cookie", "iPlanetDirectoryPro=x")
			}, status: 403,
			want: `{"code":403,"reason":"Forbidden","message":"Forbidden"}`,
		},
		{
			name: "malformed query", path: start + "?goto=%zz", status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"The query string has a malformed escape"}`,
		},
		{
			name: "long query", path: start + "?x=" + strings.Repeat("x", 16<<10), status: 414,
			want: `{"code":414,"reason":"Request URI Too Long","message":"The query string is too long"}`,
		},
		{
			name: "many parameters", path: start + "?" + strings.Repeat("&", 100), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"Too many query parameters"}`,
		},
		{
			name: "username twice", edit: header("X-OpenAM-Username", "a", "b"), status: 400,
			want: `{"code":400,"reason":"Bad Request","message":"X-OpenAM-Username stands more than once"}`,
		},
		{
			name: "unlisted trouble", set: fails(errors.New("disk of /srv on fire")), status: 500,
			want: `{"code":500,"reason":"Internal Server Error","message":"Internal Server Error"}`,
		},
		{
			name: "an empty reply", set: fails(nil), status: 500,
			want: `{"code":500,"reason":"Internal Server Error","message":"Internal Server Error"}`,
		},
		{
			name: "realms unavailable", set: func(s *stand) { s.cfg.Realms = awayRealms{} },
			status: 503, want: unavailable,
		},
		{name: "unavailable", set: fails(&session.UnavailableError{Reason: "no quorum"}), status: 503, want: unavailable},
		{name: "overloaded", set: fails(fmt.Errorf("check: %w", identity.ErrOverloaded)), status: 503, want: unavailable},
		{name: "identity store", set: fails(identity.ErrUnavailable), status: 503, want: unavailable},
		{name: "deadline", set: fails(context.DeadlineExceeded), status: 503, want: unavailable},
		{
			name: "sessions unavailable", set: func(s *stand) { s.sessions.fail = &session.UnavailableError{Reason: "no lease"} },
			edit:   func(r *http.Request) { r.Header.Set("iPlanetDirectoryPro", string(tokens.Mint([16]byte{9}, 1, "01"))) },
			status: 503, want: unavailable,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t)
			if c.set != nil {
				c.set(s)
			}
			if c.path == "" {
				c.path = start
			}
			if c.edit == nil {
				c.edit = func(*http.Request) {}
			}
			w := s.do(s.request(c.path, c.body, c.edit))
			if w.Code != c.status || w.Body.String() != c.want {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, w.Body, c.status, c.want)
			}
			if set := w.Header()["Set-Cookie"]; len(set) > 0 {
				t.Errorf("a refusal sets cookies: %q", set)
			}
			if c.status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if c.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") != http.MethodPost {
				t.Errorf("Allow %q", w.Header()["Allow"])
			}
			if strings.Contains(w.Body.String(), "fire") {
				t.Error("tells the client what is for the operator")
			}
		})
	}
}

const unavailable = `{"code":503,"reason":"Service Unavailable","message":"Service Unavailable"}`

// stream replaces the body by one of unknown length that ends in err.
func stream(text io.Reader, err error) func(*http.Request) {
	return func(r *http.Request) {
		r.ContentLength = -1
		r.Body = io.NopCloser(io.MultiReader(text, failing{err}))
		if err == nil {
			r.Body = io.NopCloser(text)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestUnlistedErrorsAreForTheOperator(t *testing.T) {
	s := newStand(t)
	s.replies(journey.Reply{}, errors.New("disk of /srv on fire"))
	s.do(s.request(start, ""))
	for _, want := range []string{"level=ERROR", "disk of /srv on fire", "txid=tx-1", "realm=/alpha"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("%q is not in the log: %s", want, s.log)
		}
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	s := newStand(t)
	s.replies(journey.Reply{}, &session.UnavailableError{RetryAfter: 2100 * time.Millisecond})
	if got := s.do(s.request(start, "")).Header().Get("Retry-After"); got != "3" {
		t.Errorf("got %q", got)
	}
}

// A login that could not be judged must not cost the session that its caller
// has.
func TestUnavailableKeepsTheCookie(t *testing.T) {
	s := newStand(t)
	token := s.login("/alpha", "bjensen")
	s.replies(journey.Reply{}, &session.UnavailableError{Reason: "no quorum"})
	w := s.do(s.request(start, "", header("Cookie", "iPlanetDirectoryPro="+string(token))))
	if w.Code != http.StatusServiceUnavailable || w.Header()["Set-Cookie"] != nil {
		t.Errorf("got %d, %q", w.Code, w.Header()["Set-Cookie"])
	}
}

// awayRealms cannot say which realms there are.
type awayRealms struct{}

func (awayRealms) Realm(context.Context, realm.Name) (*realm.Settings, error) {
	return nil, &session.UnavailableError{Reason: "the store is closed"}
}
