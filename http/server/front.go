package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// frontDoor is the one handler that net/http knows. It is what every request
// passes before its own handler.
type frontDoor struct {
	cfg      Config
	ids      *transactionIDs
	inFlight atomic.Int64
	refused  atomic.Int64
	begins   atomic.Int64 // that were told no
	streams  atomic.Int64
	// stopping ends when the server begins to stop.
	stopping context.Context
	stop     context.CancelFunc
}

func newFrontDoor(cfg Config) (*frontDoor, error) {
	ids, err := newTransactionIDs()
	if err != nil {
		return nil, err
	}
	f := &frontDoor{cfg: cfg, ids: ids}
	f.stopping, f.stop = context.WithCancel(context.Background())
	return f, nil
}

// exchange is one request and its answer. It lives as long as the request's
// context may be held, so it is never reused.
type exchange struct {
	http.ResponseWriter
	ctx     requestContext
	body    body
	started time.Time
	status  int
	written int64
	counted bool   // among the requests in flight
	release func() // of a stream
}

func (f *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &exchange{ResponseWriter: w, started: time.Now()}
	e.ctx.Context, e.ctx.door, e.ctx.exchange, e.ctx.txid = r.Context(), f, e, f.ids.of(r, f.cfg.TrustTransactionID)
	defer f.finish(e, r)

	mount := f.find(r.URL.Path)
	if mount == nil {
		refuse(e, http.StatusNotFound, "Resource '"+r.URL.Path+"' not found")
		return
	}
	if !mount.Essential {
		if f.inFlight.Add(1) > int64(f.cfg.Limits.InFlight) {
			f.inFlight.Add(-1)
			f.refused.Add(1)
			e.Header().Set("Retry-After", "1")
			refuse(e, http.StatusServiceUnavailable, "Too many requests in flight")
			return
		}
		e.counted = true
	}
	defer e.finished()
	if mount.Streaming {
		f.lift(e)
	} else {
		if r.ContentLength > f.cfg.Limits.Body {
			e.Header().Set("Connection", "close")
			refuse(e, http.StatusRequestEntityTooLarge, "The request body is larger than "+strconv.FormatInt(f.cfg.Limits.Body, 10)+" bytes")
			return
		}
		e.ctx.deadline = e.started.Add(f.cfg.Limits.RequestTime)
	}
	defer e.ctx.end()
	mount.Handler.ServeHTTP(e, f.inner(e, r, mount)) //nolint:contextcheck // e.ctx wraps the context of r
}

// inner is the request as its handler sees it: with a context and a body of
// ours.
func (f *frontDoor) inner(e *exchange, r *http.Request, mount *Mount) *http.Request {
	inner := r.WithContext(&e.ctx)
	if r.ContentLength == 0 || mount.Streaming {
		return inner
	}
	e.body = body{
		ReadCloser: http.MaxBytesReader(e.ResponseWriter, r.Body, f.cfg.Limits.Body),
		exchange:   e,
		allowed:    f.cfg.Limits.BodyTime,
	}
	if !mount.Essential {
		e.body.counted = &f.inFlight
	}
	inner.Body = &e.body
	return inner
}

// find returns the mount that serves a path, nil when none does.
func (f *frontDoor) find(path string) *Mount {
	below, ok := strings.CutPrefix(path, f.cfg.ContextPath)
	if !ok {
		return nil
	}
	var best *Mount
	for i := range f.cfg.Mounts {
		m := &f.cfg.Mounts[i]
		if below != m.Path && (!strings.HasSuffix(m.Path, "/") || !strings.HasPrefix(below, m.Path)) {
			continue
		}
		if best == nil || len(m.Path) > len(best.Path) {
			best = m
		}
	}
	return best
}

// lift takes the connection's deadlines away for a streaming exchange.
func (f *frontDoor) lift(e *exchange) {
	c := http.NewResponseController(e.ResponseWriter)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
}

// finish is deferred around a request: it answers a panic and writes the
// access log.
func (f *frontDoor) finish(e *exchange, r *http.Request) {
	trouble := recover()
	if trouble != nil && trouble != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		f.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "a handler panicked",
			slog.String("txid", e.ctx.txid), slog.String("method", r.Method), slog.String("path", redactPath(r.URL.Path)),
			slog.Any("err", trouble), slog.String("stack", string(debug.Stack())))
		if e.status == 0 {
			refuse(e, http.StatusInternalServerError, "Internal Server Error")
			trouble = nil
		}
	}
	if f.cfg.AccessLog != nil {
		f.record(e, r)
	}
	if trouble != nil {
		// Half an answer is out: only cutting the connection tells the client.
		panic(http.ErrAbortHandler)
	}
}

// record writes one line about a request: never its query, body, header fields
// or what looks like a token in its path.
func (f *frontDoor) record(e *exchange, r *http.Request) {
	status := e.status
	if status == 0 {
		status = http.StatusOK
	}
	peer, _, _ := net.SplitHostPort(r.RemoteAddr)
	f.cfg.AccessLog.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("txid", e.ctx.txid),
		slog.String("method", r.Method),
		slog.String("path", redactPath(r.URL.Path)),
		slog.Int("status", status),
		slog.Int64("bytes", e.written),
		slog.Duration("took", time.Since(e.started)),
		slog.String("peer", peer))
}

// longestName is the longest path segment that the access log shows: longer
// than a UUID, shorter than any token.
const longestName = 64

func redactPath(path string) string {
	if len(path) <= longestName {
		return path
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if len(part) > longestName {
			parts[i] = "[redacted]"
		}
	}
	return strings.Join(parts, "/")
}

// WriteHeader notes the status. An answer that says the server failed carries
// the transaction id that the log has.
func (e *exchange) WriteHeader(status int) {
	if e.status == 0 && status >= http.StatusOK {
		e.status = status
	}
	if status >= http.StatusInternalServerError {
		e.Header().Set(transactionHeader, e.ctx.txid)
	}
	e.ResponseWriter.WriteHeader(status)
}

func (e *exchange) Write(p []byte) (int, error) {
	if e.status == 0 {
		e.status = http.StatusOK
	}
	n, err := e.ResponseWriter.Write(p)
	e.written += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// refuse answers in the shape of AM's errors.
func refuse(w http.ResponseWriter, status int, message string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(refusalBody(status, message)) //nolint:gosec // escaped JSON, and nosniff says that it is
}

func refusalBody(status int, message string) []byte {
	raw, err := json.Marshal(struct {
		Code    int    `json:"code"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}{status, http.StatusText(status), message})
	if err != nil {
		panic("two strings and a number do not encode: " + err.Error())
	}
	return raw
}
