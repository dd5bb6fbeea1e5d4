package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"sojourn/http/wire"
)

// quietTime is how long a stream may be silent: the server says every 15 s that it
// is there.
const quietTime = time.Minute

// maxEvent bounds a line of a stream, in bytes.
const maxEvent = 256 << 10

// ErrQuiet says that a stream was silent for longer than a server that is there.
var ErrQuiet = errors.New("client: the stream is silent")

// Changes yields a change of kind wire.ChangeOpen when the stream is open, and then
// the sessions of a realm that end, or whose properties change, as they do: all of them for the operator and for administrators, and else the one
// of Config.Session. after is the Place of the last change that is known, at
// whatever member; empty begins with the next. The sequence ends with an error,
// which is io.EOF when the server ended it: the change before, of kind
// wire.ChangeOver, says why.
func (c *Client) Changes(ctx context.Context, realm, after string) iter.Seq2[wire.SessionChange, error] {
	return func(yield func(wire.SessionChange, error) bool) {
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		quiet := time.AfterFunc(quietTime, func() { stop(ErrQuiet) })
		defer quiet.Stop()
		body, err := c.open(ctx, realm, after)
		if err != nil {
			yield(wire.SessionChange{}, reason(ctx, err))
			return
		}
		defer func() { _ = body.Close() }()
		if !yield(wire.SessionChange{Kind: wire.ChangeOpen}, nil) {
			return
		}
		for change, err := range events(body, func() { quiet.Reset(quietTime) }) {
			if err != nil {
				err = reason(ctx, err)
			}
			if !yield(change, err) {
				return
			}
		}
	}
}

// reason is why a stream ended: what ended its context, or else err.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// open asks for a stream.
func (c *Client) open(ctx context.Context, realm, after string) (io.ReadCloser, error) {
	r := request{
		method: http.MethodGet, path: realmPath(realm) + "/sessions/notifications", version: "5.1", admin: true,
		header: map[string]string{"Accept": "text/event-stream"},
	}
	if after != "" {
		r.header["Last-Event-ID"] = after
	}
	q, err := c.build(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(q)
	if err != nil {
		return nil, fmt.Errorf("client: %w", plain(err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
	if err != nil {
		return nil, fmt.Errorf("client: %w", plain(err))
	}
	return nil, refusal(answer{resp.StatusCode, resp.Header, text})
}

// events reads a text/event-stream. alive is called for each line. What is no
// event of ours is passed over; an error is the last.
func events(from io.Reader, alive func()) iter.Seq2[wire.SessionChange, error] {
	return func(yield func(wire.SessionChange, error) bool) {
		lines := bufio.NewScanner(from)
		lines.Buffer(nil, maxEvent)
		var kind, place, data string
		for lines.Scan() {
			alive()
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case lines.Text() == "":
				change := wire.SessionChange{Kind: kind, Place: place}
				if data != "" && json.Unmarshal([]byte(data), &change) == nil && kind != "" && !yield(change, nil) {
					return
				}
				kind, place, data = "", "", ""
			case field == "event":
				kind = value
			case field == "id":
				place = value
			case field == "data":
				data += value
			}
			if len(data) > maxEvent {
				yield(wire.SessionChange{}, bufio.ErrTooLong)
				return
			}
		}
		err := lines.Err()
		if err == nil {
			err = io.EOF
		}
		yield(wire.SessionChange{}, err)
	}
}
