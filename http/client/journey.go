package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"

	"sojourn/http/wire"
)

// Journey says which journey to begin, and how.
type Journey struct {
	// Realm is a slash path; empty is the top level. Tree is the tree's name;
	// empty is the realm's default.
	Realm, Tree string
	// Username and Password, when Username is set, fill the first callbacks of
	// their kind without being asked (zero-page login).
	Username string
	Password wire.Password
	// NoSession and ForceAuth are AM's parameters of these names.
	NoSession, ForceAuth bool
	// Query holds further parameters, such as goto or locale.
	Query url.Values
	// Session is an existing session that goes along.
	Session wire.TokenID
}

// maxSteps bounds a login that Login answers.
const maxSteps = 100

// ErrTooLong says that a journey asked more often than any should.
var ErrTooLong = errors.New("client: the journey does not end")

// Start begins a journey. The reply is a step to be answered or a success;
// failure is an *Error.
func (c *Client) Start(ctx context.Context, j Journey) (wire.Reply, error) {
	query := url.Values{}
	maps.Copy(query, j.Query)
	if j.Tree != "" {
		query.Set("authIndexType", "service")
		query.Set("authIndexValue", j.Tree)
	}
	if j.NoSession {
		query.Set("noSession", "true")
	}
	if j.ForceAuth {
		query.Set("ForceAuth", "true")
	}
	header := map[string]string{}
	if j.Username != "" {
		header["X-OpenAM-Username"] = mime.BEncoding.Encode("UTF-8", j.Username)
		header["X-OpenAM-Password"] = mime.BEncoding.Encode("UTF-8", string(j.Password))
	}
	return c.authenticate(ctx, request{path: realmPath(j.Realm) + "/authenticate", query: query, token: j.Session, header: header})
}

// Next answers a step: its callbacks with their inputs filled in.
func (c *Client) Next(ctx context.Context, realm string, step wire.Step) (wire.Reply, error) {
	return c.Answer(ctx, Journey{Realm: realm}, step)
}

// Answer is Next for a journey that an existing session goes along with: as a
// cookie would, it is sent with every request. Of j only Realm and Session
// matter; everything else was said when the journey began.
func (c *Client) Answer(ctx context.Context, j Journey, step wire.Step) (wire.Reply, error) {
	return c.authenticate(ctx, request{path: realmPath(j.Realm) + "/authenticate", token: j.Session, body: wire.AppendStep(nil, step)})
}

func (c *Client) authenticate(ctx context.Context, r request) (wire.Reply, error) {
	r.method, r.version, r.contentType = http.MethodPost, "2.1", "application/json"
	a, err := c.do(ctx, r)
	if err != nil {
		return wire.Reply{}, err
	}
	reply, err := wire.DecodeReply(a.body)
	switch {
	case a.status >= http.StatusBadRequest && (err != nil || reply.Step == nil):
		return wire.Reply{}, refusal(a)
	case err != nil:
		return wire.Reply{}, fmt.Errorf("client: the answer to authenticate: %w", err)
	case reply.Failure != nil:
		return wire.Reply{}, refusal(a)
	}
	return reply, nil
}

// Login runs a journey from start to end. answer fills in the inputs of each
// step; an error of it ends the login and is returned.
func (c *Client) Login(ctx context.Context, j Journey, answer func(*wire.Step) error) (wire.Success, error) {
	reply, err := c.Start(ctx, j)
	for range maxSteps {
		if err != nil {
			return wire.Success{}, err
		}
		if reply.Success != nil {
			return *reply.Success, nil
		}
		if err := answer(reply.Step); err != nil {
			return wire.Success{}, err
		}
		reply, err = c.Answer(ctx, j, *reply.Step)
	}
	return wire.Success{}, ErrTooLong
}

// Credentials answers name and password callbacks, and leaves all others as
// they came.
func Credentials(username string, password wire.Password) func(*wire.Step) error {
	return func(step *wire.Step) error {
		for i := range step.Callbacks {
			cb := &step.Callbacks[i]
			if len(cb.Input) == 0 {
				continue
			}
			switch cb.Type {
			case "NameCallback", "ValidatedCreateUsernameCallback":
				cb.Input[0].Value = username
			case "PasswordCallback", "ValidatedCreatePasswordCallback":
				cb.Input[0].Value = string(password)
			}
		}
		return nil
	}
}
