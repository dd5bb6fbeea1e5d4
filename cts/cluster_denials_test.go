package cts

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sojourn/cts/session"
)

// A denial holds at every member when Deny returns, whatever happens to members,
// and nobody is denied who was not.
func TestDenialsUnderFaults(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			underFaults(t, seed, func(t *testing.T, c *cluster, stop <-chan struct{}) func() {
				var mu sync.Mutex
				var all []*denial
				var clients sync.WaitGroup
				for client := range uint64(6) {
					r := rand.New(rand.NewPCG(seed, client)) //nolint:gosec // a test's
					clients.Go(func() {
						c.each(r, stop, func(m *member, n uint64) {
							if r.IntN(4) == 0 {
								d := newDenial(client*1_000_000+n, n%8 == 0)
								mu.Lock()
								all = append(all, d)
								mu.Unlock()
								d.deny(t, m)
							}
							mu.Lock()
							known := all
							mu.Unlock()
							if len(known) > 0 {
								known[max(0, len(known)-1-r.IntN(20))].read(t, m)
							}
							newDenial(client*1_000_000+n+500_000, false).read(t, m)
						})
					})
				}
				return func() {
					clients.Wait()
					final := 0
					for _, d := range all {
						for _, name := range c.names() {
							d.read(t, c.member(name))
						}
						if d.denied {
							final++
						}
					}
					if final < 50 {
						t.Errorf("too little was done: %d denials", final)
					}
				}
			})
		})
	}
}

// denial is a session that its holder keeps, and what clients were told of it.
type denial struct {
	session session.Session
	ofUser  bool // all of its user's are denied

	mu              sync.Mutex
	denying, denied bool // somebody has begun to deny it, and was told that it is
}

func newDenial(n uint64, ofUser bool) *denial {
	d := &denial{ofUser: ofUser, session: aSession(n, time.Now())}
	binary.BigEndian.PutUint64(d.session.ID[:], n*0x9E3779B97F4A7C15+1)
	d.session.Principal.Username = fmt.Sprint("denied", n)
	return d
}

func (d *denial) deny(t *testing.T, m *member) {
	d.mu.Lock()
	d.denying = true
	d.mu.Unlock()
	var err error
	until := d.session.MaxExpires()
	if d.ofUser {
		who := d.session.Principal
		err = m.DenyUser(t.Context(), who.Realm, who.Username, d.session.Created.Add(time.Second), until)
	} else {
		err = m.Deny(t.Context(), session.Logout, session.Denial{ID: d.session.ID, Until: until})
	}
	if err != nil {
		if unavailableReason(err) == "" {
			t.Errorf("deny: %v", err)
		}
		return
	}
	d.mu.Lock()
	d.denied = true
	d.mu.Unlock()
}

func (d *denial) read(t *testing.T, m *member) {
	d.mu.Lock()
	before := d.denied
	d.mu.Unlock()
	got, err := m.Denied(t.Context(), d.session)
	d.mu.Lock()
	after := d.denying
	d.mu.Unlock()
	switch {
	case err != nil && unavailableReason(err) == "":
		t.Errorf("denied: %v", err)
	case err == nil && before && !got:
		t.Errorf("%v: %s calls session %v valid that is denied (with all of its user: %v)", time.Now(), m.config.Name, d.session.ID, d.ofUser)
	case err == nil && !after && got:
		t.Errorf("%v: %s calls session %v denied", time.Now(), m.config.Name, d.session.ID)
	}
}

// One that was away, and is brought up to date by a snapshot, knows what is
// denied.
func TestDenialsInASnapshot(t *testing.T) {
	inCluster(t, 3, "", func(t *testing.T, c *cluster) {
		c.change = func(config *Config) { config.segment = 16 << 10 }
		for _, name := range []string{"a", "b", "c"} {
			c.start(name)
		}
		c.formed(3)
		name, leader := c.leader()
		away := c.others(name)[0]
		over := newDenial(3, false)
		over.deny(t, leader)
		c.stop(away)
		one, all := newDenial(1, false), newDenial(2, true)
		one.deny(t, leader)
		all.deny(t, leader)
		for n := range uint64(400) {
			login(t, leader, n)
		}
		reload := leader.raft.ReloadableConfig()
		reload.TrailingLogs = 10
		if err := leader.raft.ReloadConfig(reload); err != nil {
			t.Fatal(err)
		}
		if err := leader.takeCheckpoint(); err != nil {
			t.Fatal(err)
		}
		back := c.start(away)
		c.until("the store to be sent", func() bool { return back.points.Last().Installed && back.Ready() == nil })
		for _, d := range []*denial{one, all, over} {
			d.read(t, back)
		}
		if n := back.denials.Load(); n.Len() != 2 || n.Users() != 1 {
			t.Errorf("%d sessions and %d users are denied", n.Len(), n.Users())
		}
	})
}
