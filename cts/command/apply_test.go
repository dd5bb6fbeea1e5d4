package command_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A table is the slow, obvious store. It refuses a caller that is wrong about
// what was there before.
type table struct{ rows map[string]string }

func newTable() *table { return &table{rows: map[string]string{}} }

func (t *table) Get(key []byte) ([]byte, bool) {
	value, ok := t.rows[string(key)]
	return []byte(value), ok
}

func (t *table) Insert(key, value []byte) {
	if old, ok := t.rows[string(key)]; ok {
		panic(fmt.Sprintf("insert %q over %q", key, old))
	}
	t.rows[string(key)] = string(value)
}

func (t *table) Replace(key, old, value []byte) {
	t.Remove(key, old)
	t.Insert(key, value)
}

func (t *table) Remove(key, old []byte) {
	if got, ok := t.rows[string(key)]; !ok || got != string(old) {
		panic(fmt.Sprintf("remove %q with %q, there is %q (%v)", key, old, got, ok))
	}
	delete(t.rows, string(key))
}

func (t *table) RemoveAll() {
	maps.DeleteFunc(t.rows, func(key, _ string) bool { return !command.Own([]byte(key)) })
}

func (t *table) Totals() command.Totals {
	var totals command.Totals
	for key, value := range t.rows {
		if command.Own([]byte(key)) {
			continue
		}
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s%s", len(key), key, value)
		totals.Count++
		totals.Sum += h.Sum64()
	}
	return totals
}

func apply(t testing.TB, tx command.Tx, index uint64, c command.Command) (command.Result, []command.Effect) {
	t.Helper()
	data, err := command.Append(nil, c)
	if err != nil {
		t.Fatalf("append %T: %v", c, err)
	}
	decoded, err := command.Decode(data)
	if err != nil {
		t.Fatalf("decode %T: %v", c, err)
	}
	var effects []command.Effect
	result, err := command.Apply(tx, index, decoded, func(e command.Effect) { effects = append(effects, e) })
	if err != nil {
		t.Fatalf("apply %T: %v", c, err)
	}
	for _, e := range effects {
		if e, ok := e.(command.SessionStored); ok {
			encoded, err := command.ReadSession(e.Encoded)
			encoded.LastAccess = e.Session.LastAccess
			if err != nil || !reflect.DeepEqual(encoded, e.Session) {
				t.Errorf("%T stored %+v, encoded %+v, %v", c, e.Session, encoded, err)
			}
		}
	}
	return result, effects
}

func aSession(n byte) session.Session {
	return session.Session{
		ID: session.ID{n}, Journey: [16]byte{n, 'j'},
		Principal: session.Principal{Realm: "/alpha", Username: fmt.Sprintf("User%d", n%2), UniversalID: "id=user"},
		Policy:    session.Policy{MaxSession: 2 * time.Hour, MaxIdle: 30 * time.Minute, TouchInterval: time.Minute},
		Created:   start, LastAccess: start, AuthLevel: 3, Trees: []string{"Login"},
		Properties: map[string]string{"AMCtxId": "x"},
	}
}

func TestOneSessionFromOneJourney(t *testing.T) {
	tx := newTable()
	first := aSession(1)
	result, effects := apply(t, tx, 10, command.PutSession{Session: first})
	if result.Existed || result.Index != 10 || len(effects) != 1 {
		t.Fatalf("first put = %+v, effects %v", result, effects)
	}
	again := aSession(1)
	again.AuthLevel = 99
	result, effects = apply(t, tx, 11, command.PutSession{Session: again})
	if !result.Existed || result.Index != 10 || result.Session.AuthLevel != 3 || len(effects) != 0 {
		t.Errorf("second put = %+v, effects %v; want the first one's session", result, effects)
	}
	apply(t, tx, 12, command.DeleteSessions{IDs: []session.ID{first.ID}, At: start})
	result, effects = apply(t, tx, 13, command.PutSession{Session: first})
	if !errors.Is(result.Err, command.ErrGone) || len(effects) != 0 {
		t.Errorf("put after logout = %+v, effects %v; a session must not rise again", result, effects)
	}
}

func TestReplacedSessionEndsWithThePut(t *testing.T) {
	tx := newTable()
	apply(t, tx, 1, command.PutSession{Session: aSession(1)})
	old := session.ID{1}
	_, effects := apply(t, tx, 2, command.PutSession{Session: aSession(2), Replaces: &old})
	gone, _ := effects[len(effects)-1].(command.SessionGone)
	if len(effects) != 2 || gone.Session.ID != old || gone.Reason != session.Upgraded {
		t.Errorf("effects = %+v", effects)
	}
	if _, ok := tx.Get(command.SessionKey(old)); ok {
		t.Error("the replaced session is still there")
	}
}

func dues(t *table, at time.Time) (found []command.Due) {
	for key := range t.rows {
		if d, ok := command.ParseDue([]byte(key)); ok && d.Minute <= command.Minute(at) {
			found = append(found, d)
		}
	}
	return found
}

// A change is made once for as long as its key is remembered, and a sweep
// forgets that when its minute has come.
func TestAChangeIsMadeOnce(t *testing.T) {
	tx := newTable()
	name := func(count int) command.ChangeIdentity {
		return command.ChangeIdentity{
			Key: [16]byte{1}, Minute: command.Minute(start) + 5, Kept: []byte("kept"),
			Identity: identity.Identity{Realm: realm.Root, Name: "demo", LoginCount: count},
		}
	}
	count := func() int {
		value, _ := tx.Get(command.IdentityKey(realm.Root, "demo"))
		who, err := command.DecodeIdentity(value)
		if err != nil {
			t.Fatal(err)
		}
		return who.LoginCount
	}
	result, effects := apply(t, tx, 1, name(1))
	if result.Existed || len(effects) != 1 || count() != 1 {
		t.Fatalf("first = %+v, effects %v, count %d", result, effects, count())
	}
	result, effects = apply(t, tx, 2, name(2))
	if !result.Existed || len(effects) != 0 || count() != 1 {
		t.Errorf("again = %+v, effects %v, count %d", result, effects, count())
	}
	value, _ := tx.Get(command.ChangeKey(command.Minute(start)+5, [16]byte{1}))
	if kept, err := command.DecodeKept(value); err != nil || string(kept) != "kept" {
		t.Errorf("kept = %q, %v", kept, err)
	}
	if found := dues(tx, start.Add(4*time.Minute)); len(found) != 0 {
		t.Errorf("due too early: %v", found)
	}
	after := start.Add(5 * time.Minute)
	apply(t, tx, 3, command.Expire{At: after, Dues: dues(tx, after)})
	if len(tx.rows) != 1 {
		t.Errorf("left behind: %q", tx.rows)
	}
}

// However often sessions are touched and swept, a live one is never deleted and
// a dead one leaves nothing behind.
func TestSweepingLeavesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tx := newTable()
		s := aSession(1)
		s.Policy.MaxSession = time.Duration(rapid.IntRange(0, 90).Draw(rt, "max")) * time.Minute
		s.Policy.MaxIdle = time.Duration(rapid.IntRange(1, 40).Draw(rt, "idle")) * time.Minute
		apply(t, tx, 1, command.PutSession{Session: s})
		now := start
		for index := uint64(2); index < 12; index++ {
			now = now.Add(time.Duration(rapid.IntRange(1, 20).Draw(rt, "minutes")) * time.Minute)
			_, ok := tx.Get(command.SessionKey(s.ID))
			if ok && rapid.Bool().Draw(rt, "touch") {
				if s = s.Touched(now); s.Valid(now) {
					apply(t, tx, index, command.Touch{Accesses: []command.Access{{ID: s.ID, At: now}}})
				}
			}
			if found := dues(tx, now); len(found) > 0 {
				apply(t, tx, index, command.Expire{At: now, Dues: found})
				if left := dues(tx, now); len(left) > 0 {
					rt.Fatalf("a sweep leaves %v: it would go on for ever", left)
				}
			}
			if _, ok = tx.Get(command.SessionKey(s.ID)); !ok && s.Valid(now) {
				rt.Fatalf("deleted at %v though valid: %+v", now, s)
			}
		}
		for range 5 {
			now = now.AddDate(0, 0, 2)
			apply(t, tx, 100, command.Expire{At: now, Dues: dues(tx, now)})
		}
		if len(tx.rows) != 0 {
			rt.Fatalf("left behind: %q", tx.rows)
		}
	})
}

func genCommand(rt *rapid.T) command.Command {
	id := func() session.ID { return session.ID{rapid.ByteRange(1, 4).Draw(rt, "id")} }
	at := start.Add(time.Duration(rapid.IntRange(0, 180).Draw(rt, "at")) * time.Minute)
	name := rapid.SampledFrom([]string{"demo", "Demo", "amy"})
	switch rapid.IntRange(0, 20).Draw(rt, "op") {
	case 0:
		return command.Noop{}
	case 1:
		return command.ClusterID{ID: id()}
	case 2, 3:
		c := command.PutSession{Session: aSession(rapid.ByteRange(1, 4).Draw(rt, "session"))}
		if rapid.Bool().Draw(rt, "replaces") {
			old := id()
			c.Replaces = &old
		}
		return c
	case 4:
		return command.DeleteSessions{IDs: []session.ID{id(), id()}, At: at}
	case 5:
		return command.Touch{Accesses: []command.Access{{ID: id(), At: at}, {ID: id(), At: at}}}
	case 6:
		kind := rapid.SampledFrom([]command.DueKind{
			command.DueSession, command.DueChange, command.DueDenial, command.DueUserDenial, 64 + command.DueKind(token.Journey),
		}).Draw(rt, "kind")
		d := command.Due{Minute: command.Minute(at), Kind: kind, ID: id()}
		return command.Expire{At: at, Dues: []command.Due{d}}
	case 7:
		return command.SetProperties{ID: id(), Properties: map[string]string{"a": name.Draw(rt, "value")}}
	case 8, 9:
		return command.PutIdentity{Identity: identity.Identity{
			Realm: realm.Root, Name: name.Draw(rt, "name"), Hash: "$2b$04$abc",
			Attributes: map[string][]string{"mail": {name.Draw(rt, "mail"), name.Draw(rt, "mail")}, "sn": {"x"}},
		}}
	case 10:
		return command.DeleteIdentity{Realm: realm.Root, Name: name.Draw(rt, "name")}
	case 11:
		return command.PutDocument{Document: realm.Document{
			Kind: realm.KindTree, Realm: "/alpha", ID: name.Draw(rt, "doc"), Rev: "7", Body: json.RawMessage(`{}`),
		}}
	case 12:
		return command.DeleteDocument{Kind: realm.KindTree, Realm: "/alpha", ID: name.Draw(rt, "doc")}
	case 13, 14:
		return command.ChangeIdentity{
			Key: id(), Minute: command.Minute(at), Kept: []byte(name.Draw(rt, "kept")),
			Identity: identity.Identity{Realm: realm.Root, Name: name.Draw(rt, "name"), LoginCount: rapid.IntRange(0, 9).Draw(rt, "count")},
		}
	case 15:
		return command.CreateSession{
			Put:  command.PutSession{Session: aSession(rapid.ByteRange(1, 4).Draw(rt, "session"))},
			Ends: []command.End{{ID: id(), Reason: session.Destroyed}},
		}
	case 16, 17:
		return command.PutToken{At: start, Put: token.Put{
			Kind: token.Journey, ID: token.ID(id()), Seq: rapid.Uint64Range(0, 3).Draw(rt, "seq"), Expires: at, Body: []byte(name.Draw(rt, "body")),
		}}
	case 18:
		return command.Deny{Reason: session.Logout, At: start, Denials: []session.Denial{{ID: id(), Until: at}, {ID: id(), Until: at}}}
	case 19:
		return command.DenyUser{Realm: realm.Root, Username: name.Draw(rt, "name"), Before: at, Until: at}
	default:
		return command.Wipe{Restore: id()}
	}
}

// Each command applied twice leaves what it leaves applied once.
func TestEachCommandTwiceIsOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		once, twice := newTable(), newTable()
		for i, c := range rapid.SliceOfN(rapid.Custom(genCommand), 1, 30).Draw(rt, "commands") {
			index := uint64(i + 1)
			apply(t, once, index, c)
			apply(t, twice, index, c)
			apply(t, twice, index, c)
			if !maps.Equal(once.rows, twice.rows) {
				rt.Fatalf("%+v applied twice:\n%q\nonce:\n%q", c, twice.rows, once.rows)
			}
		}
	})
}

// The index keys are exactly those that the records call for.
func TestIndexesFollowRecords(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tx := newTable()
		for i, c := range rapid.SliceOfN(rapid.Custom(genCommand), 1, 40).Draw(rt, "commands") {
			apply(t, tx, uint64(i+1), c)
		}
		want, filed := map[string]bool{}, map[string]int{}
		for key, value := range tx.rows {
			switch key[0] {
			case 's':
				s, _, err := command.DecodeSession([]byte(value))
				if err != nil {
					rt.Fatal(err)
				}
				want[string(append(command.UserPrefix(s.Principal.Realm, s.Principal.Username), s.ID[:]...))] = true
			case 'n', 'b', 'k':
				filed[key]++
			case 'i':
				i, err := command.DecodeIdentity([]byte(value))
				if err != nil {
					rt.Fatal(err)
				}
				for _, mail := range i.Attributes["mail"] {
					want[string(append(command.AttributePrefix(i.Realm, "MAIL", mail), identity.Key(i.Name)...))] = true
				}
			}
		}
		for key := range tx.rows {
			if d, ok := command.ParseDue([]byte(key)); ok {
				filed[map[command.DueKind]string{
					command.DueDenial: "n", command.DueUserDenial: "b", 64 + command.DueKind(token.Journey): "k\x01",
				}[d.Kind]+string(d.ID[:])]--
			}
			if (key[0] == 'u' || key[0] == 'a') && !want[key] {
				rt.Errorf("index key %q has no record", key)
			}
			delete(want, key)
		}
		for key := range want {
			rt.Errorf("index key %q is missing", key)
		}
		for key, n := range filed {
			if n != 0 && len(key) > 16 {
				rt.Errorf("%q is filed in the expiry index %d times", key, 1-n)
			}
		}
	})
}

// A backup put back chunk by chunk is the store it was taken from; before its
// last step, and with a chunk missing, the store says that it is incomplete.
func TestRestore(t *testing.T) {
	from := newTable()
	apply(t, from, 1, command.PutSession{Session: aSession(1)})
	apply(t, from, 2, command.PutIdentity{Identity: identity.Identity{Realm: realm.Root, Name: "demo"}})
	apply(t, from, 3, command.ChangeIdentity{Key: [16]byte{7}, Minute: 8, Kept: []byte("kept"), Identity: identity.Identity{Realm: realm.Root, Name: "amy"}})
	var pairs []command.Pair
	for key, value := range from.rows {
		pairs = append(pairs, command.Pair{Key: []byte(key), Value: []byte(value)})
		if err := command.CheckPair(pairs[len(pairs)-1]); err != nil {
			t.Error(err)
		}
	}
	restore := [16]byte{9}
	done := command.RestoreDone{Restore: restore, Totals: from.Totals()}

	tx := newTable()
	apply(t, tx, 1, command.PutSession{Session: aSession(3)})
	apply(t, tx, 2, command.Wipe{Restore: restore})
	for i, p := range pairs {
		if result, _ := apply(t, tx, 3, done); !errors.Is(result.Err, command.ErrRestore) {
			t.Fatalf("done after %d of %d pairs = %v", i, len(pairs), result.Err)
		}
		if result, _ := apply(t, tx, 4, command.RestoreChunk{Restore: [16]byte{8}, Pairs: pairs}); result.Err == nil {
			t.Fatal("a chunk of another restore is taken")
		}
		apply(t, tx, 5, command.RestoreChunk{Restore: restore, Pairs: []command.Pair{p}})
	}
	result, effects := apply(t, tx, 6, done)
	if result.Err != nil || len(effects) != 1 || !maps.Equal(tx.rows, from.rows) {
		t.Errorf("restored = %v, %v, %q", result.Err, effects, tx.rows)
	}
	if result, _ = apply(t, tx, 6, done); result.Err != nil {
		t.Errorf("done again = %v", result.Err)
	}
}

func TestApplyStopsAtARecordOfALaterRelease(t *testing.T) {
	tx := newTable()
	s := aSession(1)
	tx.Insert(command.SessionKey(s.ID), []byte{99, 1, 2, 3})
	var version *command.VersionError
	_, err := command.Apply(tx, 1, command.DeleteSessions{IDs: []session.ID{s.ID}}, func(command.Effect) {})
	if !errors.As(err, &version) || version.Version != 99 {
		t.Errorf("Apply = %v, want a VersionError", err)
	}
}

func TestUserKeysDoNotRunTogether(t *testing.T) {
	keys := map[string]string{}
	for _, r := range []realm.Name{"/", "/a", "/a/b", "/ab"} {
		for _, user := range []string{"", "a", "b", "ab", "b\x00a"} {
			key := string(command.UserPrefix(r, user))
			for other, name := range keys {
				if bytes.HasPrefix([]byte(key), []byte(other)) || bytes.HasPrefix([]byte(other), []byte(key)) {
					t.Errorf("%s %q begins as %s", r, user, name)
				}
			}
			keys[key] = fmt.Sprintf("%s %q", r, user)
		}
	}
}
