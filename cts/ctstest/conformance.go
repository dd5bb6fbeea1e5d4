package ctstest

import (
	"context"
	"encoding/binary"
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
	"sojourn/cts/token"
)

// Store is what both stores can do.
type Store interface {
	Ready() error
	Applied() uint64
	Session(ctx context.Context, id session.ID, index uint64) (session.Session, error)
	Create(ctx context.Context, c session.Creation) (session.Made, error)
	Delete(ctx context.Context, reason session.Reason, ids ...session.ID) ([]bool, error)
	SetProperties(ctx context.Context, id session.ID, changes map[string]string) (session.Session, error)
	Touch(id session.ID, now time.Time)
	SessionsOf(ctx context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error)
	AllOf(ctx context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error)
	Sessions(ctx context.Context, r realm.Name, after session.ID, limit int) ([]session.Session, error)
	Deny(ctx context.Context, reason session.Reason, all ...session.Denial) error
	DenyUser(ctx context.Context, r realm.Name, username string, before, until time.Time) error
	Denied(ctx context.Context, x session.Session) (bool, error)
	Token(ctx context.Context, k token.Kind, id token.ID, index uint64) (token.Token, error)
	PutToken(ctx context.Context, p token.Put) (token.Token, bool, error)
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
		"quota":                            (*suite).quotas,
		"quota, asked for again":           (*suite).quotaAgain,
		"quota, many at once":              (*suite).quotaRace,
		"touch":                            (*suite).touches,
		"properties":                       (*suite).properties,
		"listing sessions":                 (*suite).lists,
		"identities":                       (*suite).identities,
		"searching identities":             (*suite).searches,
		"updates are not lost":             (*suite).updates,
		"changes under a key":              (*suite).changesOnce,
		"denials":                          (*suite).denials,
		"denials of a user's":              (*suite).userDenials,
		"tokens":                           (*suite).tokens,
		"one winner per token":             (*suite).winners,
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
	made, err := s.Create(t.Context(), session.Creation{Session: want})
	if err != nil || made.Existed || made.Index == 0 || made.Index > s.Applied() || made.Session.ID != want.ID {
		t.Fatalf("Create = %+v, %v", made, err)
	}
	return made.Session
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
	made, err := s.Create(t.Context(), session.Creation{Session: again})
	if err != nil || !made.Existed || made.Index == 0 || made.Session.AuthLevel != first.AuthLevel {
		t.Errorf("again = %+v, %v", made, err)
	}
	if _, err := s.Delete(t.Context(), session.Logout, first.ID); err != nil {
		t.Fatal(err)
	}
	if made, err := s.Create(t.Context(), session.Creation{Session: again}); !made.Existed || !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after logout = %v, %v", made.Existed, err)
	}
	s.gone(t, first.ID)
}

func (s *suite) deletes(t *testing.T) {
	a, b := s.create(t, 1), s.create(t, 2)
	existed, err := s.Delete(t.Context(), session.Logout, a.ID, session.ID{0xff}, b.ID)
	if err != nil || !slices.Equal(existed, []bool{true, false, true}) {
		t.Errorf("Delete = %v, %v", existed, err)
	}
	s.gone(t, a.ID)
	s.gone(t, b.ID)
	if existed, err = s.Delete(t.Context(), session.Logout, a.ID); err != nil || !slices.Equal(existed, []bool{false}) {
		t.Errorf("second Delete = %v, %v", existed, err)
	}
}

func (s *suite) replaces(t *testing.T) {
	old := s.create(t, 1)
	if _, err := s.Create(t.Context(), session.Creation{Session: Session(2, s.clock.Now()), Replaces: &old}); err != nil {
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
	if _, err := s.Create(t.Context(), session.Creation{Session: other}); err != nil {
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
		{"of a user", ids(s.SessionsOf(t.Context(), "/alpha", "USER1", session.ID{}, 10)), "2 5 8 "},
		{"limited", ids(s.SessionsOf(t.Context(), "/alpha", "user1", session.ID{}, 2)), "2 5 "},
		{"a page of a user", ids(s.SessionsOf(t.Context(), "/alpha", "user1", Session(1, s.clock.Now()).ID, 2)), "5 8 "},
		{"other realm", ids(s.SessionsOf(t.Context(), "/beta", "user1", session.ID{}, 10)), "101 "},
		{"nobody", ids(s.SessionsOf(t.Context(), "/alpha", "user", session.ID{}, 10)), ""},
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
	all := ids(s.AllOf(t.Context(), "/alpha", "USER1", session.ID{}, 2)) + "; " +
		ids(s.AllOf(t.Context(), "/alpha", "user1", Session(4, s.clock.Now()).ID, 10))
	if of := ids(s.SessionsOf(t.Context(), "/alpha", "user1", session.ID{}, 10)); of != "" || all != "2 5 ; 8 " {
		t.Errorf("of a user are listed %q, and to be ended %q", of, all)
	}
}
