package client

import (
	"context"
	"net/http"
	"net/url"

	"sojourn/http/wire"
)

// sessionCall posts an action on the session that token opens.
func (c *Client) sessionCall(ctx context.Context, realm, action, version string, r request, out any) error {
	r.method, r.version = http.MethodPost, version
	r.path = realmPath(realm) + "/sessions"
	if r.query == nil {
		r.query = url.Values{}
	}
	r.query.Set("_action", action)
	if r.body == nil {
		r.body = []byte("{}")
	}
	_, err := c.call(ctx, r, out)
	return err
}

// Validate asks whether a token opens a session. It resets the session's idle
// time; Peek does not.
func (c *Client) Validate(ctx context.Context, token wire.TokenID) (wire.Validation, error) {
	var v wire.Validation
	err := c.sessionCall(ctx, "", "validate", "4.0", request{token: token}, &v)
	return v, err
}

// Peek is Validate that leaves the idle time alone.
func (c *Client) Peek(ctx context.Context, token wire.TokenID) (wire.Validation, error) {
	var v wire.Validation
	err := c.sessionCall(ctx, "", "validate", "4.0", request{token: token, query: url.Values{"refresh": {"false"}}}, &v)
	return v, err
}

// Info describes the session that a token opens. A token that opens none is
// an *Error of status 401.
func (c *Client) Info(ctx context.Context, token wire.TokenID) (wire.SessionInfo, error) {
	var s wire.SessionInfo
	err := c.sessionCall(ctx, "", "getSessionInfo", "4.0", request{token: token}, &s)
	return s, err
}

// InfoAndTouch is Info that also resets the idle time.
func (c *Client) InfoAndTouch(ctx context.Context, token wire.TokenID) (wire.SessionInfo, error) {
	var s wire.SessionInfo
	err := c.sessionCall(ctx, "", "getSessionInfoAndResetIdleTime", "4.0", request{token: token}, &s)
	return s, err
}

// Refresh resets the idle time of a session and tells its times. A token that
// opens none gives a Refreshed without a UID.
func (c *Client) Refresh(ctx context.Context, token wire.TokenID) (wire.Refreshed, error) {
	var r wire.Refreshed
	err := c.sessionCall(ctx, "", "refresh", "3.1", request{token: token}, &r)
	return r, err
}

// Logout ends a session. It reports whether there was one to end.
func (c *Client) Logout(ctx context.Context, token wire.TokenID) (ended bool, err error) {
	var a struct {
		Result string `json:"result"`
	}
	err = c.sessionCall(ctx, "", "logout", "3.1", request{token: token}, &a)
	return a.Result == "Successfully logged out", err
}

// SessionProperties are the properties that the realm lets clients see.
func (c *Client) SessionProperties(ctx context.Context, token wire.TokenID) (wire.Properties, error) {
	var p wire.Properties
	err := c.sessionCall(ctx, "", "getSessionProperties", "3.1", request{token: token}, &p)
	return p, err
}

// SetSessionProperties changes properties; an empty value removes one. It
// returns all that the realm lets clients see.
func (c *Client) SetSessionProperties(ctx context.Context, token wire.TokenID, changes wire.Properties) (wire.Properties, error) {
	var p wire.Properties
	err := c.sessionCall(ctx, "", "updateSessionProperties", "3.1", request{token: token, body: wire.AppendProperties(nil, changes)}, &p)
	return p, err
}

// SessionsOf lists the sessions of a user, each with its handle. It is for
// administrators, as is everything below.
func (c *Client) SessionsOf(ctx context.Context, realm, username string) ([]wire.SessionInfo, error) {
	filter := "username eq " + quote(username)
	var page struct {
		Result []wire.SessionInfo `json:"result"`
	}
	_, err := c.call(ctx, request{
		method: http.MethodGet, path: realmPath(realm) + "/sessions", version: "3.1", admin: true,
		query: url.Values{"_queryFilter": {filter}},
	}, &page)
	return page.Result, err
}

// LogoutByHandle ends sessions by their handles.
func (c *Client) LogoutByHandle(ctx context.Context, handles ...string) error {
	body, err := wire.Marshal(map[string][]string{"sessionHandles": append([]string{}, handles...)})
	if err != nil {
		return err
	}
	return c.sessionCall(ctx, "", "logoutByHandle", "3.1", request{admin: true, body: body}, nil)
}

// LogoutByUser ends all sessions of a user.
func (c *Client) LogoutByUser(ctx context.Context, realm, username string) error {
	body, err := wire.Marshal(map[string]string{"username": username})
	if err != nil {
		return err
	}
	return c.sessionCall(ctx, realm, "logoutByUser", "5.1", request{admin: true, body: body}, nil)
}

// quote writes a text for a filter.
func quote(text string) string {
	b := []byte{'"'}
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, text[i])
	}
	return string(append(b, '"'))
}
