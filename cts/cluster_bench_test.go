package cts

import (
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/cts/session"
)

// BenchmarkCluster measures writes one by one, in three members of one process
// that share its disk, over a network in memory that dials for each call.
func BenchmarkCluster(b *testing.B) {
	c := newCluster(b, 0, 3, "abc")
	defer c.closeAll()
	c.formed(3)
	name, leader := c.leader()
	follower := c.member(c.others(name)[0])
	if err := leader.PutIdentity(b.Context(), identity.Identity{Realm: "/", Name: "u"}, true); err != nil {
		b.Fatal(err)
	}
	n := uint64(0)
	create := func(m *member) (session.ID, error) {
		n++
		made, err := m.Create(b.Context(), session.Creation{Session: aSession(n, time.Now())})
		return made.Session.ID, err
	}
	for who, m := range map[string]*member{"leader": leader, "follower": follower} {
		for what, op := range map[string]func() error{
			"create": func() error {
				_, err := create(m)
				return err
			},
			"create and delete": func() error {
				id, err := create(m)
				if err == nil {
					_, err = m.Delete(b.Context(), session.Logout, id)
				}
				return err
			},
			"update identity": func() error {
				_, err := m.UpdateIdentity(b.Context(), "/", "u", identity.CountLogin{})
				return err
			},
		} {
			b.Run(what+" at the "+who, func(b *testing.B) {
				for b.Loop() {
					if err := op(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
