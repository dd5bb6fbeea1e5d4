package chaos

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sojourn/http/wire"
)

// fakeCluster answers what the load asks, from one table that all its members
// share, and breaks promises on demand.
type fakeCluster struct {
	members []*httptest.Server

	mu       sync.Mutex
	sessions map[string]bool   // true: live
	users    map[string]string // by token, of journeys of several steps
	tokens   map[string]string
	trips    map[int]*fakeTrip
	made     int
	faults   fakeFaults
}

// fakeFaults says what is wrong; each acts on every tenth request it concerns.
type fakeFaults struct {
	lose     bool // an acknowledged session is not stored
	undying  bool // a logout is acknowledged and not done
	stale    bool // the last member never hears of logouts
	deny     bool // a good session is called invalid
	deny401  bool // a good login is called unauthorised
	double   bool // a step sent again makes another session
	refuse   bool // 503 with a time to come back
	rude     bool // 503 without one
	cut      bool // the connection ends without an answer
	trips    tripFaults
	outage   func() bool
	requests int
}

func (f *fakeFaults) now(fault bool) bool {
	f.requests++
	return fault && f.requests%10 == 0
}

func newFake(t *testing.T, members int, faults fakeFaults) *fakeCluster {
	t.Helper()
	c := &fakeCluster{sessions: map[string]bool{}, users: map[string]string{}, tokens: map[string]string{}, trips: map[int]*fakeTrip{}, faults: faults}
	for i := range members {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(i, w, r) }))
		t.Cleanup(s.Close)
		c.members = append(c.members, s)
	}
	return c
}

// mend ends the faults of connections and availability.
func (c *fakeCluster) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.refuse, c.faults.rude, c.faults.cut, c.faults.outage, c.faults.trips.late = false, false, false, nil, false
}

func (c *fakeCluster) bases() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, m.URL+"/am")
	}
	return all
}

func (c *fakeCluster) serve(member int, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	unavailable := c.faults.outage != nil && c.faults.outage()
	switch {
	case r.Method == http.MethodPut:
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "{}")
	case r.URL.Query().Get("_action") == "import":
		fmt.Fprintf(w, `{"created":%d,"replaced":0,"existing":0,"failed":0,"errors":[]}`, strings.Count(string(body), "\n"))
	case unavailable || c.faults.now(c.faults.refuse):
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	case c.faults.now(c.faults.rude):
		w.WriteHeader(http.StatusServiceUnavailable)
	case c.faults.now(c.faults.cut):
		panic(http.ErrAbortHandler)
	case strings.HasSuffix(r.URL.Path, "/authenticate"):
		c.authenticate(w, r, body)
	default:
		c.session(member, w, r)
	}
}

func (c *fakeCluster) authenticate(w http.ResponseWriter, r *http.Request, body []byte) {
	asked := ""
	reply, err := wire.DecodeReply(body)
	if err == nil && reply.Step != nil {
		asked = string(reply.Step.AuthID)
	}
	if tree := r.URL.Query().Get("authIndexValue"); isTrip(tree, asked) {
		c.trip(w, tree, reply.Step)
		return
	}
	c.made++
	switch {
	case c.faults.now(c.faults.deny401):
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":401,"reason":"Unauthorized","message":"Login failure"}`)
		return
	case asked == "" && r.Header.Get("X-OpenAM-Username") == "":
		fmt.Fprintf(w, `{"authId":"journey %d","callbacks":[`+
			`{"type":"NameCallback","output":[{"name":"prompt","value":"User Name"}],"input":[{"name":"IDToken1","value":""}]},`+
			`{"type":"PasswordCallback","output":[{"name":"prompt","value":"Password"}],"input":[{"name":"IDToken2","value":""}]}]}`, c.made)
		return
	case asked == "":
		asked = fmt.Sprint("zero page ", c.made)
	}
	token, again := c.tokens[asked]
	if !again || c.faults.double {
		token = fmt.Sprint("token ", c.made)
		c.tokens[asked] = token
		if !c.faults.now(c.faults.lose) {
			c.sessions[token] = true
		}
	}
	_, _ = w.Write(wire.AppendSuccess(nil, wire.Success{TokenID: wire.TokenID(token), SuccessURL: "/", Realm: "/"}))
}

func (c *fakeCluster) session(member int, w http.ResponseWriter, r *http.Request) {
	token := r.Header.Get("iPlanetDirectoryPro")
	live := c.sessions[token]
	if r.URL.Query().Get("_action") == "logout" {
		if !c.faults.now(c.faults.undying) {
			c.sessions[token] = false
		}
		result := "Token has expired"
		if live {
			result = "Successfully logged out"
		}
		fmt.Fprintf(w, `{"result":%q}`, result)
		return
	}
	if _, known := c.sessions[token]; known && c.faults.stale && member == len(c.members)-1 {
		live = true
	}
	if c.faults.now(c.faults.deny) && r.URL.Query().Get("refresh") == "" {
		live = false
	}
	_, _ = w.Write(wire.AppendValidation(nil, wire.Validation{Valid: live, SessionUID: "uid", UID: c.users[token], Realm: "/"}))
}

// outageBetween is true for a stretch of time after a start.
func outageBetween(from, to time.Duration) func() bool {
	begun := time.Now()
	return func() bool { at := time.Since(begun); return from <= at && at < to }
}

// newFrozen is a member that accepts connections and does nothing with them.
func newFrozen(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, listener.Close()) })
	return "http://" + listener.Addr().String() + "/am"
}
