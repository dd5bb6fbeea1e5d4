package rest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/feed"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// noon is when every test of resources begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const operatorToken = "an operator token for tests"

// rig is a Handler over stores in memory.
type rig struct {
	t       testing.TB
	h       *Handler
	keys    session.Keys
	store   *memorySessions
	users   *memoryUsers
	docs    *memoryDocuments
	members *memoryMembers
	keyring *memoryKeys
	realms  memoryRealms
	now     time.Time
	well    error // what Health says
	saved   []byte
}

func testKeys() session.Keys {
	return session.Keys{Secret: []byte("a secret for tests, 32 bytes long"), Mark: []byte("a mark for tests, 32 bytes long..")}
}

func newRig(t testing.TB, edit ...func(*Config)) *rig {
	t.Helper()
	r := &rig{
		t:       t,
		keys:    testKeys(),
		store:   &memorySessions{keys: testKeys(), all: map[session.ID]session.Session{}},
		users:   &memoryUsers{all: map[realm.Name]map[string]identity.Identity{}},
		docs:    &memoryDocuments{all: map[documentKey]realm.Document{}},
		members: &memoryMembers{all: threeMembers()},
		keyring: &memoryKeys{},
		realms:  memoryRealms{"/": settingsOf(t, "AMCtxId"), "/alpha": settingsOf(t, "AMCtxId", "LoginLocation", "am.x")},
		now:     noon,
	}
	cfg := Config{
		Path:        "/am",
		Journeys:    noJourneys{},
		Sessions:    r.store,
		Realms:      r.realms,
		AuthIDs:     sync.OnceValue(func() *wire.AuthIDKeys { return &wire.AuthIDKeys{Active: bytes.Repeat([]byte{7}, wire.MinKey)} }),
		Process:     realm.DefaultDeployment(),
		GotoAllowed: func(target string, _ *realm.Settings) bool { return target == "https://app.example.com/" },
		Log:         slog.New(slog.NewTextHandler(t.Output(), nil)),
		Now:         func() time.Time { return r.now },
		Stream:      endedStream,
		Resources: Resources{
			Sessions:      r.store,
			Changes:       feed.New(1),
			Identities:    r.users,
			Documents:     r.docs,
			NodeTypes:     node.Builtin(),
			Backups:       r,
			Health:        r,
			Members:       r.members,
			Keys:          r.keyring,
			OperatorToken: operatorToken,
			Build:         Build{Version: "0.1.0", Revision: "abc", Date: "2026-March-01 12:00"},
		},
	}
	for _, e := range edit {
		e(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.h = h
	return r
}

// endedStream ends as it begins, so that a test may ask for one as for anything.
func endedStream(ctx context.Context, _ bool) (context.Context, error) {
	ctx, end := context.WithCancel(ctx)
	end()
	return ctx, nil
}

func (r *rig) Live() error  { return r.well }
func (r *rig) Ready() error { return r.well }

// Backup and Restore keep what they are given.
func (r *rig) Backup(_ context.Context, w io.Writer) error {
	if r.well != nil {
		return r.well
	}
	_, err := w.Write(r.saved)
	return err
}

func (r *rig) Restore(_ context.Context, from io.Reader) (err error) {
	switch r.saved, err = io.ReadAll(from); string(r.saved) {
	case "cut":
		return fmt.Errorf("restore: %w", &BackupError{Err: errors.New("not a whole backup")})
	case "large":
		return fmt.Errorf("restore: %w", &LimitError{Err: errors.New("a thing of 2 bytes is larger than the store takes: at most 1")})
	}
	return err
}

func settingsOf(_ testing.TB, names ...string) *realm.Settings {
	s := realm.DefaultSettings()
	s.SessionProperties = names
	return &s
}

// login stores a session and returns its token.
func (r *rig) login(where realm.Name, name string, edit ...func(*session.Session)) (session.TokenID, session.Session) {
	r.t.Helper()
	n := len(r.store.all) + 1
	var journeyID [16]byte
	binary.BigEndian.PutUint64(journeyID[8:], uint64(n)) //nolint:gosec // a small count
	s := session.New(
		session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute, TouchInterval: time.Minute},
		session.Principal{Realm: where, Username: name, UniversalID: where.UniversalID(name, "dc=example")}, r.now)
	s.Journey, s.ID = journeyID, r.keys.SessionID(journeyID)
	s.Properties = map[string]string{"AMCtxId": "ctx-" + name}
	for _, e := range edit {
		e(&s)
	}
	r.store.put(s)
	return r.keys.Mint(journeyID, uint64(n), "01"), s //nolint:gosec // a small count
}

func asAdmin(s *session.Session) { s.Admin = true }

// asked is a request to be made.
type asked struct {
	method, path, body string
	version            string // resource version; empty sends none
	header             map[string]string
	cookie             session.TokenID
}

func (r *rig) ask(a asked) *httptest.ResponseRecorder {
	r.t.Helper()
	if a.method == "" {
		a.method = http.MethodPost
	}
	q := httptest.NewRequestWithContext(r.t.Context(), a.method, "/am/json"+a.path, strings.NewReader(a.body))
	if a.body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if a.version != "" {
		q.Header.Set("Accept-API-Version", "resource="+a.version+", protocol=1.0")
	}
	q.Header.Set("X-Requested-With", "test")
	if a.cookie != "" {
		q.Header.Set("Cookie", "iPlanetDirectoryPro="+string(a.cookie))
	}
	for name, value := range a.header {
		q.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	r.h.ServeHTTP(w, q)
	return w
}

// hideRevs replaces the revisions that are made of a thing's own text by "#".
func hideRevs(body string) string {
	return regexp.MustCompile(`"_rev":"\d{8,}"`).ReplaceAllString(body, `"_rev":"#"`)
}

// want asks and compares status and whole body.
func (r *rig) want(name string, a asked, status int, body string) {
	r.t.Helper()
	w := r.ask(a)
	if w.Code != status || hideRevs(w.Body.String()) != body {
		r.t.Errorf("%s:\n got %d %s\nwant %d %s", name, w.Code, w.Body, status, body)
	}
}

type memoryRealms map[realm.Name]*realm.Settings

func (m memoryRealms) Realm(_ context.Context, name realm.Name) (*realm.Settings, error) {
	if s, ok := m[name]; ok {
		return s, nil
	}
	return nil, journey.ErrNoRealm
}

// noJourneys is for tests that log in without one.
type noJourneys struct{}

var errNoJourneys = errors.New("no journeys in this test")

func (noJourneys) Start(context.Context, journey.StartRequest) (journey.Reply, error) {
	return journey.Reply{}, errNoJourneys
}

func (noJourneys) Resume(context.Context, journey.ResumeRequest) (journey.Reply, error) {
	return journey.Reply{}, errNoJourneys
}

func (noJourneys) ResumeSuspended(context.Context, journey.ResumeSuspendedRequest) (journey.Reply, error) {
	return journey.Reply{}, errNoJourneys
}

// memorySessions is the slow, obvious keeper of sessions. fail, when set, is
// what every call answers.
type memorySessions struct {
	mu       sync.Mutex
	keys     session.Keys
	all      map[session.ID]session.Session
	fail     error
	expelled []string
	// stuck is a session that cannot be ended.
	stuck session.ID
}

func (m *memorySessions) put(s session.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[s.ID] = s
}

func (m *memorySessions) Session(_ context.Context, token session.TokenID) (session.Session, error) {
	id, _, err := m.keys.Parse(token)
	if err != nil {
		return session.Session{}, session.ErrNotFound
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return session.Session{}, m.fail
	}
	s, ok := m.all[id]
	if !ok {
		return s, session.ErrNotFound
	}
	return s, nil
}

func (m *memorySessions) Touch(x session.Session, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.all[x.ID]; ok && !x.ClientSide {
		m.all[x.ID] = s.Touched(now)
	}
}

func (m *memorySessions) End(_ context.Context, _ session.Cause, all ...session.Session) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	were := make([]bool, len(all))
	for i, s := range all {
		_, were[i] = m.all[s.ID]
		delete(m.all, s.ID)
	}
	return were, nil
}

func (m *memorySessions) EndByToken(ctx context.Context, why session.Cause, token session.TokenID) error {
	id, _, err := m.keys.Parse(token)
	if err == nil {
		_, err = m.End(ctx, why, session.Session{ID: id})
		return err
	}
	return nil
}

// EndByHandle can end all but those that are stuck.
func (m *memorySessions) EndByHandle(_ context.Context, _ session.Cause, handles ...session.Handle) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gone := make([]bool, len(handles))
	for i, handle := range handles {
		id, err := handle.ID()
		gone[i] = m.fail == nil && (err != nil || m.stuck != id)
		if gone[i] {
			delete(m.all, id)
		}
	}
	if m.fail == nil && slices.Contains(gone, false) {
		return gone, &session.UnavailableError{Reason: "stuck"}
	}
	return gone, m.fail
}

func (m *memorySessions) EndAllOf(ctx context.Context, why session.Cause, where realm.Name, username string) error {
	all, err := m.SessionsOf(ctx, where, username, session.ID{}, len(m.all))
	if err == nil {
		_, err = m.End(ctx, why, all...)
	}
	return err
}

func (m *memorySessions) Expel(ctx context.Context, why session.Cause, where realm.Name, username string) error {
	m.mu.Lock()
	m.expelled = append(m.expelled, username+" by "+why.By)
	m.mu.Unlock()
	return m.EndAllOf(ctx, why, where, username)
}

func (m *memorySessions) SetProperties(_ context.Context, x session.Session, changes map[string]string, _ string) (session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := x.ID
	s, ok := m.all[id]
	switch {
	case m.fail != nil:
		return s, m.fail
	case !ok:
		return s, session.ErrNotFound
	case s.ClientSide:
		return s, session.ErrClientSide
	}
	s = s.WithProperties(changes)
	m.all[id] = s
	return s, nil
}

func (m *memorySessions) SessionsOf(_ context.Context, where realm.Name, username string, after session.ID, limit int) ([]session.Session, error) {
	return m.list(after, limit, func(s session.Session) bool {
		return s.Principal.Realm == where && sameUser(s.Principal.Username, username)
	})
}

func (m *memorySessions) Sessions(_ context.Context, where realm.Name, after session.ID, limit int) ([]session.Session, error) {
	return m.list(after, limit, func(s session.Session) bool { return s.Principal.Realm == where })
}

func (m *memorySessions) list(after session.ID, limit int, wanted func(session.Session) bool) ([]session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	var found []session.Session
	for _, s := range m.all {
		if wanted(s) && bytes.Compare(s.ID[:], after[:]) > 0 {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b session.Session) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return found[:min(limit, len(found))], nil
}

func (m *memorySessions) ByHandle(_ context.Context, handle session.Handle) (session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, err := handle.ID()
	s, ok := m.all[id]
	switch {
	case m.fail != nil:
		return s, m.fail
	case err != nil || !ok:
		return s, session.ErrNotFound
	}
	return s, nil
}
