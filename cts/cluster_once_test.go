package cts

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/peer"
)

func changeOf(key int, until time.Time, c identity.Change) identity.Once {
	return identity.Once{Key: identity.Mark{byte(key >> 8), byte(key)}, Until: until, Change: c}
}

func (m *member) update(t *testing.T, c identity.Change) identity.Identity {
	t.Helper()
	now, err := m.UpdateIdentity(t.Context(), "/", "u", c)
	if err != nil {
		t.Fatalf("update: %v", err)
	}
	return now
}

// keys counts the changes that a member remembers.
func (m *member) keys(t *testing.T) (n int) {
	t.Helper()
	err := m.view(func(v fsm.View) error {
		return v.Keys(command.DuePrefix(), nil, func(key []byte) (bool, error) {
			if d, ok := command.ParseDue(key); ok && d.Kind == command.DueChange {
				n++
			}
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Changes are made once, though they are asked for until somebody answers, at
// members that are cut off, and of leaders that die. What is remembered goes
// when nobody can ask any more.
func TestChangesAreMadeOnce(t *testing.T) {
	inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
		c.formed(3)
		if err := c.member("a").PutIdentity(t.Context(), identity.Identity{Realm: "/", Name: "u"}, true); err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(5 * time.Minute)
		const writers, each = 8, 25
		var again atomic.Int64
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := range each {
					change := changeOf(w*each+i, until, identity.CountLogin{})
					for try := 0; ; try++ {
						time.Sleep(7 * time.Millisecond)
						names := c.names()
						m := c.member(names[(w+i+try)%len(names)])
						ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
						_, err := m.UpdateIdentity(ctx, "/", "u", change)
						cancel()
						if err == nil && try != 1 { // and once more though it was answered
							break
						}
						again.Add(1)
					}
				}
			})
		}
		for _, pause := range []time.Duration{30 * time.Millisecond, 2 * time.Second} {
			time.Sleep(pause)
			name, _ := c.leader()
			c.isolate(name)
			time.Sleep(3 * time.Second)
			c.heal()
		}
		name, _ := c.leader()
		c.kill(name)
		group.Wait()
		_, leader := c.leader()
		now := leader.update(t, changeOf(0, until, identity.CountLogin{}))
		if now.LoginCount != writers*each || leader.keys(t) != writers*each {
			t.Errorf("%d changes, asked for %d times more, came to %d, and %d keys",
				writers*each, again.Load(), now.LoginCount, leader.keys(t))
		}
		t.Logf("%d changes were asked for %d times more", writers*each, again.Load())
		c.start(name)
		c.formed(3)
		if back := c.member(name); back.keys(t) != writers*each {
			t.Errorf("the member that was away remembers %d", back.keys(t))
		}
		time.Sleep(7 * time.Minute)
		_, leader = c.leader()
		c.until("end of what is remembered", func() bool { return leader.keys(t) == 0 })
	})
}

// While a member of the release before applies the log, nothing is written that
// it does not know, and its leader is asked for nothing that it does not know.
func TestTheReleaseBefore(t *testing.T) {
	for _, leads := range []bool{false, true} {
		t.Run(fmt.Sprintf("leads=%t", leads), func(t *testing.T) {
			inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
				c.formed(3)
				name, leader := c.leader()
				old := c.others(name)[0]
				asked := c.member(c.others(name)[1])
				if leads {
					old = name
				}
				c.mu.Lock()
				c.old = map[string]int{old: remembers - 1}
				c.mu.Unlock()
				var strange atomic.Int64
				asked.network.mu.Lock()
				asked.network.lose = func(_ string, body []byte) bool {
					request, err := peer.DecodeRequest(body)
					if w, ok := request.(peer.Write); err == nil && ok {
						if u, ok := w.Operation.(peer.UpdateIdentity); ok {
							switch u.Change.(type) {
							case identity.Once, identity.CountRetry, identity.Reserve, identity.Settle:
								strange.Add(1)
							}
						}
					}
					return false
				}
				asked.network.mu.Unlock()
				if err := leader.PutIdentity(t.Context(), identity.Identity{Realm: "/", Name: "u"}, true); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // until all have looked
				until := time.Now().Add(time.Minute)
				policy := realm.Lockout{Enabled: true, Failures: 2}
				reserve := identity.Reserve{Journey: identity.Mark{1}, Run: 1, At: time.Now(), Policy: policy}
				for _, m := range []*member{leader, asked} {
					now := m.update(t, changeOf(1, until, reserve))
					if reserve.Permission(now) != identity.Granted {
						t.Errorf("no permit: %+v", now)
					}
					m.update(t, changeOf(1, until, identity.Settle{Journey: identity.Mark{1}, Run: 1, Verdict: identity.Wrong}))
					m.update(t, changeOf(2, until, identity.CountRetry{Node: "n", Limit: 2}))
				}
				if now := asked.update(t, changeOf(2, until, identity.CountRetry{Node: "n", Limit: 2})); now.Retries["n"] != 0 {
					t.Errorf("the third pass of two left %d", now.Retries["n"])
				}
				who, err := leader.Identity(t.Context(), "/", "u")
				if err != nil || who.Permits != nil || leader.keys(t) != 0 {
					t.Errorf("stored %+v and %d keys, %v", who, leader.keys(t), err)
				}
				if got := strange.Load(); leads == (got > 0) {
					t.Errorf("the leader was asked %d times for what only this release knows", got)
				}

				c.mu.Lock()
				c.old = nil // it runs this release now
				c.mu.Unlock()
				time.Sleep(time.Second)
				for range 2 {
					asked.update(t, changeOf(3, until, identity.CountLogin{}))
				}
				if now := asked.update(t, changeOf(4, until, reserve)); now.LoginCount != 1 || len(now.Permits) != 1 || leader.keys(t) != 1 {
					t.Errorf("after the upgrade: %+v and %d keys", now, leader.keys(t))
				}
			})
		})
	}
}
