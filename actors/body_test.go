package actors

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"sojourn/actors/node"
)

func TestBodyRoundTrip(t *testing.T) {
	at := time.Unix(1_700_000_000, 5).UTC()
	for name, b := range map[string]body{
		"waits":         {kind: waits, step: 7, digest: digest{1, 15: 2}, expires: at, replicas: 3, state: []byte("\x01{}")},
		"taken":         {kind: waits, step: 7, expires: at, replicas: 5, taken: true, chosen: digest{3, 15: 4}, state: []byte("\x01{}")},
		"carried":       {kind: waits, step: 7, expires: at, replicas: 3, carried: true, sum: digest{5, 15: 6}, state: []byte("\x01{}")},
		"lean":          {kind: waits, step: 7, expires: at, carried: true, sum: digest{5}, taken: true, chosen: digest{3}, state: []byte{}},
		"suspends":      {kind: suspends, step: 7, digest: digest{1}, expires: at, replicas: 3, state: []byte("\x01{}")},
		"and later":     {kind: suspends, step: 7, digest: digest{1}, expires: at, replicas: 3, state: []byte{}},
		"decided":       {kind: decided, step: 1, expires: at, replicas: 5, end: &ended{success: true, url: "/x", token: "t"}},
		"failed":        {kind: failed, expires: at, end: &ended{lockout: true, message: "no", details: map[string]string{"b": "2", "a": ""}}},
		"transaction":   {kind: failed, expires: at, end: &ended{success: true, noSession: true, transaction: true, url: "/"}},
		"cookies":       {kind: decided, expires: at, end: &ended{success: true, cookies: []node.Cookie{{Name: "a", Value: "b", MaxAge: time.Hour, Secure: true}}}},
		"no session":    {kind: failed, expires: at, end: &ended{success: true, noSession: true, details: map[string]string{}}},
		"without reply": {kind: decided, step: 300, expires: at},
	} {
		t.Run(name, func(t *testing.T) {
			raw := b.encode()
			got, err := decodeBody(raw)
			if err != nil || !reflect.DeepEqual(got, b) {
				t.Errorf("%+v came back as %+v, %v", b, got, err)
			}
			if kindOf(raw) != b.kind {
				t.Errorf("kind %v", kindOf(raw))
			}
			if !b.over() {
				return // the state is the rest
			}
			for _, bad := range [][]byte{raw[:len(raw)-1], append(bytes.Clone(raw), 0)} {
				if got, err := decodeBody(bad); err == nil {
					t.Errorf("%x was read as %+v", bad, got)
				}
			}
		})
	}
}

// TestGoldenGuard holds the body of a journey that its client carries, as members
// of other releases know it.
func TestGoldenGuard(t *testing.T) {
	b := body{
		kind: waits, step: 300, digest: digest{1}, expires: time.Unix(0, 5), replicas: 3,
		taken: true, chosen: digest{2}, carried: true, sum: digest{3}, state: []byte("s"),
	}
	const rest = "000000000000000000000000000000"
	want := "02" + "01" + "ac02" + "01" + rest + "0a" + "83" + "02" + rest + "03" + rest + "73"
	if got := hex.EncodeToString(b.encode()); got != want {
		t.Errorf("encoded as %s, want %s", got, want)
	}
}

func FuzzDecodeBody(f *testing.F) {
	f.Add((&body{kind: waits, step: 1, state: []byte("x")}).encode())
	f.Add((&body{kind: decided, end: &ended{cookies: []node.Cookie{{Name: "a", HTTPOnly: true}}}}).encode())
	f.Add((&body{kind: waits, step: 1, carried: true, sum: digest{1}, state: []byte("x")}).encode())
	f.Add((&body{kind: failed, end: &ended{message: "no", details: map[string]string{"a": "b"}}}).encode())
	f.Add((&body{kind: decided}).encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := decodeBody(raw)
		if err != nil {
			return
		}
		again, err := decodeBody(b.encode())
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("%+v became %+v, %v", b, again, err)
		}
	})
}
