package ctstest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// within is a creation of the n-th of a family of sessions, all of one user.
func (s *suite) within(n uint64, limit int, action realm.QuotaAction) session.Creation {
	x := Session(n, s.clock.Now())
	x.Principal.Username = "One"
	return session.Creation{Session: x, Quota: realm.Quota{Limit: limit, Action: action}}
}

// live are the numbers of the user's live sessions.
func (s *suite) live(t *testing.T) string {
	t.Helper()
	found, err := s.SessionsOf(t.Context(), "/alpha", "one", session.ID{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, x := range found {
		numbers = append(numbers, int(x.ID[15]))
	}
	return fmt.Sprint(numbers)
}

func (s *suite) quotas(t *testing.T) {
	for n := range uint64(3) { // 1, 2 and 3; the third ends first
		c := s.within(n, 3, realm.DenyAccess)
		c.Session.Policy.MaxIdle -= time.Duration(n) * 3 * time.Minute
		if _, err := s.Create(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(time.Minute)
	}
	if _, err := s.Create(t.Context(), s.within(9, 3, realm.DenyAccess)); !errors.Is(err, session.ErrQuota) || err.Error() != session.ErrQuota.Error() {
		t.Errorf("one too many = %v", err)
	}
	if got := s.live(t); got != "[1 2 3]" {
		t.Errorf("after a denial %s live", got)
	}
	create := func(c session.Creation, want string, ended ...int) {
		t.Helper()
		s.clock.Advance(time.Minute)
		made, err := s.Create(t.Context(), c)
		var got []int
		for _, x := range made.Ended {
			got = append(got, int(x.ID[15]))
		}
		if err != nil || made.Existed || fmt.Sprint(got) != fmt.Sprint(ended) {
			t.Fatalf("Create = ended %v, %v; want %v", got, err, ended)
		}
		if live := s.live(t); live != want {
			t.Errorf("%s live, want %s", live, want)
		}
	}
	create(s.within(3, 3, realm.DestroyNextExpiring), "[1 2 4]", 3)
	create(s.within(4, 3, realm.DestroyOldest), "[2 4 5]", 1)
	create(s.within(5, 4, realm.DestroyAllOld), "[2 4 5 6]")
	replacing := s.within(6, 4, realm.DenyAccess)
	replacing.Replaces = &session.Session{ID: session.ID{15: 4}}
	create(replacing, "[2 5 6 7]")
	kept := s.within(7, 5, realm.DenyAccess)
	kept.Replaces, kept.Keeps = replacing.Replaces, true
	create(kept, "[2 5 6 7 8]")
	other := s.within(8, 1, realm.DenyAccess)
	other.Session.Principal.Username = "Other"
	create(other, "[2 5 6 7 8]")
	create(s.within(10, 3, realm.DestroyOldest), "[7 8 11]", 2, 5, 6) // the limit was lowered
	create(s.within(11, 2, realm.DestroyAllOld), "[12]", 7, 8, 11)
	s.clock.Advance(30 * time.Minute)
	create(s.within(12, 1, realm.DenyAccess), "[13]", 12) // it has ended by itself
}

// A Create that is asked for again ends nothing, and one whose session has ended
// makes none.
func (s *suite) quotaAgain(t *testing.T) {
	first := s.within(1, 2, realm.DestroyOldest)
	for _, c := range []session.Creation{first, s.within(2, 2, realm.DestroyOldest), s.within(3, 2, realm.DestroyOldest)} {
		if _, err := s.Create(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(time.Second)
	}
	for _, n := range []uint64{2, 3} {
		made, err := s.Create(t.Context(), s.within(n, 2, realm.DestroyOldest))
		if err != nil || !made.Existed || len(made.Ended) > 0 {
			t.Errorf("again = %+v, %v", made, err)
		}
	}
	if made, err := s.Create(t.Context(), first); !made.Existed || !errors.Is(err, session.ErrNotFound) {
		t.Errorf("again, after it was ended = %+v, %v", made, err)
	}
	if got := s.live(t); got != "[3 4]" {
		t.Errorf("%s live", got)
	}
}

// Of many at once no more are made than the quota allows.
func (s *suite) quotaRace(t *testing.T) {
	const limit = 5
	for _, action := range []realm.QuotaAction{realm.DenyAccess, realm.DestroyOldest} {
		var made, denied int
		var mu sync.Mutex
		var clients sync.WaitGroup
		for n := range uint64(40) {
			clients.Go(func() {
				_, err := s.Create(t.Context(), s.within(uint64(action)*100+n, limit, action))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					made++
				case errors.Is(err, session.ErrQuota):
					denied++
				default:
					t.Error(err)
				}
			})
		}
		clients.Wait()
		found, err := s.SessionsOf(t.Context(), "/alpha", "one", session.ID{}, 100)
		if err != nil || len(found) != limit {
			t.Errorf("action %d: %d sessions live, %v; want %d", action, len(found), err, limit)
		}
		if action == realm.DenyAccess && made != limit || action == realm.DestroyOldest && made != 40 {
			t.Errorf("action %d: %d made, %d denied", action, made, denied)
		}
	}
}
