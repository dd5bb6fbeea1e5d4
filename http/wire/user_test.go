package wire

import (
	"encoding/json"
	"reflect"
	"testing"
)

// What is read as a user can be written as a client writes it, and is read as
// the same user.
func FuzzUser(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"username":"a","userpassword":"b","mail":["x","y"],"cn":"z","_admin":true,"inetUserStatus":["Active"]}`,
		`{"_id":"a","_hash":"$2b$","_rev":"1","dn":["x"],"sn":null,"empty":[]}`, `{"username":["a","b"]}`, `{"mail":1}`, `{"_admin":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var u, again User
		if u.UnmarshalJSON(text) != nil {
			return
		}
		u.Rev, u.Realm, u.LockedUntil = "", "", "" // the server's to say
		raw, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalJSON(raw); err != nil {
			t.Fatalf("%s was read, written as %s, and then refused: %v", text, raw, err)
		}
		for name, values := range u.Attributes {
			if len(values) == 0 && len(again.Attributes[name]) == 0 {
				u.Attributes[name] = again.Attributes[name]
			}
		}
		if len(u.Attributes) == 0 && len(again.Attributes) == 0 {
			u.Attributes, again.Attributes = nil, nil
		}
		if !reflect.DeepEqual(u, again) {
			t.Fatalf("%s: %+v, then %+v", text, u, again)
		}
		// As a server shows it, it is JSON, without the secrets.
		shown := AppendUser(nil, u)
		var back User
		if err := back.UnmarshalJSON(shown); err != nil || back.Password != "" || back.Hash != "" {
			t.Fatalf("shown as %s: %v", shown, err)
		}
	})
}

// What would be read back as something else than an attribute is not written.
func TestAttributeNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"mail": true, "uid": true, "DN": true, "Realm": true,
		"username": false, "userName": false, "USERPASSWORD": false, "inetuserstatus": false,
		"_admin": false, "_x": false, "realm": false, "dn": false, "universalid": false, "objectClass": false,
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(User{Name: "a", Attributes: map[string][]string{name: {"x"}}})
			if ok != (err == nil) {
				t.Fatalf("%s, %v", raw, err)
			}
			var u User
			if ok && (u.UnmarshalJSON(raw) != nil || !reflect.DeepEqual(u.Attributes[name], []string{"x"})) {
				t.Fatalf("%s is read as %+v", raw, u)
			}
		})
	}
}
