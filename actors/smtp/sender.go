// Package smtp sends mails through a mail server.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"

	"sojourn/actors/mail"
	"sojourn/cts/session"
)

// TLS says how a connection to the server is protected.
type TLS string

// The ways. STARTTLS that the server does not offer is an error: nothing is ever
// sent in the clear unless that is configured.
const (
	StartTLS TLS = "starttls" // port 587 by default
	Implicit TLS = "tls"      // port 465 by default
	None     TLS = "none"     // port 25 by default; for a server on this machine
)

// Config is how mail is sent. Host and From are required.
type Config struct {
	Host string
	Port int // zero is that of TLS
	// User and Password are empty for a server that asks for none. Over a
	// connection without TLS none are ever sent.
	User     string
	Password Password
	TLS      TLS // empty is StartTLS
	// Authorities vouch for the server's certificate; nil: the system's.
	Authorities *x509.CertPool
	// From is the sender of mails whose template names none.
	From string
	Log  *slog.Logger
}

// Password prints as [redacted].
type Password string

const redacted = "[redacted]"

func (Password) String() string       { return redacted }
func (Password) GoString() string     { return redacted }
func (Password) LogValue() slog.Value { return slog.StringValue(redacted) }

// Bounds of what waits and of how long it is tried.
const (
	maxWaiting = 1024 // mails, those that are set aside among them; beyond that Send refuses
	workers    = 4
	dialTime   = 10 * time.Second // for each exchange with the server
	sendTime   = 30 * time.Second // for one try
	stopTime   = 5 * time.Second  // Close waits that long for what is being sent
	maxRecent  = 4096             // ids by which a mail that was just sent is known
)

// pauses are how long a mail waits before it is tried again; after the last it
// is given up.
func pauses() []time.Duration {
	return []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute}
}

// Sender sends mails, each when its turn comes. It is safe for concurrent use.
// What waits is in memory: it is lost with the process.
type Sender struct {
	config  Config
	options []gomail.Option
	dialer  interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	}

	queue  chan letter     // has room for all that may wait
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	closing sync.Once

	mu     sync.Mutex
	recent map[string]struct{} // ids that were taken
	order  []string            // the same, the oldest first

	waiting, sent, failed atomic.Int64
}

// letter is a mail on its way.
type letter struct {
	mail  mail.Message
	tries int // that have failed
}

// New starts a sender. It does not connect: a server that is away is no
// obstacle to a start. Close ends it.
func New(c Config) (*Sender, error) {
	if err := mail.CheckSender(c.From); err != nil {
		return nil, fmt.Errorf("smtp: from: %w", err)
	}
	if c.Host == "" || c.Log == nil {
		return nil, errors.New("smtp: a host and a log are required")
	}
	s := &Sender{config: c, queue: make(chan letter, maxWaiting), recent: map[string]struct{}{}}
	security := &tls.Config{ServerName: c.Host, RootCAs: c.Authorities, MinVersion: tls.VersionTLS12}
	s.options = []gomail.Option{gomail.WithTimeout(dialTime), gomail.WithTLSConfig(security), gomail.WithoutNoop()}
	plain := &net.Dialer{Timeout: dialTime}
	s.dialer = plain
	port := 587
	switch c.TLS {
	case "", StartTLS:
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		port = 465
		s.dialer = &tls.Dialer{NetDialer: plain, Config: security}
		s.options = append(s.options, gomail.WithSSL())
	case None:
		if c.User != "" {
			return nil, errors.New("smtp: a password is not sent without TLS")
		}
		port = 25
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("smtp: %q is none of starttls, tls, none", c.TLS)
	}
	if c.Port != 0 {
		port = c.Port
	}
	s.options = append(s.options, gomail.WithPort(port))
	if c.User != "" {
		s.options = append(s.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(c.User), gomail.WithPassword(string(c.Password)))
	}
	if _, err := gomail.NewClient(c.Host, s.options...); err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for range workers {
		s.work.Go(s.run)
	}
	return s, nil
}

// Send takes a mail over. The error is a *session.UnavailableError when too many
// wait. A mail that was taken a moment ago, known by its ID, is not taken again.
func (s *Sender) Send(m mail.Message) error {
	if err := s.ctx.Err(); err != nil {
		return &session.UnavailableError{Reason: "this member is stopping", RetryAfter: time.Second}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.recent[m.ID]; again {
		return nil
	}
	if s.waiting.Load() >= maxWaiting {
		return &session.UnavailableError{Reason: "too many mails wait to be sent", RetryAfter: 5 * time.Second}
	}
	s.waiting.Add(1)
	s.queue <- letter{mail: m}
	s.recent[m.ID] = struct{}{}
	if s.order = append(s.order, m.ID); len(s.order) > maxRecent {
		delete(s.recent, s.order[0])
		s.order = s.order[1:]
	}
	return nil
}

// Metrics counts mails.
type Metrics struct {
	Waiting      int64
	Sent, Failed int64 // since the start
}

// Metrics reads the counters.
func (s *Sender) Metrics() Metrics {
	return Metrics{Waiting: s.waiting.Load(), Sent: s.sent.Load(), Failed: s.failed.Load()}
}

// Close takes no more mails, gives what is being sent a moment, and says how
// many were not sent.
func (s *Sender) Close() {
	s.closing.Do(func() {
		s.cancel()
		s.work.Wait()
		if n := s.waiting.Load(); n > 0 {
			s.config.Log.Warn("mails were not sent before this member stopped", "mails", n)
		}
	})
}

func (s *Sender) run() {
	for s.ctx.Err() == nil {
		select {
		case <-s.ctx.Done():
			return
		case l := <-s.queue:
			s.deliver(l)
		}
	}
}

// deliver tries to send a mail. When the server is away or says so the mail is set
// aside for a while, out of the way of the others.
func (s *Sender) deliver(l letter) {
	message, err := s.message(l.mail)
	again := false
	if err == nil {
		err = s.try(message)
		again = err != nil && temporary(err)
	}
	switch all := pauses(); {
	case err == nil:
		s.waiting.Add(-1)
		s.sent.Add(1)
	case again && l.tries < len(all):
		pause := all[l.tries]
		l.tries++
		s.config.Log.Warn("a mail is to be sent again", "server", s.config.Host, "in", pause, "err", told(err))
		// After Close nobody takes it: it is among those that Close counts.
		time.AfterFunc(pause, func() { s.queue <- l })
	default:
		s.waiting.Add(-1)
		s.failed.Add(1)
		s.config.Log.Error("a mail could not be sent", "server", s.config.Host, "err", told(err))
	}
}

// try sends a mail over a connection of its own. One that has begun when Close
// is called has a moment to end.
func (s *Sender) try(m *gomail.Msg) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), sendTime)
	defer cancel()
	defer context.AfterFunc(s.ctx, func() { time.AfterFunc(stopTime, cancel) })()
	// The library leaves a connection open that it does not trust.
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dialer.DialContext(ctx, network, address)
		if err == nil {
			open = append(open, conn)
		}
		return conn, err
	}
	client, err := gomail.NewClient(s.config.Host, append(slices.Clip(s.options), gomail.WithDialContextFunc(dial))...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, m)
}

func (s *Sender) message(m mail.Message) (*gomail.Msg, error) {
	from := m.From
	if from == "" {
		from = s.config.From
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := errors.Join(message.From(from), message.To(m.To)); err != nil {
		return nil, err
	}
	message.Subject(m.Subject)
	message.SetDate()
	message.SetMessageIDWithValue(m.ID + "@" + mail.Domain(from))
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	kind := gomail.TypeTextPlain
	if m.HTML {
		kind = gomail.TypeTextHTML
	}
	message.SetBodyString(kind, m.Body)
	return message, nil
}

// temporary reports whether it makes sense to try again.
func temporary(err error) bool {
	if refused, ok := errors.AsType[*gomail.SendError](err); ok {
		return refused.IsTemp() || refused.ErrorCode() == 0
	}
	return true // no connection, or none that is trusted yet
}

// told is an error without the addresses that it may name.
func told(err error) error {
	if refused, ok := errors.AsType[*gomail.SendError](err); ok {
		return fmt.Errorf("%s, code %d %s", refused.Reason, refused.ErrorCode(), refused.EnhancedStatusCode())
	}
	return err
}
