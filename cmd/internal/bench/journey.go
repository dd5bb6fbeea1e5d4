package bench

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// page is what an answer of a journey looks like, learned once: its callbacks
// are the same every time, so later answers are compared and not decoded.
type page struct {
	path      string
	realm     string // the page's; empty for the top level
	authID    string // of the answer that it was learned from
	callbacks []byte // as the server wrote them
	decoded   []map[string]any
}

// learn starts a journey and reads its page.
func learn(ctx context.Context, r *ring, s Server) (*page, error) {
	path := s.authenticate()
	status, body, err := r.post(ctx, request{path: path})
	if err != nil {
		return nil, err
	}
	p, err := read(path, status, body)
	if err == nil {
		p.realm = s.Realm
	}
	return p, err
}

// read takes an answer for a page.
func read(path string, status int, body []byte) (*page, error) {
	var answer struct {
		AuthID    string          `json:"authId"`
		Callbacks json.RawMessage `json:"callbacks"`
	}
	if status != 200 || json.Unmarshal(body, &answer) != nil || answer.AuthID == "" {
		return nil, wrong("page", status, body)
	}
	p := &page{path: path, authID: answer.AuthID, callbacks: bytes.Clone(answer.Callbacks)}
	if err := json.Unmarshal(p.callbacks, &p.decoded); err != nil {
		return nil, fmt.Errorf("read callbacks: %w", err)
	}
	return p, nil
}

// start begins a journey and returns its authId.
func (p *page) start(ctx context.Context, r *ring) (string, error) {
	status, body, err := r.post(ctx, request{path: p.path})
	if err != nil {
		return "", err
	}
	authID, ok := p.authIDOf(status, body)
	if !ok {
		return "", wrong("start", status, body)
	}
	return authID, nil
}

// authIDOf reads the authId of an answer; ok says that the answer is this page.
func (p *page) authIDOf(status int, body []byte) (authID string, ok bool) {
	_, rest, found := bytes.Cut(body, []byte(`"authId":"`))
	if status != 200 || !found || !bytes.Contains(body, p.callbacks) {
		return "", false
	}
	to := bytes.IndexByte(rest, '"')
	if to <= 0 || bytes.Count(rest[:to], []byte(".")) != 2 {
		return "", false
	}
	return string(rest[:to]), true
}

// answerTo is the body that answers a page.
func answerTo(authID string, filled []byte) []byte {
	body := make([]byte, 0, len(authID)+len(filled)+32)
	body = append(body, `{"authId":"`...)
	body = append(body, authID...)
	body = append(body, `","callbacks":`...)
	body = append(body, filled...)
	return append(body, '}')
}

// login begins a journey, answers its page with what fill gave, and returns the
// session's token.
func (p *page) login(ctx context.Context, r *ring, filled []byte) (string, error) {
	authID, err := p.start(ctx, r)
	if err != nil {
		return "", err
	}
	status, answer, err := r.post(ctx, request{path: p.path, body: answerTo(authID, filled)})
	if err != nil {
		return "", err
	}
	return tokenOf(p.realm, status, answer)
}

// fill returns the page's callbacks with name and password in them.
func (p *page) fill(u User) ([]byte, error) {
	named, secret := false, false
	for _, callback := range p.decoded {
		switch callback["type"] {
		case "NameCallback":
			named = setInput(callback, u.Name)
		case "PasswordCallback":
			secret = setInput(callback, string(u.Password))
		default:
			return nil, fmt.Errorf("the page asks for a %v; bench answers names and passwords only", callback["type"])
		}
	}
	if !named || !secret {
		return nil, errors.New("the first page does not ask for both name and password; choose another journey")
	}
	return json.Marshal(p.decoded)
}

// walk returns the page's callbacks answered so that the journey goes on: the
// user's name and password, the first choice, the first button.
func (p *page) walk(u User) ([]byte, error) {
	asks := false
	for _, callback := range p.decoded {
		ok := false
		switch callback["type"] {
		case "TextOutputCallback":
			continue
		case "NameCallback":
			ok = setInput(callback, u.Name)
		case "PasswordCallback":
			ok = u.Password != "" && setInput(callback, string(u.Password))
		case "ChoiceCallback", "ConfirmationCallback":
			ok = setInput(callback, 0)
		}
		if !ok {
			return nil, fmt.Errorf("the page asks for a %v; bench answers names, passwords of users that it knows, choices and confirmations", callback["type"])
		}
		asks = true
	}
	if !asks {
		return nil, errors.New("the page asks for nothing")
	}
	return json.Marshal(p.decoded)
}

func setInput(callback map[string]any, value any) bool {
	inputs, _ := callback["input"].([]any)
	if len(inputs) != 1 {
		return false
	}
	input, ok := inputs[0].(map[string]any)
	if ok {
		input["value"] = value
	}
	return ok
}

// tokenOf reads the answer that ends a login in a realm.
func tokenOf(realm string, status int, body []byte) (string, error) {
	var a struct {
		TokenID    string `json:"tokenId"`
		SuccessURL string `json:"successUrl"`
		Realm      string `json:"realm"`
	}
	if status != 200 || json.Unmarshal(body, &a) != nil || a.TokenID == "" || a.SuccessURL == "" || a.Realm != cmp.Or(realm, "/") {
		return "", wrong("login", status, body)
	}
	return a.TokenID, nil
}
