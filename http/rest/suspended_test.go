package rest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/cts/session"
)

// The link of a suspended journey goes on with it; what else it names the journey
// knows. An id that opens nothing is told
// from a store that is away.
func TestSuspendedID(t *testing.T) {
	const id = "AAAAAAAAAAAAAAAAAAAAAAAAAAA"
	const path = "/am/json/realms/root/realms/alpha/authenticate?suspendedId=" + id + "&authIndexType=service&authIndexValue=Any&x=1"
	for name, tc := range map[string]struct {
		reply journey.Reply
		err   error
		code  int
		want  string
	}{
		"goes on": {reply: step(), code: http.StatusOK, want: `"NameCallback"`},
		"opens nothing": {
			err: journey.ErrSuspended, code: http.StatusUnauthorized,
			want: "SuspendedAuthSessionException: Token not found. It may have expired.",
		},
		"store away": {
			err: &session.UnavailableError{Reason: "no leader", RetryAfter: time.Second}, code: http.StatusServiceUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			calls := 0
			s.journeys.back = func(_ context.Context, r journey.ResumeSuspendedRequest) (journey.Reply, error) {
				calls++
				if r.ID != id || r.Realm != "/alpha" || len(r.Request.Parameters) != 1 || r.Request.Parameters["x"][0] != "1" {
					t.Errorf("asked for %q in %s with %v", string(r.ID), r.Realm, r.Request.Parameters)
				}
				return tc.reply, tc.err
			}
			w := s.do(s.request(path, "{}"))
			if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) || calls != 1 {
				t.Errorf("%d calls, %d %s", calls, w.Code, w.Body)
			}
			if strings.Contains(s.log.String(), id) {
				t.Error("the id is in the log")
			}
		})
	}
}

// Where no journey may begin none is looked for either: an id that anybody has made
// up costs as much as a start. The link stays good.
func TestSuspendedIDBusy(t *testing.T) {
	s := newStand(t)
	s.cfg.Begins = func(context.Context) bool { return false }
	calls := 0
	s.journeys.back = func(context.Context, journey.ResumeSuspendedRequest) (journey.Reply, error) {
		calls++
		return step(), nil
	}
	w := s.do(s.request(start+"?suspendedId=AAAAAAAAAAAAAAAAAAAAAAAAAAA", "{}"))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || calls != 0 {
		t.Errorf("%d calls, %d %s", calls, w.Code, w.Body)
	}
}

// A step that suspends is one like any other, with the cookie that it may set.
func TestSuspendedStep(t *testing.T) {
	s := newStand(t)
	held := journey.Reply{Realm: "/", Ref: ref(), Ask: &journey.Ask{
		Callbacks: []callback.Callback{callback.NewSuspendedText("Look")},
		Cookies:   []node.Cookie{{Name: "sojourn-resume-01", Value: "v", SameSite: "lax", HTTPOnly: true, MaxAge: time.Minute}},
	}}
	s.replies(held, nil)
	w := s.do(s.request(start, "{}"))
	const want = `"callbacks":[{"type":"SuspendedTextOutputCallback","output":[{"name":"message","value":"Look"},{"name":"messageType","value":"0"}]}]`
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || !strings.HasPrefix(w.Body.String(), `{"authId":`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var set string
	for _, line := range w.Header()["Set-Cookie"] {
		if strings.HasPrefix(line, "sojourn-resume-01=v") {
			set = line
		}
	}
	for _, part := range []string{"HttpOnly", "SameSite=Lax", "Max-Age=60", "Path=/"} {
		if !strings.Contains(strings.ToLower(set), strings.ToLower(part)) {
			t.Errorf("the cookie is %q", set)
		}
	}
}
