package actors

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// TestFrozenOwnerIsAskedLast: the first request may be lost in a member that
// stands still; once that owes a sign of life, none is, however short their
// time, and however long it stands still. When it answers again it is asked
// first again.
func TestFrozenOwnerIsAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		defer c.close()
		waiting := []journey.Reply{c.kept(), c.kept(), c.kept()}
		other := c.members[1]
		quiet := func(m placement.MemberID) {
			c.net.mu.Lock()
			c.net.silent = m
			c.net.mu.Unlock()
		}
		c.net.inject(func(_, to placement.MemberID) fault {
			if to == "member-0" {
				return fault{kind: frozen}
			}
			return fault{}
		})
		quiet("member-0")
		for i, reply := range waiting {
			ctx, end := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, err := other.Resume(ctx, resumeWith(reply.Ref, "secret")); err != nil {
				t.Fatalf("request %d, of 100 ms: %v", i, err)
			}
			end()
			quiet("") // the link has given it up: only the probes tell
			time.Sleep(10 * time.Second)
		}
		c.net.inject(nil)
		time.Sleep(2*maxProbe + probeTime)
		if !other.suspects.none() {
			t.Error("a member that answers is suspected")
		}
	})
}
