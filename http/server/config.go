package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Config says what to serve and how.
type Config struct {
	// Address to listen on, "host:port". Port 0 lets the kernel choose.
	Address string
	// Listener takes the place of Address. The server closes it, but not when
	// Listen fails. May be nil.
	Listener net.Listener
	// TLS, when set, makes the listener speak TLS 1.2 or newer and nothing
	// else.
	TLS *TLS
	// ContextPath is what all mounts lie below, such as "/am"; empty for none.
	// Handlers see whole paths.
	ContextPath string
	// Mounts are the handlers. At least one is required.
	Mounts []Mount
	// Limits that are zero take the values of DefaultLimits.
	Limits Limits
	// TrustTransactionID says whether a request's transaction id is taken from its
	// X-ForgeRock-TransactionId header, when it has a sound one (AM's
	// org.forgerock.http.TrustTransactionHeader). It is asked for such requests
	// alone, before any limit counts them, and must not take long. Nil: never, for
	// whoever can send a request can send the header.
	TrustTransactionID func(context.Context) bool
	// Log is told of panics and of trouble with connections. Required.
	Log *slog.Logger
	// AccessLog gets one record for each request. Nil keeps none.
	AccessLog *slog.Logger
}

// TLS names the files of a certificate chain and its key, in PEM. They are
// read again when they change, within ReloadInterval, at the next handshake; a
// pair that cannot be read is reported and the old one stays in use.
type TLS struct{ CertFile, KeyFile string }

// Mount is a handler and what it serves.
type Mount struct {
	// Path is a prefix below the context path, "/json/" or "/". One without a
	// trailing slash matches itself alone.
	Path    string
	Handler http.Handler
	// Essential requests are served even when too many are in flight: what an
	// orchestrator asks before it kills the process.
	Essential bool
	// Streaming requests carry bodies of any size for any time, and so do
	// their answers. Their handlers must guard them.
	Streaming bool
}

// Limits bound what clients can make the server do.
type Limits struct {
	// Header bounds a request's line and header fields, in bytes. net/http
	// reads up to 4 KiB more before it refuses with 431.
	Header int
	// Body bounds a request's body, in bytes.
	Body int64
	// Connections that are open at a time.
	Connections int
	// InFlight requests that handlers work on at a time. Reserved of these
	// places are for requests that go on with what was begun before: one that
	// asks Begins is told no while only they are left. Smaller than InFlight.
	InFlight, Reserved int
	// Streams are answers that last, which Stream makes of requests; a quarter of
	// them, rounded down, is for those who are preferred.
	Streams int

	// HeaderTime is how long a request's header, or a TLS handshake, may take.
	HeaderTime time.Duration
	// BodyTime is how long a request's body may take, from its first read.
	BodyTime time.Duration
	// RequestTime is what a handler has; its context ends then.
	RequestTime time.Duration
	// WriteTime is how long header, body, handler and answer may take together
	// before the connection is cut.
	WriteTime time.Duration
	// IdleTime is how long a connection is kept for its next request.
	IdleTime time.Duration
	// DrainTime is how long requests in flight have when the server stops.
	DrainTime time.Duration
}

// DefaultLimits is the one table of limits. An idle connection costs about
// 20 KiB, so its largest number costs 200 MiB.
func DefaultLimits() Limits {
	return Limits{
		Header:      16 << 10,
		Body:        2 << 20,
		Connections: 10_240,
		InFlight:    2048,
		Reserved:    512,
		Streams:     1000,
		HeaderTime:  10 * time.Second,
		BodyTime:    10 * time.Second,
		RequestTime: 20 * time.Second,
		WriteTime:   40 * time.Second,
		IdleTime:    2 * time.Minute,
		DrainTime:   15 * time.Second,
	}
}

// ReloadInterval is how often at most certificate files are looked at.
const ReloadInterval = 5 * time.Second

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	orElse(&l.Header, d.Header)
	orElse(&l.Body, d.Body)
	orElse(&l.Connections, d.Connections)
	orElse(&l.InFlight, d.InFlight)
	orElse(&l.Reserved, l.InFlight/4)
	orElse(&l.Streams, d.Streams)
	orElse(&l.HeaderTime, d.HeaderTime)
	orElse(&l.BodyTime, d.BodyTime)
	orElse(&l.RequestTime, d.RequestTime)
	orElse(&l.WriteTime, d.WriteTime)
	orElse(&l.IdleTime, d.IdleTime)
	orElse(&l.DrainTime, d.DrainTime)
	return l
}

func orElse[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func (l Limits) validate() error {
	if l.Header < 0 || l.Body < 0 || l.Connections < 0 || l.InFlight < 0 || l.Reserved < 0 || l.Streams < 0 ||
		l.HeaderTime < 0 || l.BodyTime < 0 || l.RequestTime < 0 ||
		l.WriteTime < 0 || l.IdleTime < 0 || l.DrainTime < 0 {
		return errors.New("a limit is negative")
	}
	if l := l.withDefaults(); l.Reserved >= l.InFlight {
		return fmt.Errorf("all %d requests in flight are reserved", l.InFlight)
	}
	return nil
}

// validate reports all faults of the configuration at once.
func (c Config) validate() error {
	faults := []error{c.Limits.validate()}
	if c.Log == nil {
		faults = append(faults, errors.New("no logger"))
	}
	if c.ContextPath != "" && (!strings.HasPrefix(c.ContextPath, "/") || strings.HasSuffix(c.ContextPath, "/")) {
		faults = append(faults, fmt.Errorf("context path %q must start with a slash and not end with one", c.ContextPath))
	}
	if len(c.Mounts) == 0 {
		faults = append(faults, errors.New("nothing is mounted"))
	}
	for i, m := range c.Mounts {
		if !strings.HasPrefix(m.Path, "/") {
			faults = append(faults, fmt.Errorf("mount path %q must start with a slash", m.Path))
		}
		if m.Handler == nil {
			faults = append(faults, fmt.Errorf("mount %s has no handler", m.Path))
		}
		for _, other := range c.Mounts[:i] {
			if other.Path == m.Path {
				faults = append(faults, fmt.Errorf("mount %s stands twice", m.Path))
			}
		}
	}
	if c.TLS != nil && (c.TLS.CertFile == "" || c.TLS.KeyFile == "") {
		faults = append(faults, errors.New("TLS needs a certificate file and a key file"))
	}
	return errors.Join(faults...)
}
