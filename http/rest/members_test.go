package rest

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"sojourn/cts/session"
	"sojourn/http/client"
)

func TestMembers(t *testing.T) {
	const (
		path = "/global-config/sojourn/members"
		tail = `,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`
		one  = `{"_id":"a1","member":"11","name":"one","address":"10.0.0.1:7946","http":"10.0.0.1:8080","voter":true,"leader":true,"self":true,` +
			`"state":"alive","lease":0.612,"lag":0,"waiting":null,"outstanding":null,"lastSeen":"2026-03-01T12:00:00Z","sees":["one","two"],"protocol":1,"version":"0.1.0"}`
		two = `{"_id":"b2","member":"22","name":"two","address":"10.0.0.2:7946","http":"10.0.0.2:8080","voter":true,"leader":false,"self":false,` +
			`"state":"alive","lease":0,"lag":3,"waiting":70,"outstanding":4,"lastSeen":"2026-03-01T12:00:00.001Z","sees":["one","two"],"protocol":1,"version":"0.1.0"}`
		three = `{"_id":"c3","member":"","name":"three","address":"","http":"","voter":false,"leader":false,"self":false,` +
			`"state":"dead","lease":null,"lag":null,"waiting":null,"outstanding":null,"lastSeen":null,"sees":[],"protocol":0,"version":""}`
		done = `{"success":true}`
	)
	r := newRig(t)
	as := func(method, path string) asked {
		return asked{method: method, path: path, header: bearer(operatorToken)}
	}
	r.want("all, by name", as("GET", path), 200, `{"result":[`+one+","+three+","+two+`],"resultCount":3`+tail)
	r.want("filtered", as("GET", path+"?_queryFilter=state+eq+%22dead%22"), 200, `{"result":[`+three+`],"resultCount":1`+tail)
	r.want("bad filter", as("GET", path+"?_queryFilter=x"), 400, `{"code":400,"reason":"Bad Request","message":"The _queryFilter is not understood: x"}`)
	r.want("one alone", as("GET", path+"/a1"), 405, `{"code":405,"reason":"Method Not Allowed","message":"Method Not Allowed"}`)
	r.want("no action", as("POST", path+"/a1"), 400, `{"code":400,"reason":"Bad Request","message":"The _action parameter is missing"}`)
	r.want("another action", as("POST", path+"/a1?_action=demote"), 501, `{"code":501,"reason":"Not Implemented","message":"Action demote not implemented for this resource"}`)
	for _, action := range []string{"remove", "promote"} {
		r.want(action+" nobody", as("POST", path+"/zz?_action="+action), 404, `{"code":404,"reason":"Not Found","message":"No such member"}`)
	}
	r.want("remove without a quorum", as("POST", path+"/a1?_action=remove"), 409, `{"code":409,"reason":"Conflict","message":"1 of 2 voters would be alive: no quorum"}`)
	r.want("promote", as("POST", path+"/c3?_action=promote"), 200, done)
	r.want("promoted", as("GET", path+"?_queryFilter=name+eq+%22three%22+and+voter+eq+%22true%22"), 200,
		`{"result":[`+three[:len(`{"_id":"c3","member":"","name":"three","address":"","http":"","voter":`)]+
			`true`+three[len(`{"_id":"c3","member":"","name":"three","address":"","http":"","voter":false`):]+`],"resultCount":1`+tail)
	r.want("remove", as("POST", path+"/c3?_action=remove"), 200, done)
	r.want("remove again", as("POST", path+"/c3?_action=remove"), 404, `{"code":404,"reason":"Not Found","message":"No such member"}`)

	r.members.fail = &session.UnavailableError{Reason: "no leader", RetryAfter: 1500 * time.Millisecond}
	for _, a := range []asked{as("GET", path), as("POST", path+"/b2?_action=remove"), as("POST", path+"/b2?_action=promote")} {
		w := r.ask(a)
		if w.Code != 503 || w.Header().Get("Retry-After") != "2" {
			t.Errorf("%s %s without a leader: %d, Retry-After %q", a.method, a.path, w.Code, w.Header().Get("Retry-After"))
		}
	}
}

// Without members there is no path of theirs, and they need no other resource.
func TestMembersStandAlone(t *testing.T) {
	const path = "/global-config/sojourn/members"
	r := newRig(t, func(c *Config) { c.Resources.Members = nil })
	if w := r.ask(asked{method: "GET", path: path, header: bearer(operatorToken)}); w.Code != 404 {
		t.Errorf("without members: %d", w.Code)
	}
	r = newRig(t, func(c *Config) { c.Resources.Documents, c.Resources.Backups = nil, nil })
	if w := r.ask(asked{method: "GET", path: path, header: bearer(operatorToken)}); w.Code != 200 {
		t.Errorf("with members alone: %d", w.Code)
	}
}

// A member that is not ready says why, unless that is an error's own text.
func TestReadySaysWhy(t *testing.T) {
	failed := errors.New("apply entry 7: /var/lib/x: checksum")
	for name, tc := range map[string]struct {
		live, ready error
		body        string
	}{
		"waiting": {
			nil, &session.UnavailableError{Reason: "waiting for a leader"},
			`{"code":503,"reason":"Service Unavailable","message":"waiting for a leader"}`,
		},
		"failed":    {failed, &session.UnavailableError{Reason: failed.Error()}, ""},
		"otherwise": {nil, failed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Resources.Health = condition{tc.live, tc.ready} })
			w := r.ask(asked{method: "GET", path: "/health/ready"})
			if w.Code != http.StatusServiceUnavailable || w.Body.String() != tc.body || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if retry := w.Header().Get("Retry-After"); (retry == "1") != (tc.body != "") {
				t.Errorf("Retry-After %q", retry)
			}
		})
	}
}

type condition struct{ live, ready error }

func (c condition) Live() error  { return c.live }
func (c condition) Ready() error { return c.ready }

// What the client can do to members, the server does.
func TestMembersThroughClient(t *testing.T) {
	r := newRig(t)
	c := r.listen(t)
	all, err := c.Members(t.Context())
	if err != nil || len(all) != 3 || all[0].ID != "a1" || *all[0].Lease != 0.612 || !all[2].LastSeen.Equal(noon.Add(time.Millisecond)) || all[1].Lag != nil {
		t.Fatalf("members: %+v, %v", all, err)
	}
	if err := c.PromoteMember(t.Context(), "c3"); err != nil || !r.members.all[1].Voter {
		t.Errorf("promote: %v, %+v", err, r.members.all[1])
	}
	if err := c.RemoveMember(t.Context(), "a1"); !client.IsStatus(err, http.StatusConflict) {
		t.Errorf("remove without a quorum: %v", err)
	}
	if err := c.RemoveMember(t.Context(), "b2"); err != nil || len(r.members.all) != 2 {
		t.Errorf("remove: %v, %d left", err, len(r.members.all))
	}
	if err := c.RemoveMember(t.Context(), "../b2"); !client.IsStatus(err, http.StatusNotFound) {
		t.Errorf("remove a strange id: %v", err)
	}
}
