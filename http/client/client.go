// Package client speaks the PingAM-compatible API: journeys, sessions, and the
// administration of users, trees and realms. It is what the command line, the
// benchmark, the chaos runs and the tests of the server use, so that nothing
// is tested by a path that no client takes.
//
// A refusal of the server is an *Error. Every other error means that it is not
// known whether the request was carried out.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sojourn/http/wire"
)

// Config says where the server is and who asks.
type Config struct {
	// Base is the server's URL with its context path,
	// "http://localhost:8080/am".
	Base string
	// Operator is the operator token; empty for a client that only logs in.
	// With it, calls of administration need no session.
	Operator OperatorToken
	// Session, when set, is an administrator's token that is sent with calls of
	// administration instead of Operator.
	Session wire.TokenID
	// Cookie names the session cookie, and the header that stands for it;
	// "iPlanetDirectoryPro" when empty.
	Cookie string
	// Timeout bounds a call whose context has no deadline; 30 s when zero.
	// Backup, Restore and ImportUsers are bound by their context alone.
	Timeout time.Duration
	// TLS is used for https; nil means the system's roots.
	TLS *tls.Config
	// Transport carries the requests; nil makes one that keeps connections
	// and uses no proxy. TLS is for that one.
	Transport http.RoundTripper
}

// OperatorToken is the secret of who runs the cluster. It prints as
// [redacted].
type OperatorToken string

const redacted = "[redacted]"

func (OperatorToken) String() string       { return redacted }
func (OperatorToken) GoString() string     { return redacted }
func (OperatorToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// Client is safe for concurrent use and keeps its connections for the next
// call.
type Client struct {
	cfg  Config
	base string
	http *http.Client
}

const (
	defaultTimeout = 30 * time.Second
	// idlePerHost is how many connections are kept for a server.
	idlePerHost = 256
	// maxAnswer bounds an answer that is read as a whole, in bytes.
	maxAnswer = 64 << 20
)

// New returns a client of one server.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.Base)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("client: %q is no URL of a server: it needs http:// or https:// and a host", cfg.Base)
	}
	if cfg.Cookie == "" {
		cfg.Cookie = "iPlanetDirectoryPro"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			MaxIdleConnsPerHost: idlePerHost,
			IdleConnTimeout:     time.Minute,
			TLSClientConfig:     cfg.TLS,
			DisableCompression:  true,
		}
	}
	return &Client{
		cfg:  cfg,
		base: strings.TrimSuffix(cfg.Base, "/"),
		http: &http.Client{
			Transport:     cfg.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is a refusal: what the server answered instead of what was asked for.
type Error struct {
	// Status is the HTTP status. The failure is AM's error object; where the
	// body was none, its Message is the start of the body.
	Status int
	wire.Failure
	// RetryAfter is set when the server said when to come back.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	text := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	if e.Message != "" && e.Message != http.StatusText(e.Status) {
		text += ": " + e.Message
	}
	return text
}

// IsStatus reports whether err is a refusal with this HTTP status.
func IsStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// request is one call before it is made.
type request struct {
	method, path string
	query        url.Values
	version      string // of the resource
	body         []byte
	stream       io.Reader // instead of body, without a limit in time
	contentType  string    // of body or stream; JSON when empty
	token        wire.TokenID
	admin        bool
	header       map[string]string
}

// protocol is the CREST protocol version that every request names.
const protocol = "protocol=1.0"

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	switch {
	case r.stream != nil:
		body = r.stream
	case r.body != nil:
		body = bytes.NewReader(r.body)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	h := q.Header
	h.Set("Accept", "application/json")
	if r.version != "" {
		h.Set("Accept-API-Version", protocol+",resource="+r.version)
	}
	h.Set("X-Requested-With", "sojourn")
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	if r.contentType != "" {
		h.Set("Content-Type", r.contentType)
	}
	if r.admin && r.token == "" {
		r.token = c.cfg.Session
	}
	if r.token != "" {
		h.Set(c.cfg.Cookie, string(r.token))
	}
	if r.admin && c.cfg.Session == "" && c.cfg.Operator != "" {
		h.Set("Authorization", "Bearer "+string(c.cfg.Operator))
	}
	for name, value := range r.header {
		h.Set(name, value)
	}
	return q, nil
}

// answer is a whole answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes a call and reads its answer, whatever the status.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	if _, ok := ctx.Deadline(); !ok && r.stream == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
	}
	q, err := c.build(ctx, r)
	if err != nil {
		return answer{}, err
	}
	resp, err := c.http.Do(q)
	if err != nil {
		return answer{}, fmt.Errorf("client: %w", plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("client: read the answer to %s %s: %w", r.method, r.path, err)
	case len(body) > maxAnswer:
		return answer{}, fmt.Errorf("client: the answer to %s %s is larger than %d bytes", r.method, r.path, maxAnswer)
	}
	return answer{resp.StatusCode, resp.Header, body}, nil
}

// plain drops the URL that net/http puts into its errors: a query may hold a
// token.
func plain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// call makes a call that must succeed and decodes its answer into out, which
// may be nil.
func (c *Client) call(ctx context.Context, r request, out any) (status int, err error) {
	a, err := c.do(ctx, r)
	if err != nil {
		return 0, err
	}
	if a.status >= http.StatusBadRequest {
		return a.status, refusal(a)
	}
	if out == nil {
		return a.status, nil
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw = a.body
		return a.status, nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return a.status, fmt.Errorf("client: the answer to %s %s: %w", r.method, r.path, err)
	}
	return a.status, nil
}

// refusal makes the *Error of an answer.
func refusal(a answer) error {
	e := &Error{Status: a.status}
	if reply, err := wire.DecodeReply(a.body); err == nil && reply.Failure != nil {
		e.Failure = *reply.Failure
	} else {
		e.Code, e.Message = a.status, strings.ToValidUTF8(string(a.body[:min(len(a.body), 200)]), "")
	}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// realmPath is the long form of a realm's path: "/alpha/eu" is
// "/json/realms/root/realms/alpha/realms/eu".
func realmPath(realm string) string {
	var b strings.Builder
	b.WriteString("/json/realms/root")
	for part := range strings.SplitSeq(strings.Trim(realm, "/"), "/") {
		if part != "" {
			b.WriteString("/realms/")
			b.WriteString(url.PathEscape(part))
		}
	}
	return b.String()
}
