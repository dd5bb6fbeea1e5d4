package link

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const (
	maxCalls    = 4096     // requests of one peer that run or wait to be answered
	maxLoad     = 64 << 20 // and the sum of their bodies
	maxText     = 1 << 10  // of an error
	serverQuiet = 15 * time.Second
	readBuffer  = 32 << 10
	lifeSign    = 64 << 10 // bytes read for which the caller gets a pong unasked
)

// handlers is the services of this member.
type handlers struct {
	running sync.WaitGroup // requests not yet answered

	mu       sync.RWMutex
	services map[byte]Handler
	stopping bool
}

func (h *handlers) add(service byte, f Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.services[service] != nil {
		panic(fmt.Sprintf("link: second handler for service %d", service))
	}
	h.services[service] = f
}

// begin returns the handler and counts a request, or says why not.
func (h *handlers) begin(service byte) (Handler, byte) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	f := h.services[service]
	switch {
	case h.stopping:
		return nil, refusedClosing
	case f == nil:
		return nil, refusedNoHandler
	}
	h.running.Add(1)
	return f, 0
}

// stop refuses requests from now on.
func (h *handlers) stop() {
	h.mu.Lock()
	h.stopping = true
	h.mu.Unlock()
}

// server carries out the requests of one connection.
type server struct {
	l    *Link
	conn *stream
	from string
	out  *outbox

	mu    sync.Mutex
	calls int
	load  int // bytes
}

// serve reads requests until the connection breaks.
func (l *Link) serve(conn *stream, from string) {
	s := &server{l: l, conn: conn, from: from}
	s.out = newOutbox(conn, l.slow, s.release)
	l.wg.Go(func() {
		_ = s.out.run()
		_ = conn.raw.Close()
	})
	ctx, cancel := context.WithCancelCause(l.ctx)
	err := s.read(ctx)
	cancel(fmt.Errorf("connection of member %s: %w", from, err))
	l.untrack(conn.raw)
	_ = conn.raw.Close()
	s.release(tallyOf(s.out.close()))
	if errors.Is(err, errFrame) && l.refusals.due(hostOf(conn.raw)+"frame") {
		l.log.LogAttrs(ctx, slog.LevelWarn, "connection closed", addrOf(conn.raw), slog.String("member", from), slog.Any("err", err))
	}
}

func (s *server) read(ctx context.Context) error {
	r := bufio.NewReaderSize(&pacedReader{conn: s.conn, quiet: serverQuiet * s.l.slow, alive: func() { s.out.put(frame{kind: framePong}) }}, readBuffer)
	var head [frameHead]byte
	for {
		f, err := readFrame(r, &head)
		if err != nil {
			return err
		}
		switch f.kind {
		case framePing:
			s.out.put(frame{id: f.id, kind: framePong})
		case frameRequest:
			s.begin(ctx, f)
		default:
			return fmt.Errorf("%w: kind %d from a caller", errFrame, f.kind)
		}
		if s.out.waiting() > 2*maxCalls {
			return fmt.Errorf("%w: pings or refused requests without end", errFrame)
		}
	}
}

// begin starts the handler, or refuses.
func (s *server) begin(ctx context.Context, f frame) {
	h, why := s.l.accepted.begin(f.sub)
	if why == 0 && !s.admit(len(f.body)) {
		s.l.accepted.running.Done()
		why = refusedBusy
	}
	if why != 0 {
		s.out.put(frame{id: f.id, kind: frameRefusal, sub: why})
		return
	}
	s.l.hands.take(&s.l.wg, job{s, ctx, h, f})
}

func (s *server) admit(size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls >= maxCalls || s.load+size > maxLoad {
		return false
	}
	s.calls++
	s.load += size
	return true
}

// release forgets requests whose answers are written or will never be.
func (s *server) release(t tally) {
	if t.answers == 0 {
		return // pongs and refusals; Add(0) would race with the Wait of a drain
	}
	s.mu.Lock()
	s.calls -= t.answers
	s.load -= t.bytes
	s.mu.Unlock()
	s.l.accepted.running.Add(-t.answers)
}

func (s *server) handle(ctx context.Context, h Handler, f frame) {
	if f.arg > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(f.arg)*time.Millisecond)
		defer cancel()
	}
	// Whatever the handler does, panic and Goexit included, its caller hears of it.
	reply := errorFrame(f, 0, "handler ended without an answer")
	defer func() {
		if v := recover(); v != nil {
			s.logPanic(ctx, f.sub, v)
			reply = errorFrame(f, 0, "handler panicked")
		}
		s.answer(reply, len(f.body))
	}()
	body, err := h(ctx, s.from, f.body)
	var own *RemoteError
	switch {
	case errors.As(err, &own):
		reply = errorFrame(f, own.Code, own.Text)
	case err != nil:
		reply = errorFrame(f, 0, err.Error())
	case len(body) > MaxBody:
		reply = errorFrame(f, 0, ErrTooLarge.Error())
	default:
		reply = frame{id: f.id, kind: frameAnswer, body: body}
	}
}

func errorFrame(request frame, code uint32, text string) frame {
	return frame{id: request.id, kind: frameError, sub: request.sub, arg: code, body: []byte(text[:min(len(text), maxText)])}
}

// answer sends a reply in whose place a request of the given size was counted.
func (s *server) answer(reply frame, size int) {
	s.mu.Lock()
	s.load += len(reply.body) - size
	s.mu.Unlock()
	if !s.out.queue(reply) {
		s.release(tally{answers: 1, bytes: len(reply.body)})
		return
	}
	if err := s.out.flush(); err != nil {
		_ = s.conn.raw.Close() // its reader notices
	}
}

// logPanic names the kind of panic and the place. The value itself may hold part
// of a request and is logged only if the runtime made it.
func (s *server) logPanic(ctx context.Context, service byte, v any) {
	what := fmt.Sprintf("a value of type %T", v)
	var fault runtime.Error
	if err, ok := v.(error); ok && errors.As(err, &fault) {
		what = fault.Error()
	}
	s.l.log.LogAttrs(ctx, slog.LevelError, "handler panicked", slog.Int("service", int(service)),
		slog.String("member", s.from), slog.String("err", what), slog.String("stack", string(debug.Stack())))
}

// pacedReader gives up when nothing comes for the quiet time, and gives signs of
// life while much comes: a ping would wait behind it for longer than the caller
// bears silence.
type pacedReader struct {
	conn  net.Conn
	quiet time.Duration
	alive func()
	set   time.Time // when the deadline was last moved
	bytes int       // since the last sign
}

func (r *pacedReader) Read(b []byte) (int, error) {
	if now := time.Now(); now.Sub(r.set) > r.quiet/16 {
		if err := r.conn.SetReadDeadline(now.Add(r.quiet)); err != nil {
			return 0, err
		}
		r.set = now
	}
	n, err := r.conn.Read(b)
	if r.bytes += n; r.bytes >= lifeSign {
		r.bytes = 0
		r.alive()
	}
	return n, err
}
