package peer_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func aSession() session.Session {
	return session.Session{
		ID: session.ID{1}, Journey: [16]byte{2}, Created: noon(), LastAccess: noon(),
		Principal: session.Principal{Realm: "/", Username: "u"}, Policy: session.Policy{MaxIdle: time.Minute},
	}
}

// requests has one of each kind, with the bytes that every release reads.
func requests() []struct {
	name    string
	request peer.Request
	golden  string
} {
	id := session.ID{9}
	who := identity.Identity{Realm: "/", Name: "u"}
	d := realm.Document{Kind: "tree", Realm: "/", ID: "L", Rev: "0", Body: json.RawMessage("{}")}
	write := func(o peer.Operation) peer.Request { return peer.Write{Operation: o} }
	return []struct {
		name    string
		request peer.Request
		golden  string
	}{
		{
			"create", write(peer.Create{Session: aSession(), Replaces: &id}),
			"01010103010109000000000000000000000000000000010000000000000000000000000000000200000000000000000000000000000018ea0da41e9d800018ea0da41e9d80000080e0ba84bf03000000012f0175000000",
		},
		{
			"create within a quota", write(peer.Create{Session: session.Session{}, Quota: realm.Quota{Limit: 300, Action: realm.DenyAccess}}),
			"010110" + "ac02" + "03" + "0301" + "00" + strings.Repeat("00", 32) + "80000000000000008000000000000000" + "00000000" + "00" + "000000" + "00" + "00",
		},
		{
			"delete", write(peer.Delete{Reason: session.Logout, IDs: []session.ID{id}}),
			"010102040180000000000000000109000000000000000000000000000000",
		},
		{
			"delete for a reason", write(peer.Delete{Reason: session.Upgraded, IDs: []session.ID{id}}),
			"01010204020280000000000000000109000000000000000000000000000000",
		},
		{
			"put token", write(peer.PutToken{Put: token.Put{Kind: token.Journey, ID: token.ID{9}, Seq: 2, Expires: noon(), Body: []byte("b")}}),
			"01010d1101" + "8000000000000000" + "01" + "09000000000000000000000000000000" + "0000000000000002" + "18ea0da41e9d8000" + "0162",
		},
		{
			"deny", write(peer.Deny{Reason: session.Logout, Denials: []session.Denial{{ID: id, Until: noon()}}}),
			"01010e1201" + "01" + "8000000000000000" + "01" + "09000000000000000000000000000000" + "18ea0da41e9d8000",
		},
		{
			"deny user", write(peer.DenyUser{Realm: "/", Username: "u", Before: noon(), Until: noon()}),
			"01010f1301" + "012f" + "0175" + "18ea0da41e9d8000" + "18ea0da41e9d8000",
		},
		{
			"properties", write(peer.SetProperties{ID: id, Changes: map[string]string{"a": ""}}),
			"01010307010900000000000000000000000000000001016100",
		},
		{
			"touch", write(peer.Touch{Accesses: []command.Access{{ID: id, At: noon()}}}),
			"0101040501010900000000000000000000000000000018ea0da41e9d8000",
		},
		{
			"put identity", write(peer.PutIdentity{Identity: who, CreateOnly: true}),
			"0101050108017b227265616c6d223a222f222c226e616d65223a2275227d",
		},
		{
			"put identities", write(peer.PutIdentities{Identities: []identity.Identity{who, who}}),
			"010106021a08017b227265616c6d223a222f222c226e616d65223a2275227d1a08017b227265616c6d223a222f222c226e616d65223a2275227d",
		},
		{
			"update identity, status", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.SetStatus{Status: identity.Inactive}}),
			"010107012f0175017b22537461747573223a22496e616374697665227d",
		},
		{
			"update identity, login", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.CountLogin{}}),
			"010107012f0175027b7d",
		},
		{
			"update identity, failure", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.CountFailure{At: noon(), Policy: realm.Lockout{Failures: 3}}}),
			"010107012f0175037b224174223a22323032362d31312d32315431323a30303a30305a222c22506f6c696379223a7b22456e61626c6564223a66616c73652c224661696c75726573223a332c2257696e646f77223a302c224475726174696f6e223a302c224d756c7469706c696572223a302c225761726e4166746572223a307d7d",
		},
		{
			"update identity, clear", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.ClearFailures{}}),
			"010107012f0175047b7d",
		},
		{
			"update identity, retries", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.SetRetries{Node: "n", Count: 2}}),
			"010107012f0175057b224e6f6465223a226e222c22436f756e74223a327d",
		},
		{
			"update identity, password", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.SetPassword{Hash: "$2b$x"}}),
			"010107012f0175067b2248617368223a222432622478227d",
		},
		{
			"update identity, hash", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.ReplaceHash{From: "a", To: "b"}}),
			"010107012f0175077b2246726f6d223a2261222c22546f223a2262227d",
		},
		{
			"update identity, attributes", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.SetAttributes{Attributes: map[string][]string{"mail": {"x"}}}}),
			"010107012f0175087b2241747472696275746573223a7b226d61696c223a5b2278225d7d7d",
		},
		{
			"update identity, retry", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.CountRetry{Node: "n", Limit: 2}}),
			"010107012f01750a7b224e6f6465223a226e222c224c696d6974223a327d",
		},
		{
			"update identity, reserve", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.Reserve{
				Journey: identity.Mark{1}, Run: 2, At: noon(), Policy: realm.Lockout{Failures: 3},
			}}),
			"010107012f01750b7b224a6f75726e6579223a223031303030303030303030303030303030303030303030303030303030303030222c22417474656d7074223a7b2273746570223a302c22616e7377657273223a223030303030303030303030303030303030303030303030303030303030303030227d2c2252756e223a322c224174223a22323032362d31312d32315431323a30303a30305a222c22506f6c696379223a7b22456e61626c6564223a66616c73652c224661696c75726573223a332c2257696e646f77223a302c224475726174696f6e223a302c224d756c7469706c696572223a302c225761726e4166746572223a307d7d",
		},
		{
			"update identity, settle", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.Settle{
				Journey: identity.Mark{1}, Run: 2, Verdict: identity.Wrong, Until: noon(),
			}}),
			"010107012f01750c7b224a6f75726e6579223a223031303030303030303030303030303030303030303030303030303030303030222c2252756e223a322c2256657264696374223a322c22556e74696c223a22323032362d31312d32315431323a30303a30305a227d",
		},
		{
			"update identity, once", write(peer.UpdateIdentity{Realm: "/", Name: "u", Change: identity.Once{
				Key: identity.Mark{1}, Until: noon(), Change: identity.CountLogin{},
			}}),
			"010107012f01750901000000000000000000000000000000000000006b0187c0027b7d",
		},
		{
			"delete identity", write(peer.DeleteIdentity{Realm: "/", Name: "u"}),
			"0101080901012f0175",
		},
		{
			"put document", write(peer.PutDocument{Document: d, Precondition: realm.Precondition{IfMatch: "7"}}),
			"0101090001370a010474726565012f014c0130027b7d",
		},
		{
			"delete document", write(peer.DeleteDocument{Kind: "tree", Realm: "/", ID: "L", Precondition: realm.Precondition{IfNoneMatch: true}}),
			"01010a01000b010474726565012f014c",
		},
		{
			"remove", write(peer.Remove{Store: "A"}),
			"01010b0141",
		},
		{
			"promote", write(peer.Promote{Store: "A"}),
			"01010c0141",
		},
		{
			"term",
			peer.Term{Term: 7, Life: time.Second},
			"01020000000000000007000000003b9aca00",
		},
		{
			"renew",
			peer.Renew{From: "A", Applied: 5, Life: time.Second},
			"01030000000000000005000000003b9aca000141",
		},
		{
			"barrier",
			peer.Barrier{Tombstones: []peer.Tombstone{{ID: id, Index: 4}}, Applied: 3},
			"0104000000000000000301090000000000000000000000000000000000000000000004",
		},
		{
			"promise",
			peer.Promise{Candidate: "A", Expect: 3, Have: []string{"A", "B"}},
			"0105014100000000000000030201410142",
		},
		{
			"status",
			peer.Status{},
			"0106",
		},
	}
}

func answers() []struct {
	name   string
	answer peer.Answer
	golden string
} {
	x := aSession()
	d := realm.Document{Kind: "tree", Realm: "/", ID: "L", Rev: "12", Body: json.RawMessage("{}")}
	who := identity.Identity{Realm: "/", Name: "u"}
	return []struct {
		name   string
		answer peer.Answer
		golden string
	}{
		{
			"nothing",
			peer.Result{},
			"014100000000000000000000000000",
		},
		{
			"session",
			peer.Result{Session: &x, Index: 9, Existed: true},
			"0141000000000000000901000144030100010000000000000000000000000000000200000000000000000000000000000018ea0da41e9d800018ea0da41e9d80000080e0ba84bf03000000012f01750000000000",
		},
		{
			"found",
			peer.Result{Found: []bool{true, false}},
			"0141000000000000000000020100000000",
		},
		{
			"document",
			peer.Result{Document: &d},
			"0141000000000000000000000001110a010474726565012f014c023132027b7d00",
		},
		{
			"identity",
			peer.Result{Identity: &who},
			"0141000000000000000000000000011a08017b227265616c6d223a222f222c226e616d65223a2275227d",
		},
		{
			"token",
			peer.Result{Won: true, Token: &token.Token{Kind: token.Journey, ID: token.ID{9}, Seq: 2, Index: 5, Expires: noon(), Body: []byte("b")}},
			"0148" + "01" + "01" + "09000000000000000000000000000000" + "0000000000000002" + "0000000000000005" + "18ea0da41e9d8000" + "0162",
		},
		{
			"ended",
			peer.Result{Index: 9, Ended: []session.Session{{ID: session.ID{1}}}},
			"0149" + "01" + "3d" + "0301" + "00" + "01" + strings.Repeat("00", 31) + "80000000000000008000000000000000" + "00000000" + "00" + "000000" + "00" + "00" +
				"0000000000000009" + "00" + "00" + "000000",
		},
		{
			"term",
			peer.TermIs{Term: 7, Config: 3, Quiet: time.Second},
			"014200000000000000070000000000000003000000003b9aca00",
		},
		{
			"lease",
			peer.Lease{Term: 7, Need: 9},
			"014300000000000000070000000000000009",
		},
		{
			"done",
			peer.Done{},
			"0144",
		},
		{
			"condition",
			peer.Condition{Store: "A", Name: "a", Term: 7, Leader: "B", Applied: 9, Lease: time.Second, Sees: []string{"A", "B"}},
			"014601410161000000000000000701420000000000000009000000003b9aca000201410142",
		},
		{
			"failure", &peer.Failure{Code: peer.CodeConflict, Text: "x", RetryAfter: time.Second, Unknown: true},
			"01470801000000003b9aca000178",
		},
	}
}

func TestRequests(t *testing.T) {
	for _, test := range requests() {
		t.Run(test.name, func(t *testing.T) {
			b, err := peer.AppendRequest(nil, test.request)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(b); got != test.golden {
				t.Errorf("is written as\n%s, want\n%s", got, test.golden)
			}
			got, err := peer.DecodeRequest(b)
			if err != nil || !reflect.DeepEqual(got, test.request) {
				t.Errorf("read as %+v, %v", got, err)
			}
			for n := range b {
				if _, err := peer.DecodeRequest(b[:n]); err == nil {
					t.Errorf("cut to %d bytes it is read", n)
				}
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for _, test := range answers() {
		t.Run(test.name, func(t *testing.T) {
			b, err := peer.AppendAnswer(nil, test.answer)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(b); got != test.golden {
				t.Errorf("is written as\n%s, want\n%s", got, test.golden)
			}
			got, err := peer.DecodeAnswer(b)
			if err != nil || !reflect.DeepEqual(got, test.answer) {
				t.Errorf("read as %+v, %v", got, err)
			}
			if _, err := peer.DecodeAnswer(append(b, 0)); err == nil {
				t.Error("with a byte behind it, it is read")
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "another version": "0206", "unknown kind": "0140", "an answer": "0144", "unknown operation": "010163",
		"another command": "0101010101", "a quota without a limit": "01011000000301", "a quota beyond all": "010110ffffffffff0f000301", "a password that is no JSON": "010107012f017506" + hex.EncodeToString([]byte(`{"Hash":"secret`)),
	} {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = peer.DecodeRequest(b); !errors.Is(err, peer.ErrMalformed) || strings.Contains(err.Error(), "secret") {
				t.Errorf("read: %v", err)
			}
		})
	}
}

func TestTooLargeIsRefusedBeforeItIsSent(t *testing.T) {
	d := realm.Document{Kind: "tree", Realm: "/", ID: "L", Body: make([]byte, realm.MaxDocument+1)}
	if _, err := peer.AppendRequest(nil, peer.Write{Operation: peer.PutDocument{Document: d}}); !errors.Is(err, command.ErrTooLarge) {
		t.Errorf("written: %v", err)
	}
}

func TestIdempotent(t *testing.T) {
	for name, test := range map[string]struct {
		operation peer.Operation
		want      bool
	}{
		"a journey's session":  {peer.Create{Session: aSession()}, true},
		"a session of none":    {peer.Create{}, false},
		"delete":               {peer.Delete{}, true},
		"touch":                {peer.Touch{}, true},
		"put a token":          {peer.PutToken{}, true},
		"deny":                 {peer.Deny{}, true},
		"deny a user's":        {peer.DenyUser{}, true},
		"count a login":        {peer.UpdateIdentity{}, false},
		"put with a condition": {peer.PutDocument{}, false},
	} {
		if got := peer.Idempotent(test.operation); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// FuzzRequest: what is read is written as the same bytes, but for JSON, whose
// second writing is the first.
func FuzzRequest(f *testing.F) {
	for _, r := range requests() {
		b, err := peer.AppendRequest(nil, r.request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := peer.DecodeRequest(data)
		if err != nil {
			return
		}
		once, err := peer.AppendRequest(nil, r)
		if err != nil {
			return // larger than the store takes
		}
		again, err := peer.DecodeRequest(once)
		if err != nil {
			t.Fatalf("%x is read, and what is written then, %x, is not: %v", data, once, err)
		}
		if twice, err := peer.AppendRequest(nil, again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x is written as %x, and then as %x", data, once, twice)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, a := range answers() {
		b, err := peer.AppendAnswer(nil, a.answer)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := peer.DecodeAnswer(data)
		if err != nil {
			return
		}
		once, err := peer.AppendAnswer(nil, a)
		if err != nil {
			return // larger than the store takes
		}
		again, err := peer.DecodeAnswer(once)
		if err != nil {
			t.Fatalf("%x is read, and what is written then, %x, is not: %v", data, once, err)
		}
		if twice, err := peer.AppendAnswer(nil, again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x is written as %x, and then as %x", data, once, twice)
		}
	})
}
