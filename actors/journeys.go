package actors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"sojourn/actors/identity"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// Config is what Journeys needs. Every field without a default is required.
type Config struct {
	// Self is this member; View gives the current view, in which Self stands.
	Self placement.MemberID
	View func() placement.View
	// Peers asks other members; nil when the view never has any.
	Peers Peers
	// Quorum is asked before a journey is called unknown. An error says that
	// this member may be cut off from those that know it, and is the request's
	// answer. Nil: never.
	Quorum func(ctx context.Context) error
	// Replicas is how many members hold each journey in realms that do not say:
	// 1, 3 or 5; zero means 3. There are never more than the view has.
	Replicas int
	// Runs knows who has certainly ended; nil: nobody has. Founding stores with
	// whom journeys are begun anew; nil: they are not.
	Runs     Runs
	Founding Founding
	// CutOff reports, without blocking, whether this member sees no majority of
	// the members that there are: then no journey begins here. Nil: never.
	CutOff func() bool
	// Catalog knows realms, settings and trees.
	Catalog *Catalog
	// Users checks passwords and changes identities.
	Users identity.Repository
	// Sessions creates what successful journeys end in.
	Sessions Sessions
	// Keys say which id the session of a journey has; DigestKey, 32 bytes, keys the digests by which
	// a repeated answer is recognised. Both are the cluster's.
	Keys      session.Keys
	DigestKey []byte
	// Suffix ends every universal id, such as "ou=am-config".
	Suffix string
	Meter  Meter
	// Cookies makes and reads persistent cookies; nil: none is made or taken.
	Cookies Cookies
	// Mail sends mails; nil: nodes that send some fail.
	Mail Mailer
	// Transactions are what journeys authorise; nil: nothing.
	Transactions *Transactions
	Logger       *slog.Logger
	Now          func() time.Time
	// Rand gives unpredictable bytes; it is read concurrently.
	Rand io.Reader
	// MaxWaiting bounds the journeys kept in memory; zero means 1,000,000.
	// MaxEnded bounds the memory of journeys that have ended; zero means
	// 4,000,000.
	MaxWaiting, MaxEnded int64
	// StepTimeout bounds the effects of one step; zero means 30 seconds. A
	// request's own deadline does so too. A step runs on though the client has
	// gone, so that a retry finds the result.
	StepTimeout time.Duration
	// Stored is where journeys of realms with that setting are kept; nil: their
	// requests are answered as unavailable.
	Stored Stored
	// MaxStored bounds the journeys that this member begins to keep there and
	// whose time is not over; zero means 1,000,000.
	MaxStored int64
	// LoginPage is this server's own page at which suspended journeys are resumed,
	// a URL, for realms that name none; empty: there is none.
	LoginPage string
}

// Journeys is the front door to all journeys of the cluster. Its methods may
// be called on any member.
type Journeys struct {
	config  Config
	effects effects
	logger  *slog.Logger
	repairs *repairs

	// door is held for a moment by who serves a request; sealed says that
	// this member answers for no journey any more.
	door     sync.RWMutex
	sealed   bool
	serving  sync.WaitGroup
	suspects *suspects
	itself   register.Set // this member alone

	system  *actor.ActorSystem
	crew    *crew
	mux     *mux
	gateway *gateway
	slots   *slots
	ledger  *ledger
	sealer  *sealer

	suspending suspending

	base       context.Context // ends when Close is called
	cancel     context.CancelCauseFunc
	deadlines  *deadlines
	digester   *digester
	allowlists allowlists
	work       sync.WaitGroup

	closing sync.Once
	counts  counts
}

// mailboxTurn is how many messages a mailbox handles before others get their
// turn.
const mailboxTurn = 300

// errClosing is the cause of what Close ended.
var errClosing = &session.UnavailableError{Reason: "this member is stopping", RetryAfter: time.Second}

// New starts the actor system of this member. Close ends it.
func New(c Config) (*Journeys, error) {
	if c.View == nil || c.Catalog == nil || c.Users == nil || c.Sessions == nil || c.Meter == nil ||
		c.Logger == nil || c.Now == nil || c.Rand == nil || c.Self == "" {
		return nil, errors.New("actors: a required part of the configuration is missing")
	}
	if len(c.DigestKey) < 32 || len(c.Keys.Secret) < 32 || len(c.Keys.Mark) < 32 {
		return nil, errors.New("actors: keys need 32 bytes each")
	}
	if c.MaxWaiting == 0 {
		c.MaxWaiting = 1_000_000
	}
	if c.MaxEnded == 0 {
		c.MaxEnded = 4_000_000
	}
	if c.MaxStored == 0 {
		c.MaxStored = 1_000_000
	}
	if c.Replicas == 0 {
		c.Replicas = 3
	}
	if c.StepTimeout == 0 {
		c.StepTimeout = 30 * time.Second
	}
	j := &Journeys{
		config: c,
		effects: effects{
			users: c.Users, suffix: c.Suffix, meter: c.Meter, logger: c.Logger,
			cookies: c.Cookies, mailer: c.Mail, documents: c.Catalog.documents, transactions: c.Transactions,
		},
		logger: c.Logger,
		system: newSystem(c.Logger),
		crew:   newCrew(),
		slots:  newSlots(c.MaxWaiting, c.MaxEnded),
		ledger: newLedger(c.MaxStored),
		itself: register.Set{c.Self},
	}
	j.base, j.cancel = context.WithCancelCause(context.Background())
	j.deadlines = newDeadlines(j.base)
	j.digester, j.allowlists = newDigester(c.DigestKey), newAllowlists(c.DigestKey)
	var err error
	if j.sealer, err = newSealer(c.DigestKey, c.Rand); err != nil {
		return nil, err
	}
	if j.suspending, err = newSuspending(c.DigestKey); err != nil {
		return nil, err
	}
	j.mux = newMux(j.system)
	j.suspects = newSuspects(j)
	// Receive never blocks, so a message is handled on its sender's goroutine,
	// or by whoever is in the mailbox already; nobody has to be woken for it.
	j.gateway = newGateway(j.system.Root, actor.PropsFromProducer(
		func() actor.Actor { return &journeyActor{j: j} },
		actor.WithDispatcher(actor.NewSynchronizedDispatcher(mailboxTurn))))
	j.repairs = newRepairs(j)
	j.work.Add(2)
	go j.sweep()
	go j.repairs.run()
	return j, nil
}

// Close ends what runs and waits for it. Requests that wait are answered as
// unavailable. From then on nothing is promised or accepted for other members:
// the run of this member may be said to be over. A second call does nothing.
func (j *Journeys) Close() {
	j.closing.Do(func() {
		j.door.Lock()
		j.sealed = true
		j.door.Unlock()
		j.cancel(errClosing)
		j.serving.Wait()
		j.work.Wait()
		j.system.Shutdown()
		j.crew.close()
	})
}

// run does an errand's work off the mailboxes, by its sender if that offers it;
// Close waits for it.
func (j *Journeys) run(e *errand, f func(ctx context.Context)) {
	j.work.Add(1)
	work := func() {
		defer j.work.Done()
		ctx := j.deadlines.at(e.until)
		if e.newcomer {
			ctx = asNewcomer(ctx)
		}
		f(ctx)
	}
	if !e.offer.take(work) {
		j.crew.run(work)
	}
}

// sweep expires slots once a second.
func (j *Journeys) sweep() {
	defer j.work.Done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			now := j.config.Now()
			j.slots.sweep(now)
			j.ledger.sweep(now)
		case <-j.base.Done():
			return
		}
	}
}

// Start begins a journey, or answers for a session that is there already. Its
// errors are listed at package journey.
func (j *Journeys) Start(ctx context.Context, r journey.StartRequest) (journey.Reply, error) {
	if !j.enter() {
		return journey.Reply{}, errClosing
	}
	defer j.serving.Done()
	settings, err := j.config.Catalog.Settings(ctx, r.Realm)
	if err != nil {
		return journey.Reply{}, err
	}
	if leveled(r) {
		return existing(r, settings.SuccessURL), nil
	}
	plan, err := j.config.Catalog.planFor(ctx, &r)
	if err != nil {
		if errors.Is(err, journey.ErrNoTree) {
			j.logger.Debug("a tree cannot be run", "realm", r.Realm, "tree", r.Tree, "err", err)
		}
		return journey.Reply{}, err
	}
	if satisfied(r, plan.Plan) {
		return existing(r, settings.SuccessURL), nil
	}
	r.Tree, r.Wanted = plan.Name, nil
	store := j.store(settings)
	kept := store == realm.CTS
	if !kept && j.config.CutOff != nil && j.config.CutOff() {
		j.counts.unavailableQuorum.Add(1)
		return journey.Reply{}, errMinority
	}
	id, err := j.mint()
	if err != nil {
		return journey.Reply{}, err
	}
	env := journey.Env{Now: j.config.Now(), Rand: j.config.Rand, Settings: settings, Request: &r.Request}
	j.suspendingEnv(&env, id, digest{})
	state, step := plan.open(env, &r)
	j.counts.started.Add(1)
	if ask, ok := step.(journey.Ask); ok && !state.Traced {
		t := trace{
			tree: plan.Name, version: plan.Version, noSession: r.NoSession, request: state.Request,
		}
		if !kept {
			t.set = j.beginners(id, settings.JourneyReplicas)
		}
		raw, err := t.encode()
		if err != nil {
			return journey.Reply{}, fmt.Errorf("encode trace: %w", err)
		}
		if len(raw) <= maxTrace {
			reply := journey.Reply{Ref: j.ref(id, r, state, plan.Plan, env), Ask: &ask, Realm: r.Realm}
			reply.Ref.Trace, reply.Ref.Store = raw, store
			if j.lists(settings) {
				j.list(&reply.Ref)
			}
			return j.fill(ctx, r, reply)
		}
	}
	m := &begin{
		errand: j.errand(ctx), id: id, store: store, request: r, plan: plan.Plan, state: state, step: step,
	}
	m.newcomer = true
	var reply journey.Reply
	switch {
	case kept:
		reply, err = j.here(ctx, id, m, &m.offer)
	case j.slots.full():
		err = errFull
	default:
		reply, err = j.route(ctx, id, m, &m.offer)
	}
	if err != nil {
		return journey.Reply{}, err
	}
	return j.fill(ctx, r, reply)
}

// errMinority is the answer to a start at a member that sees no majority of the
// members that there are: a journey that it began would name those that it sees
// alone, and nobody else could go on with it.
var errMinority = &session.UnavailableError{Reason: "this member does not reach a majority of the members", RetryAfter: time.Second}

var errFull = &session.UnavailableError{Reason: "too many journeys in progress", RetryAfter: 5 * time.Second}

// beginners are the members that may begin a journey, the first by rank. Where
// the view has too few, those that it has not are named as well, as long as they
// are not known to have ended: it may be this member that is cut off, and then
// they are the ones who can go on. Nobody is named while there is a member of the
// older protocol: it has to be able to read the trace.
func (j *Journeys) beginners(id journey.ID, n int) register.Set {
	if n == 0 {
		n = j.config.Replicas
	}
	view := j.config.View()
	if !view.Speaks(placement.ReplicaProtocol) {
		return nil
	}
	if view.Len() == 1 {
		return j.itself
	}
	set := view.Replicas(make([]placement.MemberID, 0, n), id, n)
	if len(set) == 0 {
		return j.itself
	}
	if len(set) == n || j.config.Runs == nil {
		return set
	}
	for _, m := range j.config.Runs.Known() {
		if _, there := view.Member(m); !there && len(set) < n {
			set = append(set, m)
		}
	}
	return set
}

// ref is what the authId of a journey says.
func (j *Journeys) ref(id journey.ID, r journey.StartRequest, s journey.State, p *journey.Plan, env journey.Env) journey.Ref {
	return journey.Ref{
		Journey:    id,
		Step:       s.Step,
		Realm:      r.Realm,
		IndexType:  r.IndexType,
		IndexValue: r.IndexValue,
		Started:    s.Started,
		Expires:    s.Deadline(p, env.Settings),
	}
}

// mint draws the id of a new journey until this member owns it, so that
// creating one needs no hop. One that is leaving or not ready yet takes
// another's: it owns none while there are others.
func (j *Journeys) mint() (journey.ID, error) {
	view := j.config.View()
	for {
		var id journey.ID
		if _, err := io.ReadFull(j.config.Rand, id[:]); err != nil {
			return id, fmt.Errorf("draw a journey id: %w", err)
		}
		owner, ok := view.Owner(id)
		if !ok {
			return id, &session.UnavailableError{Reason: "this member is in no view", RetryAfter: time.Second}
		}
		if owner.ID == j.config.Self {
			return id, nil
		}
		last := func(m placement.Member) bool { return m.Draining || m.Starting }
		if self, ok := view.Member(j.config.Self); !ok || last(self) && !last(owner) {
			return id, nil
		}
	}
}

// Resume answers the current step of a journey. Its errors are listed at
// package journey.
func (j *Journeys) Resume(ctx context.Context, r journey.ResumeRequest) (journey.Reply, error) {
	if !j.enter() {
		return journey.Reply{}, errClosing
	}
	defer j.serving.Done()
	return j.resume(ctx, r, false)
}

// resume is Resume; newcomer says that the journey began with the same request.
func (j *Journeys) resume(ctx context.Context, r journey.ResumeRequest, newcomer bool) (journey.Reply, error) {
	if !j.config.Now().Before(r.Ref.Expires) || !j.presents(&r.Ref) {
		return journey.Reply{}, journey.ErrGone
	}
	d, err := j.digester.of(r.Answers)
	if err != nil {
		return journey.Reply{}, fmt.Errorf("digest of answers: %w", err)
	}
	m := &resume{errand: j.errand(ctx), request: r, digest: d}
	m.newcomer = newcomer
	if r.Ref.Store == realm.CTS {
		return j.anywhere(ctx, m)
	}
	return j.route(ctx, r.Ref.Journey, m, &m.offer)
}

// errand is that of a request: its step ends with the request's deadline, but
// not with the request.
func (j *Journeys) errand(ctx context.Context) errand {
	until := time.Now().Add(j.config.StepTimeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	return errand{until: until}
}

// route has a message answered by the first member by rank: here, where it
// costs no more than with one member, or elsewhere.
func (j *Journeys) route(ctx context.Context, id journey.ID, message any, own *offer) (journey.Reply, error) {
	view := j.config.View()
	first, _ := view.Owner(id)
	ours := first.ID == j.config.Self
	if m, ok := message.(*begin); ok && (!ours || first.Draining) {
		return j.hand(ctx, m)
	}
	if ours {
		reply, err := j.here(ctx, id, message, own)
		if !retried(err) {
			return reply, err
		}
		if _, ok := message.(*begin); ok {
			return journey.Reply{}, j.final(err)
		}
		return j.seek(ctx, message.(*resume), err)
	}
	return j.seek(ctx, message.(*resume), nil)
}

// here sends a message to the journey's actor, does what the actor leaves to
// it, and waits for the reply. For a request whose time is over nothing is
// begun: a step, once begun, may take up to deadlineGrain longer than its
// request has.
func (j *Journeys) here(ctx context.Context, id journey.ID, message any, own *offer) (journey.Reply, error) {
	a, err := j.reach(ctx, id, message, own)
	return a.reply, err
}

// reach is here with the record that the asker is to accept.
func (j *Journeys) reach(ctx context.Context, id journey.ID, message any, own *offer) (answer, error) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= 0 {
		return answer{}, unavailable(context.DeadlineExceeded)
	}
	got, err := j.mux.ask(ctx, j.base, func(replyTo *actor.PID) {
		j.gateway.deliver(id, message, replyTo)
		own.fulfil()
	})
	if err != nil {
		return answer{}, unavailable(err)
	}
	a := got.(*answer)
	if a.err != nil {
		return answer{}, unavailable(a.err)
	}
	return *a, nil
}
