package cts

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// within is a creation of the n-th session of a user.
func within(n uint64, user string, limit int, action realm.QuotaAction) session.Creation {
	x := aSession(n, time.Now())
	x.Principal.Username = user
	return session.Creation{Session: x, Quota: realm.Quota{Limit: limit, Action: action}}
}

// Five hundred logins of one user at once, at five members: never more live
// sessions than the quota, whoever is asked, and not fewer in the end.
func TestQuotaIsExact(t *testing.T) {
	for action, name := range map[realm.QuotaAction]string{
		realm.DestroyNextExpiring: "next expiring", realm.DestroyOldest: "oldest", realm.DestroyAllOld: "all old", realm.DenyAccess: "deny",
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 5, "abcde", func(t *testing.T, c *cluster) { c.exactQuota(t, action) })
		})
	}
}

func (c *cluster) exactQuota(t *testing.T, action realm.QuotaAction) {
	const limit, logins = 5, 500
	c.formed(5)
	names := c.names()
	var mu sync.Mutex
	var made []session.Made
	denied := 0
	var clients sync.WaitGroup
	for n := range uint64(logins) {
		clients.Go(func() {
			m, other := c.member(names[n%5]), c.member(names[(n+1)%5])
			one, err := m.Create(t.Context(), within(n, "demo", limit, action))
			mu.Lock()
			switch {
			case err == nil:
				made = append(made, one)
			case errors.Is(err, session.ErrQuota):
				denied++
			default:
				t.Errorf("login %d: %v", n, err)
			}
			mu.Unlock()
			for _, x := range one.Ended {
				if _, err := other.Session(t.Context(), x.ID, 0); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("a session that was ended to make room is read as %v", err)
				}
			}
			if found, err := other.SessionsOf(t.Context(), "/alpha", "demo", session.ID{}, logins); err != nil || len(found) > limit {
				t.Errorf("%d sessions live, %v", len(found), err)
			}
		})
	}
	clients.Wait()
	if len(made)+denied != logins || action == realm.DenyAccess && denied != logins-limit || action != realm.DenyAccess && denied != 0 {
		t.Errorf("%d made, %d denied", len(made), denied)
	}
	for _, name := range names {
		live := 0
		for _, one := range made {
			_, err := c.member(name).Session(t.Context(), one.Session.ID, one.Index)
			switch {
			case err == nil:
				live++
			case !errors.Is(err, session.ErrNotFound):
				t.Error(err)
			}
		}
		if action == realm.DestroyAllOld && (live < 1 || live > limit) || action != realm.DestroyAllOld && live != limit {
			t.Errorf("%d sessions live at %s", live, name)
		}
	}
}

// So it is while members come and go and leaders change. A login whose answer
// was lost ends others once, and what a login has ended is valid nowhere.
func TestQuotaUnderFaults(t *testing.T) {
	const limit = 3
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			underFaults(t, seed, func(t *testing.T, c *cluster, stop <-chan struct{}) func() {
				var clients sync.WaitGroup
				var mu sync.Mutex
				logins, refused := 0, 0
				for client := range uint64(6) {
					r := rand.New(rand.NewPCG(seed, client)) //nolint:gosec // a test's
					user := fmt.Sprint("user", client%2)
					clients.Go(func() {
						c.each(r, stop, func(m *member, n uint64) {
							made, err := m.Create(t.Context(), within(client*1_000_000+n, user, limit, realm.DestroyOldest))
							mu.Lock()
							logins++
							if err != nil {
								refused++
							}
							mu.Unlock()
							if err != nil && unavailableReason(err) == "" && !errors.Is(err, session.ErrNotFound) {
								t.Errorf("login: %v", err)
							}
							c.atMost(t, r, user, limit, made.Ended)
						})
					})
				}
				return func() {
					clients.Wait()
					for _, user := range []string{"user0", "user1"} {
						for range 10 {
							c.atMost(t, rand.New(rand.NewPCG(seed, 1)), user, limit, nil) //nolint:gosec // a test's
						}
					}
					if logins-refused < 100 {
						t.Errorf("too little was done: %d logins, %d refused", logins, refused)
					}
				}
			})
		})
	}
}

// atMost asks a member how many sessions a user has, and for some that have
// ended.
func (c *cluster) atMost(t *testing.T, r *rand.Rand, user string, limit int, ended []session.Session) {
	m := c.member([]string{"a", "b", "c"}[r.IntN(3)])
	if m == nil {
		return
	}
	found, err := m.SessionsOf(t.Context(), "/alpha", user, session.ID{}, 100)
	if err == nil && len(found) > limit {
		t.Errorf("%v: %s has %d live sessions of %s", time.Now(), m.config.Name, len(found), user)
	}
	for _, x := range ended {
		if _, err := m.Session(t.Context(), x.ID, 0); err == nil {
			t.Errorf("%v: %s calls session %v valid that has ended", time.Now(), m.config.Name, x.ID)
		}
	}
}

// underFaults runs clients, which begin starts and the function that it returns
// waits for, on three members that suffer, until all is well again.
func underFaults(t *testing.T, seed uint64, begin func(t *testing.T, c *cluster, stop <-chan struct{}) (wait func())) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		stop := make(chan struct{})
		wait := begin(t, c, stop)
		c.suffer(rand.New(rand.NewPCG(seed, 99))) //nolint:gosec // a test's
		c.recover(t)
		close(stop)
		wait()
	})
}

// each calls do with a member, again and again until stop.
func (c *cluster) each(r *rand.Rand, stop <-chan struct{}, do func(m *member, n uint64)) {
	for n := uint64(0); ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
		if m := c.member([]string{"a", "b", "c"}[r.IntN(3)]); m != nil {
			do(m, n)
		}
	}
}

// When a limit is lowered far, more sessions end than one command takes.
func TestQuotaOfFarFewer(t *testing.T) {
	s := openStore(t, testConfig(t, t.TempDir()))
	const before = 2*500 + 20
	var clients sync.WaitGroup
	for w := range uint64(32) {
		clients.Go(func() {
			for n := w; n < before; n += 32 {
				if _, err := s.Create(t.Context(), within(n, "demo", 0, 0)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	made, err := s.Create(t.Context(), within(before, "demo", 5, realm.DestroyOldest))
	if err != nil || len(made.Ended) == 0 {
		t.Errorf("Create = %d ended, %v", len(made.Ended), err)
	}
	if found, err := s.SessionsOf(t.Context(), "/alpha", "demo", session.ID{}, before); err != nil || len(found) != 5 {
		t.Errorf("%d sessions live, %v", len(found), err)
	}
	keys(t, s)
}
