package actors

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// deniesAccess has quotas deny sessions.
func (m *testMember) deniesAccess() {
	m.docs.put(realm.KindSettings, "session", `{"quotas":{"iplanet-am-session-enable-session-constraint":"ON",
		"behaviourWhenQuotaExhausted":"org.forgerock.openam.session.service.DenyAccessAction"}}`)
	m.catalog.Invalidate(realm.KindSettings, realm.Root)
}

// TestDeniedOnce: whether there is room for a session differs from one member's
// try to the next one's. All the same a step has one answer, and a login that was
// denied leaves no session.
func TestDeniedOnce(t *testing.T) {
	overStores(t, func(t *testing.T, in where) {
		both := map[bool]int{}
		for seed := range uint64(60) {
			synctest.Test(t, func(t *testing.T) {
				c := in.cluster(t, 3)
				defer c.close()
				c.members[0].deniesAccess()
				first := c.members[0].start(t, "Login")
				c.sessions.full.Store(1)
				c.tokens.random(seed, 0, 20*time.Millisecond)
				c.net.random(seed, 0.3, 20*time.Millisecond, refused, loseRequest, loseAnswer, twice)
				replies := make(chan journey.Reply, 2)
				for i := range 2 {
					go func() {
						reply, err := c.members[i].answer(t, first.Ref, "demo", "secret")
						if err != nil {
							reply = journey.Reply{}
						}
						replies <- reply
					}()
				}
				a, b := <-replies, <-replies
				if a.Done != nil && b.Done != nil && a.Done.Success != b.Done.Success {
					t.Errorf("seed %d: answered %v and %v", seed, a.Done, b.Done)
				}
				c.tokens.inject(nil)
				c.net.inject(nil)
				again, err := c.members[2].answer(t, first.Ref, "demo", "secret")
				if err != nil {
					return
				}
				for _, x := range []journey.Reply{a, b} {
					if x.Done != nil && x.Done.Success != again.Done.Success {
						t.Errorf("seed %d: answered %v, then %v", seed, x.Done, again.Done)
					}
				}
				both[again.Done.Success]++
				if n := len(c.sessions.byJourney); n != int(bit(again.Done.Success)) {
					t.Errorf("seed %d: success is %v, and there are %d sessions", seed, again.Done.Success, n)
				}
			})
		}
		if both[false] == 0 {
			t.Error("no login was denied")
		}
		t.Logf("%d logins, %d denied", both[true], both[false])
	})
}

// TestStrangerAfterChoice: answers of which the session may have been made are not
// made a failure by whoever repeats them with another user's session.
func TestStrangerAfterChoice(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c := in.cluster(t, 3)
		defer c.close()
		waiting := c.kept()
		third, err := c.members[0].answer(t, waiting.Ref, "secret")
		if err != nil {
			t.Fatal(err)
		}
		c.sessions.err.Store(&session.UnavailableError{Reason: "away", RetryAfter: time.Second, Unknown: true})
		_, err = c.members[0].answer(t, third.Ref, "yes")
		wantUnavailable(t, err)
		c.sessions.err.Store(nil)
		r := resumeWith(third.Ref, "yes")
		r.Session = &session.Session{ID: session.ID{9}, Principal: session.Principal{Realm: realm.Root, Username: "else", UniversalID: "id=else,ou=user,ou=am-config"}}
		if _, err := c.members[1].Resume(t.Context(), r); !errors.Is(err, journey.ErrOtherUser) {
			t.Errorf("as another user: %v", err)
		}
		if done, err := c.members[2].answer(t, third.Ref, "yes"); err != nil || !done.Done.Success {
			t.Errorf("the same answers again: %+v, %v", done.Done, err)
		}
	})
}
