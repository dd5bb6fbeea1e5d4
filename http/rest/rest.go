package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/actors/transaction"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// Journeys runs journeys. Its errors are those of the error table in
// errors.go; a failed login is a Reply, not an error. Both methods may be
// called concurrently and end early when ctx does.
type Journeys interface {
	Start(ctx context.Context, r journey.StartRequest) (journey.Reply, error)
	Resume(ctx context.Context, r journey.ResumeRequest) (journey.Reply, error)
	// ResumeSuspended goes on with a suspended journey, once. It is
	// journey.ErrSuspended for an id that is not known, was used or has expired.
	ResumeSuspended(ctx context.Context, r journey.ResumeSuspendedRequest) (journey.Reply, error)
}

// Sessions finds authenticated sessions.
type Sessions interface {
	// Session returns the valid session that a token opens. It returns
	// session.ErrNotFound for certain absence, also for a token that is none of
	// ours, and *session.UnavailableError when it cannot know.
	Session(ctx context.Context, token session.TokenID) (session.Session, error)
	// Touch notes that a session was used at now. It does not block.
	Touch(x session.Session, now time.Time)
}

// Transactions are what users authorise by journeys. Its errors are those of
// package transaction, or mean that nothing is known.
type Transactions interface {
	Initiate(ctx context.Context, r realm.Name, q transaction.Request) (transaction.ID, error)
	Transaction(ctx context.Context, r realm.Name, id transaction.ID) (transaction.Transaction, error)
	// Begin says which tree a transaction wants run for somebody with a session,
	// nil for none.
	Begin(ctx context.Context, r realm.Name, id transaction.ID, x *session.Session) (tree string, t journey.Transaction, err error)
}

// Realms knows the realms and their settings. The settings are shared and must
// not be changed.
type Realms interface {
	// Realm returns journey.ErrNoRealm for certain absence; an inactive realm
	// is there. Any other error means that nothing is known.
	Realm(ctx context.Context, name realm.Name) (*realm.Settings, error)
}

// Config is what a Handler needs. Fields without a default are required.
type Config struct {
	// Path is the context path in front of /json, such as "/am"; empty for
	// none. The Handler sees whole paths: mount it without stripping any.
	Path     string
	Journeys Journeys
	Sessions Sessions
	Realms   Realms
	// Transactions may be nil: then there are none.
	Transactions Transactions
	// AuthIDs are the keys that sign and verify the authId. It is asked for each
	// request that has one: the same pointer means the same keys. One that is
	// too short makes a request panic.
	AuthIDs func() *wire.AuthIDKeys
	// Current is nil when this member is not cut off from the others, and may
	// say of an authId that no key has signed it. nil says that it never is.
	Current func(context.Context) error
	// Sealer seals the journeys of realms whose clients carry them. Without one
	// they are answered as unavailable.
	Sealer Sealer
	// Process are the settings that all realms share, as the configuration of this
	// process has them: those of a request outside all realms.
	Process realm.Deployment
	// GotoAllowed says whether a goto or gotoOnFail parameter may lead to
	// target in a realm with these settings.
	GotoAllowed func(target string, s *realm.Settings) bool
	// Origins may call from browsers of other sites: "https://app.example.com"
	// each, compared exactly. None by default.
	Origins []string
	// AllowHeaders are request headers that pages of Origins may send besides
	// those of AM's clients.
	AllowHeaders []string
	// MaxBody bounds a request's body, in bytes: clients echo whole steps,
	// scripts and device profiles in it. Zero is 256 KiB. MaxAdminBody bounds
	// that of a request to the configuration; zero is 8 MiB.
	MaxBody, MaxAdminBody int
	// TransactionID returns the request's transaction id for logs; nil means
	// that there is none. ClientIP returns the client's address; nil takes the
	// peer's.
	TransactionID func(context.Context) string
	// Begins says whether a request may begin a journey, or be answered 503: it is
	// asked before anything is done for it. Nil: always. Journeys that are begun
	// are not asked about.
	Begins func(context.Context) bool
	// Stream makes the answer to a request one that lasts: it returns the context
	// of that answer, which ends when the client leaves or the server stops, or an
	// error when too many last; preferred are the operator and administrators. Nil
	// returns the context that it is given.
	Stream   func(ctx context.Context, preferred bool) (context.Context, error)
	ClientIP func(*http.Request) string
	// Resources are what else the API serves.
	Resources Resources
	// Log takes what an operator should see. Now is the clock, time.Now when
	// nil.
	Log *slog.Logger
	Now func() time.Time
}

// Handler is the API as an http.Handler. It is safe for concurrent use.
type Handler struct {
	cfg       Config
	prefix    string                  // Path + "/json/"
	cookies   atomic.Pointer[cookies] // made last
	cors      cors
	endpoints map[string]*endpoint
	calls     sync.Pool
	listeners listeners // of the streams of notifications
	// warned is the second in which it was said last that something is
	// unavailable.
	warned atomic.Int64
}

// New checks the configuration and reports all faults at once.
func New(cfg Config) (*Handler, error) {
	var faults []error
	need := func(present bool, name string) {
		if !present {
			faults = append(faults, fmt.Errorf("rest: %s is required", name))
		}
	}
	need(cfg.Journeys != nil, "Journeys")
	need(cfg.Sessions != nil, "Sessions")
	need(cfg.Realms != nil, "Realms")
	need(cfg.GotoAllowed != nil, "GotoAllowed")
	need(cfg.Log != nil, "Log")
	need(cfg.Resources.Documents == nil || cfg.Resources.NodeTypes != nil, "Resources.NodeTypes")
	need(cfg.AuthIDs != nil, "AuthIDs")
	if cfg.Path != "" && (!strings.HasPrefix(cfg.Path, "/") || strings.HasSuffix(cfg.Path, "/")) {
		faults = append(faults, fmt.Errorf("rest: Path %q must start and not end with a slash", cfg.Path))
	}
	if err := cfg.Process.Cookies.Check(); err != nil {
		faults = append(faults, fmt.Errorf("rest: Process.Cookies: %w", err))
	}
	cors, err := newCORS(cfg.Origins, cfg.AllowHeaders)
	faults = append(faults, err)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = maxBody
	}
	if cfg.MaxAdminBody == 0 {
		cfg.MaxAdminBody = maxAdminBody
	}
	if cfg.TransactionID == nil {
		cfg.TransactionID = func(context.Context) string { return "" }
	}
	if cfg.Current == nil {
		cfg.Current = func(context.Context) error { return nil }
	}
	if cfg.Begins == nil {
		cfg.Begins = func(context.Context) bool { return true }
	}
	if cfg.Stream == nil {
		cfg.Stream = func(ctx context.Context, _ bool) (context.Context, error) { return ctx, nil }
	}
	if cfg.ClientIP == nil {
		cfg.ClientIP = peer
	}
	h := &Handler{cfg: cfg, prefix: cfg.Path + "/json/", cors: cors}
	h.cookies.Store(newCookies(cfg.Process.Cookies))
	h.endpoints = h.table()
	h.calls.New = func() any { return &call{buf: make([]byte, 0, bufferSize)} }
	return h, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.cors.handle(w, r) {
		return
	}
	c := h.begin(w, r)
	if err := h.serve(c); err != nil { //nolint:contextcheck // the call holds the request and its context
		c.fail(err) //nolint:contextcheck // as above
	}
	h.end(c)
}

func (h *Handler) serve(c *call) error {
	e, err := h.route(c)
	if err != nil {
		return err
	}
	c.endpoint = e
	if err := c.negotiate(e.versions); err != nil {
		return err
	}
	if err := h.checkCSRF(c); err != nil {
		return err
	}
	return e.serve(c)
}

func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
