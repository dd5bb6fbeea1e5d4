package chaos

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sojourn/cmd/internal/chaos/history"
	"sojourn/http/client"
	"sojourn/http/wire"
)

// LoadConfig says who is loaded, and how hard.
type LoadConfig struct {
	// Bases are the URLs of the members; in a history a member is its index.
	Bases []string
	// Operator stores the journey and the users of the load.
	Operator client.OperatorToken
	// Seed makes the choices of the workers.
	Seed uint64
	// Writers log in, every second one out, Readers validate; each is a worker
	// with connections of its own. 8 of each when zero.
	Writers, Readers int
	// Journeys is how many journeys of several steps are under way at a time,
	// each step after a Pause; Idle is how many more rest between their steps,
	// for IdleRest on average: they find out what was forgotten meanwhile. None
	// when zero; IdleRest is 10 s when zero.
	Journeys, Idle int
	IdleRest       time.Duration
	// StepTimeout is how long the client of a journey waits for an answer before
	// it asks another member; 1 s when zero.
	StepTimeout time.Duration
	// Watchers of each member read sessions at this member alone, those above
	// all that have ended: a member that others go around, because it is cut off
	// or slow, must not be wrong either. 3 when zero.
	Watchers int
	// WatchPause is between two requests of a watcher; 10 ms when zero.
	WatchPause time.Duration
	// Pause is how long a worker waits on average before its next request.
	// 25 ms when zero: some 600 requests a second of all, which leaves two
	// cores with members on them room for elections.
	Pause time.Duration
	// Timeout is how long a client waits for an answer; 5 s when zero. It is
	// longer than a member waits for a leader, so that members speak first.
	Timeout time.Duration
	// Hedged is the share of steps that go to two members at once: the last of
	// a login as it is, those of journeys with different answers. 0.1 when zero.
	Hedged float64
	// Realm is the slash path of the realm that is loaded; "/" when empty.
	Realm string
	// Store is where the realm keeps journeys, by AM's name (In-Memory, CTS, JWT),
	// and ClientSide has holders keep their sessions. With neither the realm's
	// settings stay as they are.
	Store      string
	ClientSide bool
	// Users is how many log in; 40 when zero.
	Users int
	// TLS is used for https; nil means the system's roots.
	TLS *tls.Config
	// Dial connects to a member; nil: over TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxOps bounds the history; when it is full the load ends with an error. A
	// million when zero.
	MaxOps int
}

func (c *LoadConfig) setDefaults() {
	for _, d := range []struct {
		field *int
		value int
	}{{&c.Writers, 8}, {&c.Readers, 8}, {&c.Watchers, 3}, {&c.Users, 40}, {&c.MaxOps, 1_000_000}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Pause == 0 {
		c.Pause = 25 * time.Millisecond
	}
	if c.WatchPause == 0 {
		c.WatchPause = 10 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.StepTimeout == 0 {
		c.StepTimeout = time.Second
	}
	if c.IdleRest == 0 {
		c.IdleRest = 10 * time.Second
	}
	if c.Hedged == 0 {
		c.Hedged = 0.1
	}
	if c.Realm == "" {
		c.Realm = "/"
	}
}

// Load is a steady stream of logins, validations and logouts, and the history
// of what came of them.
type Load struct {
	cfg      LoadConfig
	begun    time.Time
	seed     maphash.Seed
	password wire.Password // of all users

	mu         sync.Mutex
	members    []*loaded
	ops        []history.Op
	steps      []history.Step
	numbers    int // sessions so far
	trips      int // journeys of several steps so far
	unfinished []*trip
	board      board
	taken      taken
	samples    []string
}

// loaded is a member under load.
type loaded struct {
	base    string
	busy    atomic.Int64 // requests that wait for it
	watched bool         // its watchers run; for Run alone
}

// session is one of which a client has the token.
type session struct {
	number int
	token  wire.TokenID
	user   string // whose it must be; empty when anybody's will do
}

// Why a load ends by itself.
var (
	errStopped = errors.New("chaos: the load stopped")
	// ErrFull says that the history was full.
	ErrFull = fmt.Errorf("%w: the history is full", errStopped)
)

// NewLoad returns a load that has not begun.
func NewLoad(cfg LoadConfig) (*Load, error) {
	cfg.setDefaults()
	if len(cfg.Bases) == 0 {
		return nil, errors.New("chaos: a load needs members")
	}
	l := &Load{cfg: cfg, begun: time.Now(), seed: maphash.MakeSeed(), password: wire.Password(rand.Text())}
	for _, base := range cfg.Bases {
		if err := l.Add(base); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Add loads one more member; its index is the next.
func (l *Load) Add(base string) error {
	if _, err := client.New(client.Config{Base: base}); err != nil {
		return err //nolint:wrapcheck // it says all
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members = append(l.members, &loaded{base: base})
	return nil
}

// targets are the members now.
func (l *Load) targets() []*loaded {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.members)
}

// Prepare stores the journeys and the users, at the first member, and waits until
// every member has them.
func (l *Load) Prepare(ctx context.Context) error {
	c, err := client.New(client.Config{Base: l.cfg.Bases[0], Operator: l.cfg.Operator, Transport: l.transport()})
	if err != nil {
		return err //nolint:wrapcheck // it says all
	}
	defer c.Close()
	if err := l.prepare(ctx, c); err != nil {
		return err
	}
	for _, m := range l.targets() {
		if err := l.offered(ctx, m.base); err != nil {
			return err
		}
	}
	return nil
}

// preparing bounds the wait for one member.
const preparing = 10 * time.Second

// offered waits until a member begins every journey of the load.
func (l *Load) offered(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, preparing)
	defer cancel()
	c := l.client(base)
	defer c.Close()
	for _, tree := range []string{journey, routes()[0].tree, routes()[1].tree} {
		for {
			_, err := c.Start(ctx, client.Journey{Realm: l.cfg.Realm, Tree: tree})
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("chaos: %s does not begin the journey %s: %w", base, tree, err)
			}
			pause(ctx, l.cfg.Pause)
		}
	}
	return nil
}

// Run keeps the load up until ctx ends, lets running requests end, and returns
// nil then.
func (l *Load) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	group.Go(func() { l.watch(ctx, stop) })
	sessions := l.cfg.Writers + l.cfg.Readers
	for i := range sessions + l.cfg.Journeys + l.cfg.Idle {
		w := l.worker(i, stop)
		work := w.read
		switch {
		case i >= sessions+l.cfg.Journeys:
			work = func(ctx context.Context) { w.travel(ctx, l.cfg.IdleRest) }
		case i >= sessions:
			work = func(ctx context.Context) { w.travel(ctx, l.cfg.Pause) }
		case i >= l.cfg.Writers:
		case i%2 == 0:
			work = w.enter
		default:
			work = w.leave
		}
		group.Go(func() {
			defer w.close()
			for ctx.Err() == nil {
				work(ctx)
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); errors.Is(err, errStopped) {
		return err
	}
	return nil
}

// Now is the time on the clock of the history.
func (l *Load) Now() time.Duration { return time.Since(l.begun) }

// History is what was recorded so far.
func (l *Load) History() []history.Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.ops)
}

// Journeys is what was recorded of journeys of several steps so far.
func (l *Load) Journeys() []history.Step {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.steps)
}

// maxSamples bounds the answers that are kept in words.
const maxSamples = 20

// Samples are the first answers that no client should get, in words.
func (l *Load) Samples() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.samples)
}

// add records an operation; err is the client's, for a sample.
func (l *Load) add(op history.Op, err error) (full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ops)+len(l.steps) >= l.cfg.MaxOps && !op.Final {
		return true
	}
	l.ops = append(l.ops, op)
	if err != nil && (op.Outcome == history.Wrong || op.Outcome == history.Unauthorized) {
		l.sample("%s of session %d at member %d, %v after the start: %v", op.Kind, op.Session, op.Member, op.End.Round(time.Millisecond), err)
	}
	return false
}

// addStep is add for a request of a journey. A refusal is no sample: it may be
// right.
func (l *Load) addStep(s history.Step, err error) (full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ops)+len(l.steps) >= l.cfg.MaxOps {
		return true
	}
	l.steps = append(l.steps, s)
	if s.Outcome == history.Wrong {
		l.sample("step %d of journey %d at member %d, %v after the start: %v", s.Number, s.Journey, s.Member, s.End.Round(time.Millisecond), err)
	}
	return false
}

func (l *Load) sample(format string, args ...any) {
	if len(l.samples) < maxSamples {
		l.samples = append(l.samples, fmt.Sprintf(format, args...))
	}
}

// fingerprint stands for a text in a history; that of no text is 0.
func (l *Load) fingerprint(text string) uint64 {
	if text == "" {
		return 0
	}
	return maphash.String(l.seed, text)
}

// client makes a client for a member that shares no connection with any other.
func (l *Load) client(base string) *client.Client {
	c, err := client.New(client.Config{Base: base, Timeout: l.cfg.Timeout, Transport: l.transport()})
	if err != nil {
		panic(fmt.Sprintf("chaos: a base that Add took: %v", err))
	}
	return c
}

func (l *Load) transport() *http.Transport {
	return &http.Transport{DisableCompression: true, DialContext: l.cfg.Dial, TLSClientConfig: l.cfg.TLS}
}

// finalReaders is how many clients read what is left.
const finalReaders = 16

// finalTries is how often a member may fail to answer a final read, and
// finalPause how long it has to recover between.
const (
	finalTries = 5
	finalPause = 500 * time.Millisecond
)

// ReadAll reads every acknowledged session at every member. It belongs after
// Run, when all faults have healed.
func (l *Load) ReadAll(ctx context.Context) error {
	l.mu.Lock()
	all := l.board.all
	l.mu.Unlock()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range finalReaders {
		group.Go(func() error {
			var clients []*client.Client
			for _, m := range l.targets() {
				c := l.client(m.base)
				defer c.Close()
				clients = append(clients, c)
			}
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) || ctx.Err() != nil {
					return ctx.Err()
				}
				for member, c := range clients {
					l.finalRead(ctx, c, member, all[i])
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("chaos: read all sessions: %w", err)
	}
	return nil
}

func (l *Load) finalRead(ctx context.Context, c *client.Client, member int, s session) {
	for try := range finalTries {
		op := history.Op{Kind: history.Validate, Final: true, Member: member, Session: s.number, Start: l.Now()}
		v, err := c.Peek(ctx, s.token)
		op.End, op.Outcome = l.Now(), read(v, err)
		answered := op.Outcome == history.OK || op.Outcome == history.Gone || op.Outcome == history.Unauthorized
		if answered || try == finalTries-1 || ctx.Err() != nil {
			l.add(op, err)
			return
		}
		pause(ctx, finalPause)
	}
}

// read is the outcome of a validation.
func read(v wire.Validation, err error) history.Outcome {
	if err == nil && !v.Valid {
		return history.Gone
	}
	return outcome(err)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
