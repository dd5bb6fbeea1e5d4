package transaction_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sojourn/actors/transaction"
	"sojourn/cts/session"
)

func TestCheck(t *testing.T) {
	handle := session.ID{1}.Handle()
	tests := []struct {
		name string
		q    transaction.Request
		ok   bool
	}{
		{"the least", transaction.Request{Tree: "Pay"}, true},
		{"all", transaction.Request{Tree: "Pay", Subject: "demo", Session: handle, Data: json.RawMessage(`{"a":1}`), Retry: true, TrackingID: "a-B_9"}, true},
		{"no tree", transaction.Request{}, false},
		{"a long tree", transaction.Request{Tree: strings.Repeat("a", 256)}, false},
		{"a handle that is none", transaction.Request{Tree: "Pay", Session: "shandle:x"}, false},
		{"data that is no object", transaction.Request{Tree: "Pay", Data: json.RawMessage(`[1]`)}, false},
		{"data that is null", transaction.Request{Tree: "Pay", Data: json.RawMessage(`null`)}, false},
		{"too much data", transaction.Request{Tree: "Pay", Data: json.RawMessage(`{"a":"` + strings.Repeat("a", transaction.MaxData) + `"}`)}, false},
		{"a long name for records", transaction.Request{Tree: "Pay", TrackingID: strings.Repeat("a", 37)}, false},
		{"a name for records with a space", transaction.Request{Tree: "Pay", TrackingID: "a b"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.q.Check(); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

// The life of a transaction: begun by whom it is for, decided once.
func TestLife(t *testing.T) {
	mine, other := session.Session{ID: session.ID{1}}, session.Session{ID: session.ID{2}}
	mine.Principal.Username, other.Principal.Username = "Demo", "other"
	tied := transaction.New("/alpha", transaction.Request{Tree: "Pay", Session: mine.ID.Handle()})
	kept := mine
	kept.ClientSide, kept.Created, kept.Policy.MaxSession = true, time.Unix(1, 0), time.Hour
	held := transaction.New("/alpha", transaction.Request{Tree: "Pay", Session: kept.Handle()})
	named := transaction.New("/alpha", transaction.Request{Tree: "Pay", Subject: "demo"})
	open := transaction.New("/alpha", transaction.Request{Tree: "Pay"})
	done, _ := open.Settle(true, nil, "a")
	for name, c := range map[string]struct {
		t     transaction.Transaction
		realm string
		x     *session.Session
		want  error
	}{
		"tied, in its session":     {tied, "/alpha", &mine, nil},
		"tied, in another":         {tied, "/alpha", &other, transaction.ErrSession},
		"tied, in none":            {tied, "/alpha", nil, transaction.ErrSession},
		"tied, kept by its holder": {held, "/alpha", &kept, nil},
		"tied, kept by another":    {held, "/alpha", &other, transaction.ErrSession},
		"for somebody":             {named, "/alpha", &mine, nil},
		"for somebody, by another": {named, "/alpha", &other, transaction.ErrSession},
		"for somebody, in none":    {named, "/alpha", nil, nil},
		"of another realm":         {open, "/beta", &mine, transaction.ErrUnknown},
		"over":                     {done, "/alpha", &mine, transaction.ErrUnknown},
	} {
		begun, err := c.t.Begin("/alpha", c.x)
		if c.realm != "/alpha" {
			_, err = c.t.Begin("/beta", c.x)
		}
		if !errors.Is(err, c.want) || err == nil && begun.State != transaction.InProgress {
			t.Errorf("%s: %v, %v", name, begun.State, err)
		}
	}
	if named.User(nil) != "demo" || named.User(&mine) != "Demo" || open.User(nil) != "" {
		t.Error("the wrong user may authorise")
	}

	properties := map[string]string{"a": "b"}
	approved, ok := open.Settle(true, properties, "a")
	if !ok || approved.State != transaction.Completed || approved.Result != transaction.Approved || approved.Properties["a"] != "b" {
		t.Errorf("approved: %+v, %v", approved, ok)
	}
	if again, ok := approved.Settle(false, nil, "b"); ok || again.Result != transaction.Approved {
		t.Errorf("denied after that: %+v, %v", again, ok)
	}
	if again, ok := approved.Settle(true, nil, "a"); !ok || again.Properties["a"] != "b" {
		t.Errorf("approved again by the same attempt: %+v, %v", again, ok)
	}
	if _, ok := approved.Settle(true, nil, "b"); ok {
		t.Error("approved again by another attempt")
	}
	if denied, ok := open.Settle(false, nil, "a"); !ok || denied.State != transaction.Completed || denied.Result != transaction.Denied {
		t.Errorf("denied: %+v, %v", denied, ok)
	}
	patient := transaction.New("/alpha", transaction.Request{Tree: "Pay", Retry: true})
	if denied, ok := patient.Settle(false, nil, "a"); !ok || denied.State == transaction.Completed || denied.Result != transaction.Unknown {
		t.Errorf("denied, to be tried again: %+v, %v", denied, ok)
	}
}

func TestIDs(t *testing.T) {
	id, err := transaction.NewID(bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)))
	if err != nil || id.String() != "ffffffff-ffff-4fff-bfff-ffffffffffff" {
		t.Fatalf("%s, %v", id, err)
	}
	if again, err := transaction.ParseID(id.String()); err != nil || again != id {
		t.Errorf("read back as %s, %v", again, err)
	}
	if key := id.Key(); key == [16]byte(id) {
		t.Error("the store has the id")
	}
	for _, text := range []string{"", "x", strings.ToUpper(id.String()), id.String() + "0", "ffffffffffff-ffff-4fff-bfff-ffffffff", strings.ReplaceAll(id.String(), "-", "")} {
		if _, err := transaction.ParseID(text); !errors.Is(err, transaction.ErrUnknown) {
			t.Errorf("%q was read", text)
		}
	}
	if _, err := transaction.NewID(bytes.NewReader(nil)); err == nil {
		t.Error("an id without randomness")
	}
}

func FuzzDecode(f *testing.F) {
	raw, err := transaction.New("/", transaction.Request{Tree: "Pay", Data: json.RawMessage(`{"a":1}`)}).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := transaction.Decode(raw)
		if err != nil {
			return
		}
		again, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if y, err := transaction.Decode(again); err != nil || y.State != x.State || y.Result != x.Result || y.Request.Tree != x.Request.Tree {
			t.Fatalf("%+v became %+v, %v", x, y, err)
		}
	})
}
