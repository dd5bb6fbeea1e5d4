package sessions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/clientside"
	"sojourn/cts/session"
	"sojourn/cts/sessions"
	"sojourn/cts/token"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rig is a Service over a store that keeps everything in lists.
type rig struct {
	t       testing.TB
	s       *sessions.Service
	store   *store
	realms  realms
	holders *clientside.Keys
	cutOff  error // from those who may have newer keys
	now     time.Time
	log     *lines
}

func newRig(t testing.TB, edit ...func(*sessions.Config)) *rig {
	t.Helper()
	r := &rig{t: t, store: &store{live: map[session.ID]session.Session{}, tokens: map[token.ID]token.Token{}}, realms: realms{}, holders: holderKeys(t, 1, 1), now: noon, log: &lines{}}
	r.store.now = func() time.Time { return r.now }
	c := sessions.Config{
		Store: r.store, Realms: r.realms, Keys: tokenKeys, HolderKeys: func() *clientside.Keys { return r.holders },
		ServerID: "01", Audit: slog.New(slog.NewJSONHandler(r.log, nil)),
		Current:       func(context.Context) error { return r.cutOff },
		TransactionID: func(context.Context) string { return "tx-1" },
		Now:           func() time.Time { return r.now },
		Rand:          rand.New(rand.NewSource(1)), //nolint:gosec // a test's
	}
	for _, e := range edit {
		e(&c)
	}
	var err error
	if r.s, err = sessions.New(c); err != nil {
		t.Fatal(err)
	}
	return r
}

// foreign reads one token of another system.
type foreign struct {
	token string
	x     session.Session
}

func (f foreign) Open(token string, _ time.Time) (session.Session, error) {
	if token != f.token {
		return session.Session{}, session.ErrToken
	}
	return f.x, nil
}

func tokenKeys() session.Keys {
	return session.Keys{Secret: bytes.Repeat([]byte{1}, 32), Mark: bytes.Repeat([]byte{2}, 32)}
}

// holderKeys are those of generations first to last, of which the last seals.
func holderKeys(t testing.TB, first, last uint32) *clientside.Keys {
	t.Helper()
	var all []clientside.Key
	for g := first; g <= last; g++ {
		for _, a := range []clientside.Algorithm{clientside.HS256, clientside.Direct} {
			all = append(all, clientside.Key{
				Purpose: clientside.Session, Algorithm: a, Generation: g, Active: g == last,
				Secret: bytes.Repeat([]byte{byte(g), byte(len(a))}, 16),
			})
		}
	}
	keys, err := clientside.NewKeys(all)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// wanted is the session of a journey as it comes from there.
func wanted(n byte, username string, edit ...func(*session.Session)) session.Creation {
	s := session.New(
		session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute, TouchInterval: time.Minute},
		session.Principal{Realm: "/alpha", Username: username, UniversalID: realm.Name("/alpha").UniversalID(username, "dc=example")}, noon)
	s.Journey = [16]byte{n}
	s.ID = tokenKeys().SessionID(s.Journey)
	s.Trees = []string{"Login"}
	s.Properties = map[string]string{"AMCtxId": "ctx-" + string('a'+rune(n))}
	for _, e := range edit {
		e(&s)
	}
	return session.Creation{Session: s}
}

func (r *rig) create(c session.Creation) session.Created {
	r.t.Helper()
	made, err := r.s.Create(r.t.Context(), c)
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

// hold makes a session that its holder keeps.
func (r *rig) hold(n byte, username string, edit ...func(*session.Session)) session.Created {
	r.t.Helper()
	c := wanted(n, username, edit...)
	c.ClientSide = true
	return r.create(c)
}

func (r *rig) valid(token session.TokenID) bool {
	r.t.Helper()
	_, err := r.s.Session(r.t.Context(), token)
	if err != nil && err != session.ErrNotFound { //nolint:errorlint // this very one
		r.t.Fatal(err)
	}
	return err == nil
}

// realms have the settings that they are given, else the defaults.
type realms map[realm.Name]func(*realm.Settings)

func (m realms) Realm(_ context.Context, name realm.Name) (*realm.Settings, error) {
	s := realm.DefaultSettings()
	if edit := m[name]; edit != nil {
		edit(&s)
	}
	return &s, nil
}

// store is the slow, obvious token store.
type store struct {
	mu      sync.Mutex
	now     func() time.Time
	live    map[session.ID]session.Session
	denied  []session.Denial
	users   []denial
	writes  int
	touched int
	fail    error
	replies session.Made // what Create adds to its answer
	tokens  map[token.ID]token.Token
	puts    int // of tokens
}

func (m *store) Token(_ context.Context, _ token.Kind, id token.ID, _ uint64) (token.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tokens[id]
	switch {
	case m.fail != nil:
		return t, m.fail
	case !ok || !m.now().Before(t.Expires):
		return token.Token{}, token.ErrNotFound
	}
	return t, nil
}

func (m *store) PutToken(_ context.Context, p token.Put) (token.Token, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return token.Token{}, false, m.fail
	}
	if old := m.tokens[p.ID]; old.Seq != p.Seq {
		return old, false, nil
	}
	m.puts++
	m.tokens[p.ID] = token.Token{Kind: p.Kind, ID: p.ID, Seq: p.Seq + 1, Expires: p.Expires, Body: p.Body}
	return m.tokens[p.ID], true, nil
}

type denial struct {
	realm     realm.Name
	username  string
	at, until time.Time
}

func (m *store) Create(_ context.Context, c session.Creation) (session.Made, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return session.Made{}, m.fail
	}
	m.writes++
	if x, ok := m.live[c.Session.ID]; ok {
		return session.Made{Session: x, Index: 1, Existed: true}, nil
	}
	m.live[c.Session.ID] = c.Session
	if c.Replaces != nil && !c.Keeps {
		delete(m.live, c.Replaces.ID)
	}
	made := m.replies
	made.Session, made.Index = c.Session, 1
	return made, nil
}

func (m *store) Session(_ context.Context, id session.ID, _ uint64) (session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, ok := m.live[id]
	switch {
	case m.fail != nil:
		return x, m.fail
	case !ok || !x.Valid(m.now()):
		return session.Session{}, session.ErrNotFound
	}
	return x, nil
}

func (m *store) Touch(session.ID, time.Time) { m.touched++ }

func (m *store) Delete(_ context.Context, _ session.Reason, ids ...session.ID) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	m.writes++
	were := make([]bool, len(ids))
	for i, id := range ids {
		_, were[i] = m.live[id]
		delete(m.live, id)
	}
	return were, nil
}

func (m *store) SetProperties(_ context.Context, id session.ID, changes map[string]string) (session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, ok := m.live[id]
	if !ok {
		return x, session.ErrNotFound
	}
	m.writes++
	m.live[id] = x.WithProperties(changes)
	return m.live[id], m.fail
}

func (m *store) CatchUp(context.Context) error { return m.fail }

func (m *store) SessionsOf(_ context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error) {
	return m.list(after, limit, func(x session.Session) bool {
		return x.Principal.Realm == r && strings.EqualFold(x.Principal.Username, username) && x.Valid(m.now())
	})
}

func (m *store) AllOf(_ context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error) {
	return m.list(after, limit, func(x session.Session) bool {
		return x.Principal.Realm == r && strings.EqualFold(x.Principal.Username, username)
	})
}

func (m *store) Sessions(_ context.Context, r realm.Name, after session.ID, limit int) ([]session.Session, error) {
	return m.list(after, limit, func(x session.Session) bool { return x.Principal.Realm == r })
}

func (m *store) list(after session.ID, limit int, wanted func(session.Session) bool) ([]session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []session.Session
	for _, x := range m.live {
		if wanted(x) && bytes.Compare(x.ID[:], after[:]) > 0 {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(a, b session.Session) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return all[:min(limit, len(all))], m.fail
}

func (m *store) Deny(_ context.Context, _ session.Reason, all ...session.Denial) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.writes++
	m.denied = append(m.denied, all...)
	return nil
}

func (m *store) DenyUser(_ context.Context, r realm.Name, username string, at, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.writes++
	m.users = append(m.users, denial{r, username, at, until})
	return nil
}

// Denied forgets what need not be known any more, as the store does.
func (m *store) Denied(_ context.Context, x session.Session) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return false, m.fail
	}
	for _, d := range m.denied {
		if d.ID == x.ID && m.now().Before(d.Until) {
			return true, nil
		}
	}
	for _, d := range m.users {
		if d.realm == x.Principal.Realm && strings.EqualFold(d.username, x.Principal.Username) &&
			x.Created.Before(d.at) && m.now().Before(d.until) {
			return true, nil
		}
	}
	return false, nil
}

func (m *store) DeniedBefore(_ context.Context, r realm.Name, username string) (before time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.users {
		if d.realm == r && strings.EqualFold(d.username, username) && d.at.After(before) && m.now().Before(d.until) {
			before = d.at
		}
	}
	return before, m.fail
}

// lines keeps the audit.
type lines struct {
	mu  sync.Mutex
	all []map[string]any
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var line map[string]any
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	l.all = append(l.all, line)
	return len(p), nil
}

// events are the names of what was noted since it was asked last.
func (l *lines) events() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for _, line := range l.all {
		names = append(names, line["msg"].(string)) //nolint:forcetypeassert // slog's
	}
	l.all = nil
	return names
}
