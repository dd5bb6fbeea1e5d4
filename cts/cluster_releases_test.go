package cts

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// While a member of the release before, which ends sessions for no reason and
// knows neither quotas nor tokens nor denials, applies the log, none of these are
// written, and it is asked for none: not even in the instant in which it was
// first seen.
func TestTheReleaseWithoutDenials(t *testing.T) {
	for _, leads := range []bool{false, true} {
		t.Run(fmt.Sprintf("leads=%t", leads), func(t *testing.T) {
			inCluster(t, 3, "abc", func(t *testing.T, c *cluster) {
				c.formed(3)
				name, _ := c.leader()
				old := c.others(name)[0]
				asked := c.member(c.others(name)[1])
				if leads {
					old = name
				}
				c.mu.Lock()
				c.old = map[string]int{old: denies - 1}
				c.mu.Unlock()
				var strange atomic.Int64
				asked.network.mu.Lock()
				asked.network.lose = func(_ string, body []byte) bool {
					request, err := peer.DecodeRequest(body)
					if w, ok := request.(peer.Write); err == nil && ok && !plain(w.Operation) {
						strange.Add(1)
					}
					return false
				}
				asked.network.mu.Unlock()
				if !leads {
					time.Sleep(time.Second) // until the leader has looked
				}
				x, _ := login(t, asked, 1)
				if _, err := asked.Delete(t.Context(), session.Destroyed, x.ID); err != nil {
					t.Errorf("end a session: %v", err)
				}
				ask := func() map[string]error {
					_, quota := asked.Create(t.Context(), within(2, "demo", 1, realm.DenyAccess))
					_, _, put := asked.PutToken(t.Context(), aToken(1, time.Now()))
					until := time.Now().Add(time.Hour)
					return map[string]error{
						"quota": quota, "token": put,
						"denial":           asked.Deny(t.Context(), session.Logout, session.Denial{ID: session.ID{1}, Until: until}),
						"denial of user's": asked.DenyUser(t.Context(), "/", "u", time.Now(), until),
					}
				}
				for what, err := range ask() {
					if unavailableReason(err) != "a member of an older release is in the cluster" {
						t.Errorf("%s: %v", what, err)
					}
				}
				if got := strange.Load(); leads == (got > 0) {
					t.Errorf("the leader was asked %d times for what only this release knows", got)
				}

				c.mu.Lock()
				c.old = nil // it runs this release now
				c.mu.Unlock()
				time.Sleep(time.Second)
				for what, err := range ask() {
					if err != nil && !errors.Is(err, session.ErrQuota) {
						t.Errorf("after the upgrade: %s: %v", what, err)
					}
				}
			})
		})
	}
}
