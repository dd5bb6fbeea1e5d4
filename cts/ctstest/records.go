package ctstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts"
)

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

// A change under a key is made once, whoever asks again, and is told what it
// left the first time.
func (s *suite) changesOnce(t *testing.T) {
	if err := s.PutIdentity(t.Context(), identity.Identity{Realm: "/", Name: "demo"}, true); err != nil {
		t.Fatal(err)
	}
	until := s.clock.Now().Add(time.Minute)
	once := func(key byte, c identity.Change) identity.Identity {
		t.Helper()
		now, err := s.UpdateIdentity(t.Context(), "/", "Demo", identity.Once{Key: identity.Mark{key}, Until: until, Change: c})
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for key := range byte(5) {
				_, err := s.UpdateIdentity(t.Context(), "/", "demo",
					identity.Once{Key: identity.Mark{100, key}, Until: until, Change: identity.CountLogin{}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	askers.Wait()
	if now := once(1, identity.CountLogin{}); now.LoginCount != 6 {
		t.Errorf("6 logins, told 8 times each, came to %d", now.LoginCount)
	}
	retry := identity.CountRetry{Node: "n", Limit: 2}
	for i, want := range []int{1, 2, 0, 1} {
		if got := once(10+byte(i), retry).Retries["n"]; got != want {
			t.Errorf("pass %d left %d, want %d", i, got, want)
		}
	}
	for i, want := range []int{1, 2, 0, 1} {
		if got := once(10+byte(i), retry).Retries["n"]; got != want {
			t.Errorf("pass %d, asked again, left %d, want %d", i, got, want)
		}
	}
	lockout := realm.Lockout{Enabled: true, Failures: 2, Duration: time.Hour, Multiplier: 1}
	failure := identity.CountFailure{At: s.clock.Now(), Policy: lockout}
	first := once(20, failure)
	locked := once(21, failure)
	if first.Failures.Count != 1 || !locked.Locked(failure.At) {
		t.Errorf("failures = %+v, then %+v", first.Failures, locked.Failures)
	}
	if again := once(20, failure); again.Locked(failure.At) || again.Failures != first.Failures {
		t.Errorf("the first failure, asked again, left %+v", again.Failures)
	}
	once(30, identity.SetAttributes{Attributes: map[string][]string{"sn": {"Lee"}}})
	if now := once(30, identity.SetAttributes{}); now.Attributes["sn"] == nil {
		t.Errorf("attributes = %v", now.Attributes)
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
