package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"sojourn/http/wire"
)

const usersVersion = "4.0"

func userPath(realm, name string) string { return realmPath(realm) + "/users/" + url.PathEscape(name) }

// Users yields the users of a realm in order of their names. An error ends the
// sequence.
func (c *Client) Users(ctx context.Context, realm string) iter.Seq2[wire.User, error] {
	return func(yield func(wire.User, error) bool) {
		cookie := ""
		for {
			var page struct {
				Result []wire.User `json:"result"`
				Cookie *string     `json:"pagedResultsCookie"`
			}
			query := url.Values{"_queryFilter": {"true"}}
			if cookie != "" {
				query.Set("_pagedResultsCookie", cookie)
			}
			_, err := c.call(ctx, request{method: http.MethodGet, path: realmPath(realm) + "/users", query: query, version: usersVersion, admin: true}, &page)
			if err != nil {
				yield(wire.User{}, err)
				return
			}
			for _, u := range page.Result {
				if !yield(u, nil) {
					return
				}
			}
			if page.Cookie == nil || *page.Cookie == "" {
				return
			}
			cookie = *page.Cookie
		}
	}
}

// User reads one user; 404 is an *Error.
func (c *Client) User(ctx context.Context, realm, name string) (wire.User, error) {
	var u wire.User
	_, err := c.call(ctx, request{method: http.MethodGet, path: userPath(realm, name), version: usersVersion, admin: true}, &u)
	return u, err
}

// CreateUser stores a new user; one that exists is an *Error of status 409.
func (c *Client) CreateUser(ctx context.Context, realm string, u wire.User) error {
	body, err := u.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = c.call(ctx, request{
		method: http.MethodPost, path: realmPath(realm) + "/users", query: url.Values{"_action": {"create"}},
		version: usersVersion, admin: true, body: body,
	}, nil)
	return err
}

// UpdateUser changes what u names about a user that exists: attributes (an
// empty list removes one), status, password. One that does not is an *Error of
// status 404.
func (c *Client) UpdateUser(ctx context.Context, realm string, u wire.User) (wire.User, error) {
	body, err := u.MarshalJSON()
	if err != nil {
		return wire.User{}, err
	}
	var now wire.User
	_, err = c.call(ctx, request{
		method: http.MethodPut, path: userPath(realm, u.Name), version: usersVersion, admin: true, body: body,
		header: map[string]string{"If-Match": "*"},
	}, &now)
	return now, err
}

// DeleteUser removes a user and ends its sessions.
func (c *Client) DeleteUser(ctx context.Context, realm, name string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: userPath(realm, name), version: usersVersion, admin: true}, nil)
	return err
}

// Limits of one request of an import, so that it ends within the server's time
// for a request. A password that the server must hash takes as long as many
// hashes that are brought along.
const (
	importBytes    = 512 << 10
	importWork     = 2000 // lines, those with a password counted more often
	passwordWork   = 40   // how often
	passwordMember = "userpassword"
)

// MaxImportLine is how long a line of an import may be, in bytes, its end
// included.
const MaxImportLine = 256 << 10

// ErrLine says that a line of an import is longer than any user.
var ErrLine = errors.New("client: a line is too long for a user")

// ImportUsers stores users from JSON lines, each a wire.User, in requests of
// bounded size, and adds up what became of them. Empty lines are passed over, and
// counted as lines. progress, when not nil, is
// told the report so far after each request. After an error the report is that
// of the requests before; the import may be repeated as a whole, for users that
// are there already stay as they are unless overwrite is set.
func (c *Client) ImportUsers(ctx context.Context, realm string, from io.Reader, overwrite bool, progress func(wire.ImportReport)) (wire.ImportReport, error) {
	var total wire.ImportReport
	var batch bytes.Buffer
	first, inBatch, work := 1, 0, 0
	flush := func() error {
		if inBatch == 0 {
			return nil
		}
		report, err := c.importBatch(ctx, realm, batch.Bytes(), overwrite)
		if err != nil {
			return err
		}
		add(&total, report, first)
		if progress != nil {
			progress(total)
		}
		first += inBatch
		inBatch, work = 0, 0
		batch.Reset()
		return nil
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, MaxImportLine)
	for lines.Scan() {
		cost := 1
		if bytes.Contains(bytes.ToLower(lines.Bytes()), []byte(passwordMember)) {
			cost = passwordWork
		}
		if work+cost > importWork || batch.Len()+len(lines.Bytes()) > importBytes {
			if err := flush(); err != nil {
				return total, err
			}
		}
		batch.Write(lines.Bytes())
		batch.WriteByte('\n')
		inBatch++
		work += cost
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return total, fmt.Errorf("%w: line %d", ErrLine, first+inBatch)
	case err != nil:
		return total, fmt.Errorf("client: read users: %w", err)
	}
	return total, flush()
}

func (c *Client) importBatch(ctx context.Context, realm string, lines []byte, overwrite bool) (wire.ImportReport, error) {
	query := url.Values{"_action": {"import"}}
	if overwrite {
		query.Set("overwrite", "true")
	}
	var report wire.ImportReport
	_, err := c.call(ctx, request{
		method: http.MethodPost, path: realmPath(realm) + "/users", query: query, version: usersVersion, admin: true,
		body: lines, contentType: "application/x-ndjson",
	}, &report)
	return report, err
}

// maxErrors bounds the errors that an import keeps.
const maxErrors = 100

// add adds the report of a batch whose first line is line number first.
func add(total *wire.ImportReport, batch wire.ImportReport, first int) {
	total.Created += batch.Created
	total.Replaced += batch.Replaced
	total.Existing += batch.Existing
	total.Failed += batch.Failed
	for _, e := range batch.Errors {
		if len(total.Errors) < maxErrors {
			e.Line += first - 1
			total.Errors = append(total.Errors, e)
		}
	}
}
