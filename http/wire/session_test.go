package wire

import (
	"bytes"
	"encoding/json"
	"testing"
)

// The fast path must say what the strict reader says, or nothing.
func FuzzNamedToken(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, ` { } `, `{"tokenId":"AQIC5w*AAJ*"}`, ` {"tokenId" : "x" } `, `{"tokenId":"a","tokenId":"b"}`,
		`{"tokenId":"a","x":{"tokenId":"b"}}`, `{"tokenId":"a\u0022"}`, `{"tokenId":null}`, `{"tokenId":1}`, `{"tokenId":"a"}}`, `{"tokenId":"`, `{"tokenId":"a","x":"b"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		token, ok := plainTokenID(body)
		if !ok {
			return
		}
		var want string
		if len(bytes.Trim(body, space)) > 0 {
			err := Members(body, func(name, value []byte) error {
				var err error
				if string(name) == tokenKey {
					want, err = Text(value)
				}
				return err
			})
			if err != nil {
				t.Fatalf("the fast path took %q, which is refused: %v", body, err)
			}
		}
		if string(token) != want {
			t.Fatalf("%q: fast %q, strict %q", body, token, want)
		}
	})
}

// What is appended is what a client reads back.
func TestSessionShapes(t *testing.T) {
	info := SessionInfo{Username: "a\"b", Properties: Properties{{"x", "1"}, {"a", ""}}}
	var back SessionInfo
	if err := json.Unmarshal(AppendSessionInfo(nil, info), &back); err != nil {
		t.Fatal(err)
	}
	if back.Username != info.Username || len(back.Properties) != 2 || back.Properties[0] != info.Properties[0] || back.MaxIdleExpirationTime.Year() != 9999 {
		t.Errorf("got %+v", back)
	}
	for _, v := range []Validation{{}, {Valid: true, UID: "u", Realm: "/"}, {Valid: true, SessionUID: "s", UID: "u", Realm: "/"}} {
		var got Validation
		if err := json.Unmarshal(AppendValidation(nil, v), &got); err != nil || got != v {
			t.Errorf("got %+v, %v, want %+v", got, err, v)
		}
	}
}

func TestBodiesOfSessionCalls(t *testing.T) {
	if _, names, err := PropertyNames([]byte(`{"properties":["a","b"],"tokenId":"t"}`)); err != nil || len(names) != 2 {
		t.Errorf("%v, %v", names, err)
	}
	if handles, err := SessionHandles([]byte(`{}`)); err != nil || handles != nil {
		t.Errorf("%v, %v", handles, err)
	}
	if handles, err := SessionHandles([]byte(`{"sessionHandles":[]}`)); err != nil || handles == nil {
		t.Errorf("%v, %v", handles, err)
	}
	for _, body := range []string{`[]`, `{"properties":{}}`, `{"properties":[1]}`, `{"properties":["a"]`} {
		if _, _, err := PropertyNames([]byte(body)); err == nil {
			t.Errorf("%s was taken", body)
		}
	}
}
