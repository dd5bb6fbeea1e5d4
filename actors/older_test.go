package actors

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/node"
	"sojourn/cts/session"
)

// TestEndsForOlderMembers: while a member of the release before is there, the end
// of a journey says only what that can read.
func TestEndsForOlderMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterWith(t, 2, func(own *Config) { own.Cookies = testCookies(t, 1) })
		defer c.close()
		c.members[0].publishRemember("Remember")
		for _, older := range []bool{false, true} {
			c.see("member-0", "member-1")
			if older {
				c.see("member-0", "member-1!")
			}
			page := c.members[0].with(t, "")
			done, err := c.members[0].answer(t, page.Ref, "demo", "secret")
			if err != nil || len(done.Done.Cookies) != 1 {
				t.Fatalf("older %v: %+v, %v", older, done.Done, err)
			}
			b, err := decodeBody(c.members[0].slots.get(page.Ref.Journey).Record.Body)
			if err != nil || b.end == nil || (len(b.end.cookies) == 0) != older {
				t.Errorf("older %v: kept as %+v, %v", older, b.end, err)
			}
		}
	})
}

func TestPlainEnd(t *testing.T) {
	e := ended{success: true, lockout: true, url: "/", details: map[string]string{"a": "b"}, token: "t"}
	full := e
	full.transaction, full.replaced, full.cookies = true, session.Session{}.Handle(), []node.Cookie{{Name: "a"}}
	if got := full.plain(); !reflect.DeepEqual(*got, e) {
		t.Errorf("%+v, want %+v", *got, e)
	}
}

// TestNothingSuspendedForOlderMembers: nor is anything mailed that could not be
// gone on with.
func TestNothingSuspendedForOlderMembers(t *testing.T) {
	bubbles(t, func(t *testing.T, in where) {
		c, sent := mailing(t, in, 2)
		defer c.close()
		c.see("member-0", "member-1!")
		first := c.members[0].start(t, "Mail")
		_, err := c.members[0].answer(t, first.Ref, "demo")
		wantUnavailable(t, err)
		if len(sent.sent) != 0 {
			t.Errorf("mailed: %v", sent.sent)
		}
		c.see("member-0", "member-1")
		if _, err := c.members[0].answer(t, first.Ref, "demo"); err != nil || len(sent.sent) != 1 {
			t.Errorf("when all are of this release: %v, %d mails", err, len(sent.sent))
		}
	})
}

// TestLedgerInOutages: what was certainly not stored does not count, what may have
// been stored does.
func TestLedgerInOutages(t *testing.T) {
	for name, unknown := range map[string]bool{"not stored": false, "maybe stored": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, tc := range []struct {
					in   where
					tree string
					done int // calls before the outage
					kept int64
				}{
					{inStore(), "Steps", 1, 0}, // what is read
					{inStore(), "Mail", 2, 1},  // and the journey's token
					{withClient(), "Steps", 0, 0},
					{withClient(), "Mail", 1, 1}, // the allowlist
				} {
					c, _ := mailing(t, tc.in, 1)
					m := c.members[0]
					tc.in.allowlisted(m, true)
					first := m.start(t, tc.tree)
					m.tokens.inject(func() storeFault {
						tc.done--
						return storeFault{before: tc.done < 0 && !unknown, after: tc.done < 0 && unknown}
					})
					_, err := m.answer(t, first.Ref, "demo")
					wantUnavailable(t, err)
					if got, want := m.ledger.count(), tc.kept+int64(bit(unknown)); got != want {
						t.Errorf("%s, %s: %d count, want %d", tc.in.name, tc.tree, got, want)
					}
					c.close()
				}
			})
		})
	}
}

// TestAllowlistLost: a journey that the store has forgotten, as after a restore,
// has ended.
func TestAllowlistLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := withClient().member(t, time.Now)
		defer m.Close()
		withClient().allowlisted(m, true)
		second, err := m.answer(t, m.start(t, "Steps").Ref, "demo")
		if err != nil {
			t.Fatal(err)
		}
		clear(m.tokens.history)
		_, err = m.answer(t, second.Ref, "secret")
		wantGone(t, err)
	})
}
