package command_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/cts/command"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// kept is a token as the slow twin keeps it.
type kept struct {
	seq, index uint64
	expires    time.Time
	body       []byte
}

// putSlowly is PutToken as its documentation says it.
func putSlowly(all map[token.ID]kept, index uint64, c command.PutToken) (now kept, won, none bool) {
	was, there := all[c.Put.ID]
	if there && !was.expires.After(c.At) {
		was, there = kept{}, false
	}
	repeated := there && was.seq == c.Put.Seq+1 && bytes.Equal(was.body, c.Put.Body) && was.expires.Equal(c.Put.Expires)
	switch {
	case repeated:
		return was, true, false
	case !there && c.Put.Seq > 0:
		return kept{}, false, true
	case was.seq != c.Put.Seq:
		return was, false, false
	}
	now = kept{c.Put.Seq + 1, index, c.Put.Expires, c.Put.Body}
	all[c.Put.ID] = now
	return now, true, false
}

// Tokens are what a map would have, whenever the sweeper comes, and nothing is left
// of them when all have ended.
func TestTokensAgainstAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tx, all, now := newTable(), map[token.ID]kept{}, start
		for index := uint64(1); index < 40; index++ {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "seconds")) * time.Second)
			if rapid.IntRange(0, 3).Draw(rt, "sweep") == 0 {
				apply(t, tx, index, command.Expire{At: now, Dues: dues(tx, now)})
				if left := dues(tx, now); len(left) > 0 {
					rt.Fatalf("a sweep leaves %v: it would go on for ever", left)
				}
				continue
			}
			c := command.PutToken{At: now, Put: token.Put{
				Kind: token.Journey, ID: token.ID{rapid.ByteRange(1, 2).Draw(rt, "id")},
				Seq:     rapid.Uint64Range(0, 3).Draw(rt, "seq"),
				Expires: now.Add(time.Duration(rapid.IntRange(-1, 6).Draw(rt, "minutes")) * time.Minute),
				Body:    rapid.SliceOfN(rapid.Byte(), 1, 2).Draw(rt, "body"),
			}}
			for range rapid.IntRange(1, 2).Draw(rt, "times") {
				want, won, none := putSlowly(all, index, c)
				got, _ := apply(t, tx, index, c)
				if none != errors.Is(got.Err, command.ErrNoToken) || none != (got.Token == nil) || won != got.Won {
					rt.Fatalf("%+v = %+v, want %+v, won %v, none %v", c, got, want, won, none)
				}
				if none {
					continue
				}
				if got.Token.Seq != want.seq || got.Token.Index != want.index || !bytes.Equal(got.Token.Body, want.body) || !got.Token.Expires.Equal(want.expires) {
					rt.Fatalf("%+v = %+v, want %+v", c, got.Token, want)
				}
			}
		}
		for range 3 {
			now = now.Add(time.Hour)
			apply(t, tx, 100, command.Expire{At: now, Dues: dues(tx, now)})
		}
		if len(tx.rows) != 0 {
			rt.Fatalf("left behind: %q", tx.rows)
		}
	})
}

// A token that is written often is filed in the expiry index once, and no token
// is given up before its end.
func TestATokensEndMoves(t *testing.T) {
	tx := newTable()
	p := token.Put{Kind: token.Suspended, ID: token.ID{1}, Expires: start.Add(time.Minute)}
	for index := range uint64(5) {
		p.Seq, p.Expires = index, p.Expires.Add(time.Minute)
		apply(t, tx, index+1, command.PutToken{At: start, Put: p})
		if len(tx.rows) != 2 {
			t.Fatalf("after %d writes: %q", index+1, tx.rows)
		}
	}
	almost := p.Expires.Add(-1)
	for range 2 { // the entry comes early, and is filed anew
		apply(t, tx, 10, command.Expire{At: almost, Dues: dues(tx, almost)})
	}
	if _, ok := tx.Get(command.TokenKey(p.Kind, p.ID)); !ok {
		t.Fatal("given up before its end")
	}
	p.Seq, p.Expires = 5, start.Add(time.Second) // to end a token is to let it end soon
	apply(t, tx, 11, command.PutToken{At: start, Put: p})
	soon := start.Add(time.Minute)
	apply(t, tx, 12, command.Expire{At: soon, Dues: dues(tx, soon)})
	if len(tx.rows) != 0 {
		t.Errorf("left behind: %q", tx.rows)
	}
}

// A denial is there until its end and for a minute, however often it is asked for,
// and nothing is left of it then.
func TestDenialsEnd(t *testing.T) {
	tx := newTable()
	one := session.Denial{ID: session.ID{1}, Until: start.Add(5 * time.Minute)}
	count := func(c command.Command, want ...command.Effect) {
		t.Helper()
		_, effects := apply(t, tx, 1, c)
		if len(effects) != len(want) {
			t.Fatalf("effects = %+v, want %+v", effects, want)
		}
		for i := range want {
			if effects[i] != want[i] {
				t.Errorf("effect = %+v, want %+v", effects[i], want[i])
			}
		}
	}
	deny := func(d session.Denial) command.Deny {
		return command.Deny{Reason: session.Logout, At: start, Denials: []session.Denial{d}}
	}
	minute := command.Minute(start)
	denied := command.Denied{ID: one.ID, Minute: minute + 7, Reason: session.Logout, At: start, Index: 1}
	count(deny(one), denied)
	count(deny(one))
	later := one
	later.Until = start.Add(6 * time.Minute)
	denied.Minute, denied.Again = minute+8, true
	count(deny(later), denied)
	count(deny(one))

	user := command.DigestUser("/a", "demo")
	whole := command.DenyUser{Realm: "/a", Username: "Demo", Before: start, Until: start.Add(time.Minute)}
	count(whole, command.UserDenied{User: user, Before: start})
	whole.Before, whole.Until = start.Add(-time.Hour), start.Add(2*time.Minute)
	count(whole, command.UserDenied{User: user, Before: start}) // the later instant includes the earlier
	if len(tx.rows) != 4 {
		t.Errorf("stored: %q", tx.rows)
	}
	sweep := func(at time.Time) command.Expire { return command.Expire{At: at, Dues: dues(tx, at)} }
	count(sweep(start.Add(4*time.Minute - 1)))
	count(sweep(start.Add(4*time.Minute)), command.UserDenialOver{User: user})
	count(sweep(start.Add(8*time.Minute - 1)))
	count(sweep(start.Add(8*time.Minute)), command.DenialOver{ID: one.ID})
	if len(tx.rows) != 0 {
		t.Errorf("left behind: %q", tx.rows)
	}
}

// A CreateSession ends what it names, for its reason, but not when the session
// was there before.
func TestCreateSessionEndsOthersOnce(t *testing.T) {
	tx := newTable()
	for n := byte(1); n <= 3; n++ {
		apply(t, tx, uint64(n), command.PutSession{Session: aSession(n)})
	}
	c := command.CreateSession{
		Put:  command.PutSession{Session: aSession(4), Replaces: &session.ID{1}},
		Ends: []command.End{{ID: session.ID{2}, Reason: session.Destroyed}, {ID: session.ID{9}, Reason: session.Destroyed}, {ID: session.ID{4}, Reason: session.Destroyed}},
	}
	result, effects := apply(t, tx, 4, c)
	if result.Existed || len(result.Found) != 3 || !result.Found[0] || result.Found[1] || result.Found[2] {
		t.Errorf("result = %+v", result)
	}
	var reasons []session.Reason
	for _, e := range effects {
		if gone, ok := e.(command.SessionGone); ok {
			reasons = append(reasons, gone.Reason)
		}
	}
	if len(reasons) != 2 || reasons[0] != session.Upgraded || reasons[1] != session.Destroyed {
		t.Errorf("ended for %v", reasons)
	}
	c.Ends[0].ID = session.ID{3}
	if result, effects = apply(t, tx, 5, c); !result.Existed || result.Found != nil || len(effects) != 0 {
		t.Errorf("again = %+v, %+v", result, effects)
	}
	if _, ok := tx.Get(command.SessionKey(session.ID{3})); !ok {
		t.Error("asked for again it ended another session")
	}
}
