package sessions

import (
	"encoding/json"
	"testing"
	"time"

	"sojourn/cts/clientside"
	"sojourn/cts/session"
)

func content(body string) clientside.Content {
	return clientside.Content{
		ID: [16]byte{1}, Subject: "id=demo", Realm: "/alpha", Body: []byte(body),
		Issued: time.Unix(1772359200, 0).UTC(), Expires: time.Unix(1772366400, 0).UTC(),
	}
}

const goodBody = `{"at":1772359200500000,"uid":"demo","level":2,"trees":["Login"],"props":{"AMCtxId":"ctx-1"}}`

func TestReadRefuses(t *testing.T) {
	if x, err := read(content(goodBody)); err != nil || x.Principal.Username != "demo" || x.Created.Nanosecond() != 500_000_000 || x.AuthLevel != 2 {
		t.Fatalf("%+v %v", x, err)
	}
	for name, body := range map[string]string{
		"nothing":              `{}`,
		"no JSON":              `x`,
		"no user":              `{"at":1772359200500000}`,
		"another second":       `{"at":1772359201500000,"uid":"demo"}`,
		"a number for a user":  `{"at":1772359200500000,"uid":7}`,
		"properties as a list": `{"at":1772359200500000,"uid":"demo","props":[]}`,
	} {
		if x, err := read(content(body)); err == nil {
			t.Errorf("%s: %+v", name, x)
		}
	}
	for name, edit := range map[string]func(*clientside.Content){
		"no subject":    func(c *clientside.Content) { c.Subject = "" },
		"no realm":      func(c *clientside.Content) { c.Realm = "" },
		"over at once":  func(c *clientside.Content) { c.Expires = c.Issued },
		"far too long":  func(c *clientside.Content) { c.Expires = c.Issued.Add(session.MaxHolderLife + time.Hour) },
		"another birth": func(c *clientside.Content) { c.Issued = c.Issued.Add(time.Minute) },
	} {
		c := content(goodBody)
		edit(&c)
		if x, err := read(c); err == nil {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

// Whatever a holder of the keys may have sealed, what it opens has an end, is whose
// the token says, and says the same when it is sealed again.
func FuzzBody(f *testing.F) {
	f.Add([]byte(goodBody))
	f.Add([]byte(`{"at":1772359200000000,"uid":"x"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := content("")
		c.Body = raw
		x, err := read(c)
		if err != nil {
			return
		}
		if x.MaxExpires().IsZero() || !x.MaxExpires().Equal(c.Expires) || x.Admin || !x.ClientSide || x.Principal.Realm != "/alpha" {
			t.Fatalf("%q opens %+v", raw, x)
		}
		again, err := json.Marshal(body{At: x.Created.UnixMicro(), Username: x.Principal.Username, Level: x.AuthLevel, Trees: x.Trees, Props: x.Properties})
		if err != nil {
			t.Fatal(err)
		}
		c.Body = again
		if y, err := read(c); err != nil || y.Principal != x.Principal || !y.Created.Equal(x.Created) || len(y.Properties) != len(x.Properties) {
			t.Fatalf("sealed again it is %+v, %v", y, err)
		}
	})
}
