package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Limits of a sender.
const (
	queued      = 4096            // calls that wait
	workers     = 16              // calls that are under way
	abreast     = 4               // of them for one webhook of a realm
	attempts    = 3               // for one call
	attemptTime = 5 * time.Second // for one attempt, from the connection to the answer
	closeTime   = 2 * time.Second // that Close waits for what is queued
	idleTime    = 30 * time.Second
)

// Documents finds webhooks. realm.ErrNoDocument is certain absence.
type Documents interface {
	Document(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error)
}

// Config is what a Sender needs.
type Config struct {
	Documents Documents
	// Hosts may be called without TLS and at internal addresses: "host" or
	// "host:port" each.
	Hosts []string
	// Dial connects to an address; control, which may be nil, has to be asked
	// about each address before. Nil is Dial of this package.
	Dial func(ctx context.Context, network, address string, control func(network, address string, c syscall.RawConn) error) (net.Conn, error)
	// TLS says whom to trust; nil trusts the system's authorities.
	TLS *tls.Config
	// Pause is the time before the second attempt at a call; before the third it
	// is four times as long. Zero is a second.
	Pause time.Duration
	Log   *slog.Logger
}

// Sender calls webhooks. It is safe for concurrent use.
type Sender struct {
	config Config
	hosts  hosts
	client *http.Client

	stop    context.CancelFunc // ends the calls that are under way
	work    sync.WaitGroup
	mu      sync.Mutex // guards the next four
	closed  bool
	waiting int // calls, those behind others among them
	queue   chan *ended
	lanes   map[lane]*traffic // of webhooks that are being called
	dropped atomic.Int64
	failed  atomic.Int64
	sent    atomic.Int64
}

// ended is one webhook to be told of one session.
type ended struct {
	name    string
	session session.Session
	reason  session.Reason
}

// lane is where calls of one webhook go.
type lane struct {
	realm realm.Name
	name  string
}

func (e *ended) lane() lane { return lane{e.session.Principal.Realm, e.name} }

// traffic is what goes on in a lane. Calls that find it full wait behind it, not in
// the queue: a receiver that hangs holds up its own calls alone.
type traffic struct {
	busy   int // calls under way
	behind []*ended
}

// New returns a sender at work.
func New(c Config) (*Sender, error) {
	if c.Documents == nil || c.Log == nil {
		return nil, errors.New("webhook: documents and a logger are required")
	}
	if c.Dial == nil {
		c.Dial = Dial
	}
	if c.Pause == 0 {
		c.Pause = time.Second
	}
	s := &Sender{config: c, hosts: newHosts(c.Hosts), queue: make(chan *ended, queued), lanes: map[lane]*traffic{}}
	s.client = &http.Client{
		Timeout:       attemptTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: s.dial, TLSClientConfig: c.TLS, TLSHandshakeTimeout: attemptTime,
			MaxIdleConnsPerHost: workers, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	for range workers {
		s.work.Go(func() {
			for e := range s.queue {
				for ok := s.enter(e); ok; e, ok = s.leave(e.lane()) {
					s.tell(ctx, *e)
				}
			}
		})
	}
	return s, nil
}

// Ended has the webhooks of a session told that it ended. It does not block: when
// too many calls wait, these are dropped.
func (s *Sender) Ended(x session.Session, r session.Reason) {
	names := x.Webhooks()
	if len(names) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.closed {
			s.dropped.Add(1)
			continue
		}
		if s.waiting < queued {
			s.waiting++
			s.queue <- &ended{name, x, r} // there is room for all that may wait
			continue
		}
		if n := s.dropped.Add(1); n&(n-1) == 0 { // at each power of two: a flood is not one of lines
			s.config.Log.Warn("logout webhooks are dropped: too many wait", "dropped", n)
		}
	}
}

// enter reports whether a call may be made now. If not, whoever leaves its lane
// makes it.
func (s *Sender) enter(e *ended) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.lanes[e.lane()]
	if t == nil {
		t = &traffic{}
		s.lanes[e.lane()] = t
	}
	if t.busy == abreast {
		t.behind = append(t.behind, e)
		return false
	}
	t.busy++
	s.waiting--
	return true
}

// leave ends a call and returns one that waited behind it, if any.
func (s *Sender) leave(l lane) (*ended, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.lanes[l]
	if len(t.behind) > 0 {
		next := t.behind[0]
		t.behind[0], t.behind = nil, t.behind[1:]
		s.waiting--
		return next, true
	}
	if t.busy--; t.busy == 0 {
		delete(s.lanes, l)
	}
	return nil, false
}

// Close waits a moment for what is queued, drops the rest, and ends.
func (s *Sender) Close() {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if !was {
		close(s.queue)
	}
	late := time.AfterFunc(closeTime, s.stop)
	s.work.Wait()
	late.Stop()
	s.stop()
	s.client.CloseIdleConnections()
}

// Metrics are a sender's counters since its start.
type Metrics struct {
	// Sent calls were answered with a status of success; Failed were given up
	// after the last attempt; Dropped were never tried.
	Sent, Failed, Dropped int64
}

// Metrics returns the current figures.
func (s *Sender) Metrics() Metrics {
	return Metrics{Sent: s.sent.Load(), Failed: s.failed.Load(), Dropped: s.dropped.Load()}
}

// finalError is one that another attempt does not mend.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// tell makes one call, attempt by attempt.
func (s *Sender) tell(ctx context.Context, e ended) {
	pause := s.config.Pause
	var err error
	for n := range attempts {
		if n > 0 {
			if !wait(ctx, pause) {
				break
			}
			pause *= 4
		}
		var final finalError
		if err = s.attempt(ctx, e); err == nil || errors.As(err, &final) || ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		s.sent.Add(1)
		return
	}
	s.failed.Add(1)
	s.config.Log.Warn("a logout webhook was not told", "realm", string(e.session.Principal.Realm), "webhook", e.name,
		"event", e.reason.String(), "err", plain(err))
}

// attempt makes a call once. The definition is read each time: an administrator
// may mend it meanwhile.
func (s *Sender) attempt(ctx context.Context, e ended) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	d, err := s.config.Documents.Document(ctx, realm.KindWebhook, e.session.Principal.Realm, e.name)
	if errors.Is(err, realm.ErrNoDocument) {
		return finalError{err}
	}
	if err != nil {
		return fmt.Errorf("read the webhook: %w", err)
	}
	w, err := realm.DecodeWebhook(d.Body)
	if err != nil {
		return finalError{err}
	}
	if err := s.Check(w); err != nil {
		return finalError{err}
	}
	c, err := render(w, e.session, e.reason)
	if err != nil {
		return finalError{err}
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(c.body))
	if err != nil {
		return finalError{errors.New("the URL with the session's properties put in is none")}
	}
	q.Header = c.header
	if q.Header.Get("User-Agent") == "" {
		q.Header.Set("User-Agent", "sojourn")
	}
	resp, err := s.client.Do(q)
	switch {
	case errors.Is(err, errInternal):
		return finalError{err}
	case err != nil:
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("answered with status %d", resp.StatusCode)
	}
	return finalError{fmt.Errorf("answered with status %d", resp.StatusCode)}
}

// wait reports whether ctx lasted so long.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// plain is an error without the URL, which may have a session's properties in it.
func plain(err error) error {
	if at, ok := errors.AsType[*url.Error](err); ok {
		return at.Err
	}
	return err
}
