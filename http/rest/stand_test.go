package rest_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/http/rest"
	"sojourn/http/wire"
)

var (
	at      = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	authIDs = wire.AuthIDKeys{Active: bytes.Repeat([]byte{1}, wire.MinKey)}
	tokens  = session.Keys{Secret: []byte("secret"), Mark: []byte("mark")}
)

// journeys is a Journeys of functions.
type journeys struct {
	start  func(context.Context, journey.StartRequest) (journey.Reply, error)
	resume func(context.Context, journey.ResumeRequest) (journey.Reply, error)
	// back is ResumeSuspended, which knows no id when it is nil.
	back func(context.Context, journey.ResumeSuspendedRequest) (journey.Reply, error)
}

func (j *journeys) Start(ctx context.Context, r journey.StartRequest) (journey.Reply, error) {
	return j.start(ctx, r)
}

func (j *journeys) Resume(ctx context.Context, r journey.ResumeRequest) (journey.Reply, error) {
	return j.resume(ctx, r)
}

func (j *journeys) ResumeSuspended(ctx context.Context, r journey.ResumeSuspendedRequest) (journey.Reply, error) {
	if j.back == nil {
		return journey.Reply{}, journey.ErrSuspended
	}
	return j.back(ctx, r)
}

// sessions knows the sessions that it holds and notes which are touched.
type sessions struct {
	known   map[session.ID]session.Session
	fail    error
	touched []session.ID
}

func (s *sessions) Session(_ context.Context, token session.TokenID) (session.Session, error) {
	if s.fail != nil {
		return session.Session{}, s.fail
	}
	id, _, err := tokens.Parse(token)
	found, ok := s.known[id]
	if err != nil || !ok {
		return session.Session{}, session.ErrNotFound
	}
	return found, nil
}

func (s *sessions) Touch(x session.Session, _ time.Time) { s.touched = append(s.touched, x.ID) }

type realms map[realm.Name]*realm.Settings

func (r realms) Realm(_ context.Context, name realm.Name) (*realm.Settings, error) {
	if s, ok := r[name]; ok {
		return s, nil
	}
	return nil, journey.ErrNoRealm
}

// stand is a Handler with everything around it that a test may turn.
type stand struct {
	tb       testing.TB
	cfg      rest.Config
	journeys *journeys
	sessions *sessions
	realms   realms
	log      *bytes.Buffer
}

func newStand(tb testing.TB) *stand {
	tb.Helper()
	s := &stand{
		tb:       tb,
		journeys: &journeys{},
		sessions: &sessions{known: map[session.ID]session.Session{}},
		realms:   realms{},
		log:      &bytes.Buffer{},
	}
	for _, name := range []realm.Name{realm.Root, "/alpha", "/alpha/eu", "/off"} {
		settings := realm.DefaultSettings()
		settings.Enabled = name != "/off"
		s.realms[name] = &settings
	}
	s.cfg = rest.Config{
		Path:          "/am",
		Journeys:      s.journeys,
		Sessions:      s.sessions,
		Realms:        s.realms,
		AuthIDs:       func() *wire.AuthIDKeys { return &authIDs },
		Process:       realm.DefaultDeployment(),
		GotoAllowed:   func(target string, _ *realm.Settings) bool { return strings.HasPrefix(target, "/") },
		TransactionID: func(context.Context) string { return "tx-1" },
		Log:           slog.New(slog.NewTextHandler(s.log, nil)),
		Now:           func() time.Time { return at },
	}
	return s
}

// login adds a session and returns its token.
func (s *stand) login(in realm.Name, user string) session.TokenID {
	id := [16]byte{byte(len(s.sessions.known) + 1)}
	x := session.New(session.Policy{MaxIdle: time.Hour}, session.Principal{Realm: in, Username: user}, at)
	x.ID = tokens.SessionID(id)
	s.sessions.known[x.ID] = x
	return tokens.Mint(id, 7, "01")
}

// request makes a POST with a JSON body unless that is empty; edits change it.
func (s *stand) request(path, body string, edits ...func(*http.Request)) *http.Request {
	r := httptest.NewRequestWithContext(s.tb.Context(), http.MethodPost, path, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequestWithContext(s.tb.Context(), http.MethodPost, path, http.NoBody)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-API-Version", "resource=2.1, protocol=1.0")
	for _, edit := range edits {
		edit(r)
	}
	return r
}

func (s *stand) do(r *http.Request) *httptest.ResponseRecorder {
	s.tb.Helper()
	for _, settings := range s.realms {
		settings.Deployment = s.cfg.Process
	}
	h, err := rest.New(s.cfg)
	if err != nil {
		s.tb.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

// replies makes both methods answer the same.
func (s *stand) replies(r journey.Reply, err error) {
	s.journeys.start = func(context.Context, journey.StartRequest) (journey.Reply, error) { return r, err }
	s.journeys.resume = func(context.Context, journey.ResumeRequest) (journey.Reply, error) { return r, err }
}

const start = "/am/json/realms/root/realms/alpha/authenticate"

// ref is what the tests' journeys are named by.
func ref() journey.Ref {
	return journey.Ref{
		Journey: journey.ID{0xab}, Step: 1, Realm: "/alpha",
		IndexType: "service", IndexValue: "Login",
		Started: at, Expires: at.Add(5 * time.Minute),
	}
}

func signed(tb testing.TB, r journey.Ref) wire.SignedAuthID {
	tb.Helper()
	ids, err := wire.NewAuthIDs(authIDs)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := ids.Sign(wire.AuthID{
		Journey: r.Journey, Step: r.Step, Realm: string(r.Realm),
		IndexType: r.IndexType, IndexValue: r.IndexValue, Issued: r.Started, Expires: r.Expires, Trace: r.Trace,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// step asks for name and password, as the page of the example does.
func step() journey.Reply {
	name, password := callback.NewName("User Name", ""), callback.NewPassword("Password")
	name.Numbered, password.Numbered, password.ID = true, true, 1
	return journey.Reply{
		Ref: ref(),
		Ask: &journey.Ask{
			Callbacks: []callback.Callback{name, password},
			Header:    "Sign in", Description: "Enter your credentials", Stage: "UsernamePassword",
		},
		Realm: "/alpha",
	}
}

func done(d journey.Done) journey.Reply {
	return journey.Reply{Done: &d, Realm: "/alpha", Token: "Zk3.*AAJ*"}
}
