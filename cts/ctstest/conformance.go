package ctstest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts"
	"sojourn/cts/session"
)

// Store is what both stores can do.
type Store interface {
	Ready() error
	Applied() uint64
	Session(ctx context.Context, id session.ID, index uint64) (session.Session, error)
	Create(ctx context.Context, x session.Session, replaces *session.ID) (session.Session, uint64, bool, error)
	Delete(ctx context.Context, ids ...session.ID) ([]bool, error)
	SetProperties(ctx context.Context, id session.ID, changes map[string]string) (session.Session, error)
	Touch(id session.ID, now time.Time)
	SessionsOf(ctx context.Context, r realm.Name, username string, limit int) ([]session.Session, error)
	Sessions(ctx context.Context, r realm.Name, after session.ID, limit int) ([]session.Session, error)
	Identity(ctx context.Context, r realm.Name, name string) (identity.Identity, error)
	SearchIdentity(ctx context.Context, r realm.Name, attribute, value string) (identity.Identity, error)
	Identities(ctx context.Context, r realm.Name, after string, limit int) ([]identity.Identity, error)
	PutIdentity(ctx context.Context, i identity.Identity, createOnly bool) error
	PutIdentities(ctx context.Context, all []identity.Identity) error
	UpdateIdentity(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error)
	DeleteIdentity(ctx context.Context, r realm.Name, name string) error
	Document(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error)
	Documents(ctx context.Context, kind realm.DocumentKind, r realm.Name) ([]realm.Document, error)
	PutDocument(ctx context.Context, d realm.Document, p realm.Precondition) (realm.Document, bool, error)
	DeleteDocument(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (realm.Document, error)
}

var (
	_ Store = (*Memory)(nil)
	_ Store = (*cts.Store)(nil)
)

// Clock is a clock that tests move.
type Clock struct{ nanos atomic.Int64 }

// NewClock returns a clock that stands at t.
func NewClock(t time.Time) *Clock {
	c := &Clock{}
	c.nanos.Store(t.UnixNano())
	return c
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Unix(0, c.nanos.Load()).UTC() }

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// Session returns the n-th of a family of sessions, created at now by a journey
// of its own for one of three users of realm /alpha.
func Session(n uint64, now time.Time) session.Session {
	s := session.New(
		session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute, TouchInterval: time.Minute},
		session.Principal{Realm: "/alpha", Username: fmt.Sprintf("User%d", n%3), UniversalID: "id=user"}, now)
	binary.BigEndian.PutUint64(s.ID[8:], n+1)
	binary.BigEndian.PutUint64(s.Journey[8:], n+1)
	s.AuthLevel = 5
	s.Trees = []string{"Login"}
	s.Properties = map[string]string{"AMCtxId": strconv.FormatUint(n, 10)}
	return s
}

// Conformance checks a store that open returns, empty, for each test.
func Conformance(t *testing.T, open func(t *testing.T, o Options) Store) {
	ConformanceIn(t, func(t *testing.T, o Options, test func(*testing.T, Store)) { test(t, open(t, o)) })
}

// ConformanceIn is Conformance for a store that lives only while run runs, which
// calls test with it.
func ConformanceIn(t *testing.T, run func(t *testing.T, o Options, test func(*testing.T, Store))) {
	for name, test := range map[string]func(*suite, *testing.T){
		"a session lives until its limits": (*suite).lives,
		"one session from one journey":     (*suite).journeys,
		"delete":                           (*suite).deletes,
		"replace":                          (*suite).replaces,
		"touch":                            (*suite).touches,
		"properties":                       (*suite).properties,
		"listing sessions":                 (*suite).lists,
		"identities":                       (*suite).identities,
		"searching identities":             (*suite).searches,
		"updates are not lost":             (*suite).updates,
		"documents":                        (*suite).documents,
		"preconditions":                    (*suite).preconditions,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{clock: NewClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))}
			run(t, Options{Now: s.clock.Now, OnDocument: s.onDocument}, func(t *testing.T, store Store) {
				s.Store = store
				test(s, t)
			})
		})
	}
}

type suite struct {
	Store
	clock *Clock

	mu      sync.Mutex
	changed []string
}

func (s *suite) onDocument(kind realm.DocumentKind, r realm.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = append(s.changed, string(kind)+string(r))
}

func (s *suite) create(t *testing.T, n uint64) session.Session {
	t.Helper()
	want := Session(n, s.clock.Now())
	got, index, existed, err := s.Create(t.Context(), want, nil)
	if err != nil || existed || index == 0 || index > s.Applied() || got.ID != want.ID {
		t.Fatalf("Create = %+v, %d, %v, %v", got, index, existed, err)
	}
	return got
}

func (s *suite) gone(t *testing.T, id session.ID) {
	t.Helper()
	if got, err := s.Session(t.Context(), id, 0); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("session = %+v, %v; want ErrNotFound", got, err)
	}
}

func (s *suite) lives(t *testing.T) {
	want := s.create(t, 1)
	s.clock.Advance(30*time.Minute - 1)
	got, err := s.Session(t.Context(), want.ID, s.Applied())
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("session = %+v, %v; want %+v", got, err, want)
	}
	s.clock.Advance(1)
	s.gone(t, want.ID)
	s.gone(t, session.ID{0xff})
}

func (s *suite) journeys(t *testing.T) {
	first := s.create(t, 1)
	again := Session(1, s.clock.Now())
	again.AuthLevel = 99
	got, index, existed, err := s.Create(t.Context(), again, nil)
	if err != nil || !existed || index == 0 || got.AuthLevel != first.AuthLevel {
		t.Errorf("again = %+v, %d, %v, %v", got, index, existed, err)
	}
	if _, err := s.Delete(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, existed, err := s.Create(t.Context(), again, nil); !existed || !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after logout = %v, %v", existed, err)
	}
	s.gone(t, first.ID)
}

func (s *suite) deletes(t *testing.T) {
	a, b := s.create(t, 1), s.create(t, 2)
	existed, err := s.Delete(t.Context(), a.ID, session.ID{0xff}, b.ID)
	if err != nil || !slices.Equal(existed, []bool{true, false, true}) {
		t.Errorf("Delete = %v, %v", existed, err)
	}
	s.gone(t, a.ID)
	s.gone(t, b.ID)
	if existed, err = s.Delete(t.Context(), a.ID); err != nil || !slices.Equal(existed, []bool{false}) {
		t.Errorf("second Delete = %v, %v", existed, err)
	}
}

func (s *suite) replaces(t *testing.T) {
	old := s.create(t, 1)
	if _, _, _, err := s.Create(t.Context(), Session(2, s.clock.Now()), &old.ID); err != nil {
		t.Fatal(err)
	}
	s.gone(t, old.ID)
	if _, err := s.Session(t.Context(), Session(2, s.clock.Now()).ID, 0); err != nil {
		t.Error(err)
	}
}

func (s *suite) touches(t *testing.T) {
	x := s.create(t, 1)
	for range 4 { // 100 minutes in all, each step within the idle limit
		s.clock.Advance(25 * time.Minute)
		s.Touch(x.ID, s.clock.Now())
		got, err := s.Session(t.Context(), x.ID, 0)
		if err != nil || !got.LastAccess.Equal(s.clock.Now()) {
			t.Fatalf("after touch: latest access %v, %v", got.LastAccess, err)
		}
	}
	s.Touch(x.ID, s.clock.Now().Add(-time.Hour))
	if got, err := s.Session(t.Context(), x.ID, 0); err != nil || !got.LastAccess.Equal(s.clock.Now()) {
		t.Errorf("an old touch moves the latest access to %v, %v", got.LastAccess, err)
	}
	s.Touch(session.ID{0xff}, s.clock.Now()) // nobody: nothing
	s.gone(t, session.ID{0xff})
	s.clock.Advance(20 * time.Minute) // the longest life ends, touched or not
	s.gone(t, x.ID)
}

func (s *suite) properties(t *testing.T) {
	x := s.create(t, 1)
	s.clock.Advance(5 * time.Minute)
	s.Touch(x.ID, s.clock.Now())
	got, err := s.SetProperties(t.Context(), x.ID, map[string]string{"a": "1", "AMCtxId": ""})
	if err != nil || len(got.Properties) != 1 || got.Properties["a"] != "1" {
		t.Errorf("SetProperties = %+v, %v", got.Properties, err)
	}
	got, err = s.Session(t.Context(), x.ID, 0)
	if err != nil || len(got.Properties) != 1 || got.Properties["a"] != "1" || !got.LastAccess.Equal(s.clock.Now()) {
		t.Errorf("session = %+v, %v", got, err)
	}
	if _, err := s.SetProperties(t.Context(), session.ID{0xff}, nil); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("properties of nothing = %v", err)
	}
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			if _, err := s.SetProperties(t.Context(), x.ID, map[string]string{strconv.Itoa(i): "x"}); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if got, err = s.Session(t.Context(), x.ID, 0); err != nil || len(got.Properties) != 21 {
		t.Errorf("after 20 writers: %d properties, %v", len(got.Properties), err)
	}
}

func (s *suite) lists(t *testing.T) {
	for n := range uint64(9) {
		s.create(t, n)
	}
	other := Session(100, s.clock.Now())
	other.Principal.Realm = "/beta"
	if _, _, _, err := s.Create(t.Context(), other, nil); err != nil {
		t.Fatal(err)
	}
	ids := func(found []session.Session, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, x := range found {
			fmt.Fprintf(&text, "%d ", x.ID[15])
		}
		return text.String()
	}
	for _, test := range []struct{ name, got, want string }{
		{"of a user", ids(s.SessionsOf(t.Context(), "/alpha", "USER1", 10)), "2 5 8 "},
		{"limited", ids(s.SessionsOf(t.Context(), "/alpha", "user1", 2)), "2 5 "},
		{"other realm", ids(s.SessionsOf(t.Context(), "/beta", "user1", 10)), "101 "},
		{"nobody", ids(s.SessionsOf(t.Context(), "/alpha", "user", 10)), ""},
		{"of a realm", ids(s.Sessions(t.Context(), "/alpha", session.ID{}, 100)), "1 2 3 4 5 6 7 8 9 "},
		{"a page", ids(s.Sessions(t.Context(), "/alpha", Session(3, s.clock.Now()).ID, 3)), "5 6 7 "},
	} {
		if test.got != test.want {
			t.Errorf("%s = %q, want %q", test.name, test.got, test.want)
		}
	}
	s.clock.Advance(time.Hour)
	if got := ids(s.Sessions(t.Context(), "/alpha", session.ID{}, 100)); got != "" {
		t.Errorf("ended sessions are listed: %s", got)
	}
}

func (s *suite) identities(t *testing.T) {
	demo := identity.Identity{
		Realm: "/alpha", Name: "Demo", Hash: "$2b$04$abc", Status: identity.Active, LoginCount: 3,
		Attributes: map[string][]string{"mail": {"demo@example.com"}}, Retries: map[string]int{"n": 1},
		Failures: identity.Failures{Count: 1, Since: s.clock.Now()},
	}
	if err := s.PutIdentity(t.Context(), demo, true); err != nil {
		t.Fatal(err)
	}
	got, err := s.Identity(t.Context(), "/alpha", "DEMO")
	if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", demo) || got.Hash != demo.Hash {
		t.Errorf("identity = %#v, %v\nwant       %#v", got, err, demo)
	}
	if err := s.PutIdentity(t.Context(), identity.Identity{Realm: "/alpha", Name: "dEmO"}, true); !errors.Is(err, cts.ErrExists) {
		t.Errorf("a second one = %v", err)
	}
	if _, err := s.Identity(t.Context(), "/", "demo"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("in another realm = %v", err)
	}
	if err := s.PutIdentities(t.Context(), []identity.Identity{
		{Realm: "/alpha", Name: "bob"}, {Realm: "/alpha", Name: "Amy"}, {Realm: "/alpha/eu", Name: "carl"},
	}); err != nil {
		t.Fatal(err)
	}
	names := func(after string, limit int) (text string) {
		t.Helper()
		found, err := s.Identities(t.Context(), "/alpha", after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range found {
			text += i.Name + " "
		}
		return text
	}
	if got := names("", 10) + "| " + names("AMY", 1) + "| " + names("demo", 10); got != "Amy bob Demo | bob | " {
		t.Errorf("lists = %q", got)
	}
	if err := s.DeleteIdentity(t.Context(), "/alpha", "demo"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteIdentity(t.Context(), "/alpha", "demo"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("second delete = %v", err)
	}
	if _, err := s.SearchIdentity(t.Context(), "/alpha", "mail", "demo@example.com"); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("found by mail after delete: %v", err)
	}
}

func (s *suite) searches(t *testing.T) {
	for _, i := range []identity.Identity{
		{Realm: "/", Name: "amy", Attributes: map[string][]string{"mail": {"Amy@Example.com"}, "sn": {"Lee"}}},
		{Realm: "/", Name: "bob", Attributes: map[string][]string{"mail": {"bob@example.com", "team@example.com"}, "sn": {"Lee"}}},
		{Realm: "/", Name: "carl", Attributes: map[string][]string{"Mail": {"team@example.com"}, "employeeNumber": {"7"}}},
		{Realm: "/alpha", Name: "amy", Attributes: map[string][]string{"mail": {"amy@example.com"}}},
	} {
		if err := s.PutIdentity(t.Context(), i, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		attribute, value, want string
		err                    error
	}{
		{"mail", "amy@example.COM", "amy", nil},
		{"mail", "bob@example.com", "bob", nil},
		{"mail", "team@example.com", "", identity.ErrAmbiguous},
		{"mail", "nobody@example.com", "", identity.ErrNotFound},
		{"mail", "bob@example", "", identity.ErrNotFound},
		{"userName", "CARL", "carl", nil},
		{"_id", "carl", "carl", nil},
		{"employeenumber", "7", "carl", nil},
		{"sn", "lee", "", identity.ErrAmbiguous},
		{"sn", "le", "", identity.ErrNotFound},
	} {
		got, err := s.SearchIdentity(t.Context(), "/", test.attribute, test.value)
		if got.Name != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s=%s: %q, %v; want %q, %v", test.attribute, test.value, got.Name, err, test.want, test.err)
		}
	}
	change := identity.SetAttributes{Attributes: map[string][]string{"mail": {"bob@example.com"}}}
	if _, err := s.UpdateIdentity(t.Context(), "/", "bob", change); err != nil {
		t.Fatal(err)
	}
	if got, err := s.SearchIdentity(t.Context(), "/", "mail", "team@example.com"); err != nil || got.Name != "carl" {
		t.Errorf("after bob has left the team: %q, %v", got.Name, err)
	}
}

func (s *suite) updates(t *testing.T) {
	if err := s.PutIdentity(t.Context(), identity.Identity{Realm: "/", Name: "demo"}, true); err != nil {
		t.Fatal(err)
	}
	const each = 25
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range each {
				if _, err := s.UpdateIdentity(t.Context(), "/", "Demo", identity.CountLogin{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if got, err := s.Identity(t.Context(), "/", "demo"); err != nil || got.LoginCount != 8*each {
		t.Errorf("counted %d of %d, %v", got.LoginCount, 8*each, err)
	}
	if _, err := s.UpdateIdentity(t.Context(), "/", "nobody", identity.CountLogin{}); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("update of nobody = %v", err)
	}
}

func (s *suite) documents(t *testing.T) {
	d := realm.Document{Kind: realm.KindTree, Realm: "/alpha", ID: "Login", Body: json.RawMessage(`{"a":1}`)}
	first, created, err := s.PutDocument(t.Context(), d, realm.Precondition{})
	if err != nil || !created {
		t.Fatalf("PutDocument = %v, %v", created, err)
	}
	d.Body = json.RawMessage(`{"a":2}`)
	second, created, err := s.PutDocument(t.Context(), d, realm.Precondition{})
	a, errA := strconv.ParseUint(first.Rev, 10, 64)
	b, errB := strconv.ParseUint(second.Rev, 10, 64)
	if err != nil || created || errA != nil || errB != nil || b <= a {
		t.Errorf("revisions %q, %q: %v, %v", first.Rev, second.Rev, created, err)
	}
	got, err := s.Document(t.Context(), realm.KindTree, "/alpha", "Login")
	if err != nil || got.Rev != second.Rev || string(got.Body) != `{"a":2}` {
		t.Errorf("Document = %+v, %v", got, err)
	}
	for _, other := range []realm.Document{
		{Kind: realm.KindTree, Realm: "/alpha", ID: "Another"},
		{Kind: realm.KindNode, Realm: "/alpha", ID: "x"},
		{Kind: realm.KindTree, Realm: "/alpha/eu", ID: "x"},
	} {
		if _, _, err := s.PutDocument(t.Context(), other, realm.Precondition{}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Documents(t.Context(), realm.KindTree, "/alpha")
	if err != nil || len(all) != 2 || all[0].ID != "Another" || all[1].ID != "Login" {
		t.Errorf("Documents = %+v, %v", all, err)
	}
	if was, err := s.DeleteDocument(t.Context(), realm.KindTree, "/alpha", "Login", realm.Precondition{}); err != nil || was.Rev != second.Rev {
		t.Errorf("DeleteDocument = %+v, %v", was, err)
	}
	if _, err := s.Document(t.Context(), realm.KindTree, "/alpha", "Login"); !errors.Is(err, realm.ErrNoDocument) {
		t.Errorf("after delete: %v", err)
	}
	again, created, err := s.PutDocument(t.Context(), d, realm.Precondition{})
	c, errC := strconv.ParseUint(again.Rev, 10, 64)
	if err != nil || !created || errC != nil || c <= b {
		t.Errorf("put back: revision %q after %q, %v, %v", again.Rev, second.Rev, created, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want := []string{
		"tree/alpha", "tree/alpha", "tree/alpha", "node/alpha", "tree/alpha/eu", "tree/alpha", "tree/alpha",
	}
	if !slices.Equal(s.changed, want) {
		t.Errorf("changes told = %v, want %v", s.changed, want)
	}
}

func (s *suite) preconditions(t *testing.T) {
	d := realm.Document{Kind: realm.KindSettings, Realm: "/", ID: "session", Body: json.RawMessage(`{}`)}
	put := func(p realm.Precondition) (realm.Document, error) {
		stored, _, err := s.PutDocument(t.Context(), d, p)
		return stored, err
	}
	if _, err := put(realm.Precondition{IfMatch: "*"}); !errors.Is(err, realm.ErrConflict) {
		t.Errorf("any, of none = %v", err)
	}
	first, err := put(realm.Precondition{IfNoneMatch: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(realm.Precondition{IfNoneMatch: true}); !errors.Is(err, realm.ErrConflict) {
		t.Errorf("none, of one = %v", err)
	}
	second, err := put(realm.Precondition{IfMatch: first.Rev})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(realm.Precondition{IfMatch: first.Rev}); !errors.Is(err, realm.ErrConflict) {
		t.Errorf("an old revision = %v", err)
	}
	stale := realm.Precondition{IfMatch: first.Rev}
	if _, err := s.DeleteDocument(t.Context(), d.Kind, d.Realm, d.ID, stale); !errors.Is(err, realm.ErrConflict) {
		t.Errorf("delete of an old revision = %v", err)
	}
	if _, err := s.DeleteDocument(t.Context(), d.Kind, d.Realm, d.ID, realm.Precondition{IfMatch: second.Rev}); err != nil {
		t.Error(err)
	}
	if _, err := s.DeleteDocument(t.Context(), d.Kind, d.Realm, d.ID, realm.Precondition{}); !errors.Is(err, realm.ErrNoDocument) {
		t.Errorf("delete of none = %v", err)
	}
	// Of many writers with one revision in hand, one wins.
	base, err := put(realm.Precondition{})
	if err != nil {
		t.Fatal(err)
	}
	var wins atomic.Int32
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			switch _, err := put(realm.Precondition{IfMatch: base.Rev}); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, realm.ErrConflict):
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d writers won", wins.Load())
	}
}
