package actors

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/clientside"
	"sojourn/cts/session"
)

// Cookies makes and reads the texts of persistent cookies: *clientside.Codec.
type Cookies interface {
	Seal(p clientside.Purpose, how realm.ClientSide, c clientside.Content) (string, error)
	Open(p clientside.Purpose, text string) (clientside.Content, error)
}

// cookieBody is what a persistent cookie says beside its claims, as JSON:
//
//	{"v":1,"ends":1772377200,"key":"label mine","ip":"192.0.2.1"}
//
// ends is when it is over in any case, in seconds of Unix time.
type cookieBody struct {
	Version int    `json:"v"`
	Ends    int64  `json:"ends"`
	Key     string `json:"key,omitempty"`
	IP      string `json:"ip,omitempty"`
}

const cookieVersion = 1

// cookiesSealedWith is how persistent cookies are sealed in every realm: signed
// and encrypted, with keys that a cluster always has. AM too has no setting for
// it.
func cookiesSealedWith() realm.ClientSide {
	return realm.ClientSide{Signing: realm.HS256, Encryption: realm.Direct}
}

func (e *effects) sealCookie(s node.SealCookie) (node.Result, error) {
	if e.cookies == nil {
		return nil, errors.New("there are no keys for persistent cookies")
	}
	c := s.Cookie
	body, err := json.Marshal(cookieBody{Version: cookieVersion, Ends: c.Ends.Unix(), Key: c.Key, IP: c.ClientIP})
	if err != nil {
		return nil, err
	}
	text, err := e.cookies.Seal(clientside.PersistentCookie, cookiesSealedWith(), clientside.Content{
		ID: s.ID, Subject: c.User, Realm: string(c.Realm), Issued: c.Issued, Expires: c.Expires, Body: body,
	})
	if err != nil {
		return nil, fmt.Errorf("seal a persistent cookie: %w", err)
	}
	return node.CookieSealed{Text: node.SealedText(text)}, nil
}

// openCookie reads what a client sent. A cookie of a key that this member does
// not have yet is one that it cannot judge.
func (e *effects) openCookie(o node.OpenCookie) (node.Result, error) {
	if e.cookies == nil {
		return node.CookieOpened{}, nil
	}
	content, err := e.cookies.Open(clientside.PersistentCookie, string(o.Text))
	if newer := (*clientside.NewerKeyError)(nil); errors.As(err, &newer) {
		return nil, &session.UnavailableError{Reason: "a persistent cookie was made with a key that is not known here yet", RetryAfter: time.Second}
	}
	var body cookieBody
	if err != nil || json.Unmarshal(content.Body, &body) != nil || body.Version != cookieVersion {
		return node.CookieOpened{}, nil
	}
	return node.CookieOpened{OK: true, Cookie: node.PersistentCookie{
		Realm: realm.Name(content.Realm), User: content.Subject, Issued: content.Issued, Expires: content.Expires,
		Ends: time.Unix(body.Ends, 0), Key: body.Key, ClientIP: body.IP,
	}}, nil
}
