package rest

import (
	"context"
	"slices"
	"testing"
	"time"

	"sojourn/cts/session"
)

// memoryKeys are two rings; a rotation of one called "full" is refused.
type memoryKeys struct {
	fail  error
	asked []string
	keep  *time.Duration
}

func (m *memoryKeys) Keys(context.Context) ([]KeyRing, error) {
	return []KeyRing{
		{Purpose: "authid", Generations: []KeyGeneration{
			{Number: 1, State: KeyAccepted, Until: noon.Add(time.Hour)},
			{Number: 2, State: KeyActive, Since: noon.Add(1234567 * time.Nanosecond)},
		}},
		{Purpose: "session-signing", Private: []string{"RS256"}, Generations: []KeyGeneration{{Number: 1, State: KeyActive}}},
	}, m.fail
}

func (m *memoryKeys) Rotate(ctx context.Context, purposes []string, keep *time.Duration) ([]KeyRing, error) {
	m.asked, m.keep = purposes, keep
	if slices.Contains(purposes, "full") {
		return nil, &KeyRefusedError{Reason: "8 generations are accepted already"}
	}
	all, err := m.Keys(ctx)
	return all[:1], err
}

func TestKeys(t *testing.T) {
	const (
		path   = "/global-config/sojourn/keys"
		tail   = `,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`
		authid = `{"_id":"authid","private":[],"generations":[{"number":1,"state":"accepted","since":null,"until":"2026-03-01T13:00:00Z"},` +
			`{"number":2,"state":"active","since":"2026-03-01T12:00:00.001Z","until":null}]}`
		signing = `{"_id":"session-signing","private":["RS256"],"generations":[{"number":1,"state":"active","since":null,"until":null}]}`
		bad     = `{"code":400,"reason":"Bad Request","message":"keep must be a duration that is not negative, such as \"24h\""}`
	)
	r := newRig(t)
	as := func(method, path, body string) asked {
		return asked{method: method, path: path, header: bearer(operatorToken), body: body}
	}
	r.want("all", as("GET", path, ""), 200, `{"result":[`+authid+`,`+signing+`],"resultCount":2`+tail)
	r.want("rotate all", as("POST", path+"?_action=rotate", ""), 200, `{"result":[`+authid+`],"resultCount":1`+tail)
	if r.keyring.asked != nil || r.keyring.keep != nil {
		t.Errorf("rotated %v, kept %v", r.keyring.asked, r.keyring.keep)
	}
	r.want("rotate two", as("POST", path+"?_action=rotate", `{"purposes":["authid","token-mark"],"keep":"36h"}`), 200, `{"result":[`+authid+`],"resultCount":1`+tail)
	if !slices.Equal(r.keyring.asked, []string{"authid", "token-mark"}) || r.keyring.keep == nil || *r.keyring.keep != 36*time.Hour {
		t.Errorf("rotated %v, kept %v", r.keyring.asked, r.keyring.keep)
	}
	r.want("refused", as("POST", path+"?_action=rotate", `{"purposes":["full"]}`), 409, `{"code":409,"reason":"Conflict","message":"8 generations are accepted already"}`)
	for _, keep := range []string{`"-1s"`, `"soon"`, `7`, `null`} {
		r.want("keep "+keep, as("POST", path+"?_action=rotate", `{"keep":`+keep+`}`), 400, bad)
	}
	r.want("no list", as("POST", path+"?_action=rotate", `{"purposes":"authid"}`), 400, `{"code":400,"reason":"Bad Request","message":"purposes must be a list of texts"}`)
	r.keyring.fail = &session.UnavailableError{Reason: "no leader", RetryAfter: time.Second}
	for _, a := range []asked{as("GET", path, ""), as("POST", path+"?_action=rotate", "")} {
		if w := r.ask(a); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s without a leader: %d, Retry-After %q", a.method, w.Code, w.Header().Get("Retry-After"))
		}
	}
}
