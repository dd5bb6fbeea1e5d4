package actors

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
)

// TestDraining: the journeys of a member that leaves go on at others, and it
// takes no new ones.
func TestDraining(t *testing.T) {
	c := newCluster(t, 3)
	waiting := c.kept()
	answered := c.members[0].start(t, "Login")
	first, err := c.members[0].answer(t, answered.Ref, "demo", "secret")
	if err != nil {
		t.Fatal(err)
	}
	c.see("member-0-", "member-1", "member-2")

	before := c.net.total()
	third, err := c.members[1].answer(t, waiting.Ref, "secret")
	if err != nil {
		t.Fatalf("a journey of a draining member: %v", err)
	}
	if hops := c.net.total() - before; hops > 1 {
		t.Errorf("%d hops to a journey of a draining member", hops)
	}
	if _, err := c.members[0].answer(t, third.Ref, "yes"); err != nil {
		t.Errorf("at the draining member itself: %v", err)
	}
	again, err := c.members[2].answer(t, answered.Ref, "demo", "secret")
	if err != nil || again.Token != first.Token {
		t.Errorf("a repeated first answer: %v", err)
	}
	if n := len(c.sessions.byJourney); n != 2 {
		t.Errorf("%d sessions, want one for each journey", n)
	}

	long := journey.StartRequest{Realm: realm.Root, Tree: "Login", Request: node.Request{
		Headers:    map[string][]string{"X-Y": {"z"}},
		Parameters: map[string][]string{"x": {strings.Repeat("long", maxTrace)}},
	}}
	name, password := "demo", identity.Secret("secret")
	had := c.members[0].Metrics().Waiting
	for range 10 {
		traceless := c.members[0].start(t, "Steps")
		kept, err := c.members[0].Start(t.Context(), long)
		if err != nil || kept.Ask == nil {
			t.Fatalf("a start at a draining member: %+v, %v", kept, err)
		}
		for _, id := range []journey.ID{traceless.Ref.Journey, kept.Ref.Journey} {
			if c.at(id) == 0 {
				t.Error("a draining member began a journey of its own")
			}
		}
		if _, err := c.members[0].answer(t, traceless.Ref, "demo"); err != nil {
			t.Error(err)
		}
		if done, err := c.members[1].answer(t, kept.Ref, "demo", "secret"); err != nil || !done.Done.Success {
			t.Errorf("the end of a journey begun at a draining member: %v", err)
		}
		zero := long
		zero.Username, zero.Password = &name, &password
		if done, err := c.members[0].Start(t.Context(), zero); err != nil || done.Done == nil || !done.Done.Success {
			t.Errorf("zero-page login at a draining member: %+v, %v", done, err)
		}
	}
	if n := c.members[0].Metrics().Waiting; n > had {
		t.Errorf("%d journeys wait at the draining member, %d before it began to leave", n, had)
	}
	c.see("member-0-", "member-1-", "member-2-")
	if reply := c.members[0].start(t, "Login"); c.views[0].Load().Len() != 3 || reply.Ref.Journey == (journey.ID{}) {
		t.Error("no start when all members leave")
	}
}

// TestStartAtAMemberThatStarts: one that is not ready yet owns nothing, so what
// begins there is another's.
func TestStartAtAMemberThatStarts(t *testing.T) {
	c := newCluster(t, 3)
	c.see("member-0+", "member-1", "member-2-")
	if reply := c.members[0].start(t, "Steps"); c.at(reply.Ref.Journey) != 1 {
		t.Errorf("a member that starts minted a journey for member %d", c.at(reply.Ref.Journey))
	}
	c.see("member-0+", "member-1-", "member-2-")
	c.members[0].start(t, "Steps") // whoever owns it, it begins
}

// TestStartAtAMemberThatLeaves: the first member by rank that can be reached
// takes the journey; if it is not known whether one did, the client is told so.
func TestStartAtAMemberThatLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		defer c.close()
		c.see("member-0-", "member-1", "member-2", "member-3")
		long := journey.StartRequest{Realm: realm.Root, Tree: "Login", Request: node.Request{
			Parameters: map[string][]string{"x": {strings.Repeat("long", maxTrace)}},
		}}
		for kind, unknown := range map[faultKind]bool{refused: false, loseRequest: true, loseAnswer: true} {
			hits := 0
			for range 64 { // a third of them are that member's
				time.Sleep(2 * maxProbe) // until it is asked first again
				hit, calls := false, 0
				c.net.inject(func(_, to placement.MemberID) fault { // the start itself, no record of it
					if calls++; calls == 1 && to == "member-1" {
						hit = true
						return fault{kind: kind}
					}
					return fault{}
				})
				reply, err := c.members[0].Start(t.Context(), long)
				switch {
				case hit && unknown:
					if !wantUnavailable(t, err).Unknown {
						t.Errorf("fault %d: %v claims to know", kind, err)
					}
				case err != nil || reply.Ask == nil:
					t.Errorf("fault %d: %+v, %v", kind, reply, err)
				}
				hits += int(bit(hit))
			}
			if hits == 0 {
				t.Errorf("fault %d hit nothing", kind)
			}
		}
		c.net.inject(func(_, _ placement.MemberID) fault { return fault{kind: refused} })
		_, err := c.members[0].Start(t.Context(), long)
		wantUnavailable(t, err)
		c.see("member-0-")
		if reply, err := c.members[0].Start(t.Context(), long); err != nil || reply.Ask == nil {
			t.Errorf("a leaving member alone: %+v, %v", reply, err)
		}
	})
}
