package client

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

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

// SessionQuery says which stored sessions of a realm are wanted; client-side ones
// are in no list.
type SessionQuery struct {
	// Username and Handle are those of the sessions, empty for any.
	Username, Handle string
	// PageSize is how many to ask for at once; zero leaves it to the server.
	PageSize int
}

// Sessions yields sessions of a realm, each with its handle, in no order that
// means anything. It is for administrators, as is everything below. An error ends
// the sequence.
func (c *Client) Sessions(ctx context.Context, realm string, q SessionQuery) iter.Seq2[wire.SessionInfo, error] {
	var terms []string
	if q.Username != "" {
		terms = append(terms, "username eq "+quote(q.Username))
	}
	if q.Handle != "" {
		terms = append(terms, "sessionHandle eq "+quote(q.Handle))
	}
	query := url.Values{"_queryFilter": {cmp.Or(strings.Join(terms, " and "), "true")}}
	if q.PageSize > 0 {
		query.Set("_pageSize", strconv.Itoa(q.PageSize))
	}
	return func(yield func(wire.SessionInfo, error) bool) {
		for {
			var page struct {
				Result []wire.SessionInfo `json:"result"`
				Cookie *string            `json:"pagedResultsCookie"`
			}
			_, err := c.call(ctx, request{
				method: http.MethodGet, path: realmPath(realm) + "/sessions", version: "3.1", admin: true, query: query,
			}, &page)
			if err != nil {
				yield(wire.SessionInfo{}, err)
				return
			}
			for _, s := range page.Result {
				if !yield(s, nil) {
					return
				}
			}
			if page.Cookie == nil || *page.Cookie == "" {
				return
			}
			query.Set("_pagedResultsCookie", *page.Cookie)
		}
	}
}

// SessionsOf lists the sessions of a user.
func (c *Client) SessionsOf(ctx context.Context, realm, username string) ([]wire.SessionInfo, error) {
	var all []wire.SessionInfo
	for s, err := range c.Sessions(ctx, realm, SessionQuery{Username: username}) {
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// LogoutByHandle ends sessions by their handles and tells of each whether it names
// no session any more.
func (c *Client) LogoutByHandle(ctx context.Context, handles ...string) (map[string]bool, error) {
	body, err := wire.Marshal(map[string][]string{"sessionHandles": append([]string{}, handles...)})
	if err != nil {
		return nil, err
	}
	var a struct {
		Result map[string]bool `json:"result"`
	}
	err = c.sessionCall(ctx, "", "logoutByHandle", "3.1", request{admin: true, body: body}, &a)
	return a.Result, err
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
