package cts

import (
	"context"
	"testing"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Follower runs a test on a member that does not lead, in a cluster of three. It
// is this member that tells told of documents.
func Follower(t *testing.T, change func(*Config), told func(realm.DocumentKind, realm.Name), test func(*testing.T, *Store)) {
	t.Helper()
	inCluster(t, 3, "", func(t *testing.T, all *cluster) {
		var follower string
		all.change = func(config *Config) {
			change(config)
			name := config.Name
			config.OnDocument = func(kind realm.DocumentKind, r realm.Name) {
				if name == follower {
					told(kind, r)
				}
			}
		}
		for _, name := range []string{"a", "b", "c"} {
			all.start(name)
		}
		all.formed(3)
		name, _ := all.leader()
		follower = all.others(name)[0]
		test(t, all.member(follower).Store)
	})
}

// Patient is a store whose Create returns when this member has applied it, for
// readers that do not have the index of a token.
type Patient struct{ *Store }

// Create is as in Store.
func (p Patient) Create(ctx context.Context, c session.Creation) (session.Made, error) {
	made, err := p.Store.Create(ctx, c)
	if err == nil {
		err = p.fsm.Wait(ctx, made.Index)
	}
	return made, err
}
