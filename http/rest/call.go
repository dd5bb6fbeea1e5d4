package rest

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"sojourn/actors/realm"
	"sojourn/http/wire"
)

// Limits of one request. The listener bounds header size and time.
const (
	maxBody      = 256 << 10 // default of Config.MaxBody
	maxAdminBody = 8 << 20   // default of Config.MaxAdminBody
	maxQuery     = 16 << 10  // bytes of the query string
	maxParts     = 24        // path parts after the endpoint's name
	maxParams    = 100       // query parameters

	bufferSize = 4 << 10  // what a fresh call's buffer holds
	maxKept    = 64 << 10 // a buffer that grew larger is not kept
)

// call is one request on its way through the frame. It is pooled: nothing may
// keep it, or a slice of its buffers, after the endpoint returned.
type call struct {
	h *Handler
	w http.ResponseWriter
	r *http.Request

	realm    realm.Name
	settings *realm.Settings
	// deployment are the shared settings of a call outside all realms, once known.
	deployment *realm.Deployment
	endpoint   *endpoint
	// path are the decoded parts after the endpoint's name; a trailing slash
	// makes none.
	path  []string
	query query
	// api is the resource version that serves the request.
	api served
	now time.Time
	// by names who was let in by a guard, for records of who changed what.
	by string

	parts [maxParts]string
	// buf builds the answer, in holds the request's body. Both are reused, and
	// so are the hashes of authIDs, as long as the keys are those of before.
	buf, in    []byte
	authIDs    *wire.AuthIDs
	authIDKeys *wire.AuthIDKeys
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request) *call {
	c, _ := h.calls.Get().(*call)
	c.h, c.w, c.r, c.now = h, w, r, h.cfg.Now()
	return c
}

func (h *Handler) end(c *call) {
	// What the buffers hold may be a secret: the next client's request starts
	// with zeroes.
	clear(c.buf)
	clear(c.in)
	buf, in := c.buf[:0], c.in[:0]
	if cap(buf) > maxKept {
		buf = make([]byte, 0, bufferSize)
	}
	if cap(in) > maxKept {
		in = nil
	}
	*c = call{buf: buf, in: in, authIDs: c.authIDs, authIDKeys: c.authIDKeys}
	h.calls.Put(c)
}

// signer signs and verifies authIds with the keys of now.
func (c *call) signer() *wire.AuthIDs {
	keys := c.h.cfg.AuthIDs()
	if keys == c.authIDKeys {
		return c.authIDs
	}
	made, err := wire.NewAuthIDs(*keys)
	if err != nil {
		panic(err) // they are derived, and New has checked the first
	}
	c.authIDs, c.authIDKeys = made, keys
	return made
}

func (c *call) context() context.Context { return c.r.Context() }

// readBody returns the request's body, at most the endpoint's limit of it. The
// slice is valid until the endpoint returns. A body that is not empty must be
// JSON by its Content-Type.
func (c *call) readBody() ([]byte, error) {
	limit := c.endpoint.body
	if limit == 0 {
		limit = c.h.cfg.MaxAdminBody
	}
	if c.r.ContentLength > int64(limit) {
		return nil, errTooLarge
	}
	if c.r.Body == nil || c.r.Body == http.NoBody {
		return nil, nil
	}
	if cap(c.in) == 0 {
		c.in = make([]byte, 0, bufferSize)
	}
	for {
		if len(c.in) == cap(c.in) {
			c.in = append(c.in, 0)[:len(c.in)]
		}
		n, err := c.r.Body.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+n]
		if len(c.in) > limit {
			return nil, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, bodyError(err)
		}
	}
	if len(c.in) > 0 && !jsonContent(c.r.Header["Content-Type"]) {
		return nil, errMediaType
	}
	return c.in, nil
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlowBody
	}
	return errCutBody
}

func jsonContent(header []string) bool {
	if len(header) != 1 {
		return false
	}
	if header[0] == "application/json" {
		return true
	}
	kind, _, err := mime.ParseMediaType(header[0])
	return err == nil && kind == "application/json"
}

// method answers 405 with Allow unless the request's verb is one of allowed,
// a comma list.
func (c *call) method(allowed string) error {
	rest := allowed
	for rest != "" {
		var verb string
		verb, rest, _ = strings.Cut(rest, ", ")
		if verb == c.r.Method {
			return nil
		}
	}
	c.w.Header()["Allow"] = []string{allowed}
	return errMethod
}
