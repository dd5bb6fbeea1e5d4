package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/journey"
	"sojourn/cts/session"
)

// Messages to a journey actor. Each is answered by one *answer. A third one is
// the actor's own: an *outcome, when a step has come to its end.
type (
	// begin hands over a journey that has just started and must be kept.
	begin struct {
		errand
		id      journey.ID
		request journey.StartRequest
		plan    *journey.Plan
		state   journey.State
		step    journey.Step
	}
	// resume answers a journey's current step.
	resume struct {
		errand
		request journey.ResumeRequest
		digest  digest
		find    bool // must not replay the journey's start
	}
	// errand is what both say of the step's work: who offers to do it, when it is
	// to be given up, and whether the journey began with this request: whoever
	// goes on with one comes first where there is a queue.
	errand struct {
		offer    offer
		until    time.Time
		newcomer bool
	}
)

type answer struct {
	reply journey.Reply
	err   error
}

// journeyActor owns one journey while requests for it are being answered. It
// holds what is needed for the step in hand; the journey itself is in its
// record, which only this actor replaces.
type journeyActor struct {
	j  *Journeys
	id journey.ID // set by the first message

	// The step in hand, nil between steps.
	now *stepping
}

// stepping is a step whose effects are running.
type stepping struct {
	step    uint32
	digest  digest
	old     *record
	waiting []*actor.PID
	ref     journey.Ref
	start   *journey.StartRequest // set for a begin
}

// outcome is a step on the way to its end, not committed yet. After an error
// the rest of it means nothing: the journey is where it was.
type outcome struct {
	plan  *journey.Plan
	state journey.State
	env   journey.Env
	ask   *journey.Ask
	done  *journey.Done
	token session.TokenID
	err   error
}

// Receive handles one message. It does not block: effects run outside, on the
// goroutine that waits for the answer or one of their own, which reports back
// as a message.
func (a *journeyActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *begin:
		a.id = m.id
		a.begin(c, m)
	case *resume:
		a.id = m.request.Ref.Journey
		a.resume(c, m)
	case *outcome:
		a.finish(c, m)
	}
}

func (a *journeyActor) begin(c actor.Context, m *begin) {
	if rec, over := a.j.records.get(a.id); a.now != nil || rec != nil || over {
		a.refuse(c, errBegun)
		return
	}
	env := journey.Env{Now: m.state.Started, Rand: a.j.config.Rand, Request: &m.request.Request}
	a.now = &stepping{waiting: []*actor.PID{c.Sender()}, start: &m.request}
	a.now.ref.Realm, a.now.ref.IndexType, a.now.ref.IndexValue = m.request.Realm, m.request.IndexType, m.request.IndexValue
	a.run(c, &m.errand, m.plan, m.state, m.step, env, m.request.Session)
}

// errBegun is the answer to a start that arrived twice. The first gives the
// journey to its client.
var errBegun = &session.UnavailableError{Reason: "the journey was begun before", RetryAfter: time.Second}

// resume decides what an answer means: the current step, a repeat of the last
// one, or something that is over.
func (a *journeyActor) resume(c actor.Context, m *resume) {
	step := m.request.Ref.Step
	if a.now != nil {
		if step > a.now.step {
			a.refuse(c, envelope.ErrNotHere)
			return
		}
		if step == a.now.step && m.digest == a.now.digest && a.now.start == nil {
			a.now.waiting = append(a.now.waiting, c.Sender())
			a.j.counts.replayed.Add(1)
			return
		}
		a.refuse(c, journey.ErrGone)
		return
	}
	rec, over := a.j.records.get(a.id)
	switch {
	case over:
		a.refuse(c, journey.ErrGone)
	case rec != nil && step+1 == rec.step+bit(rec.end != nil) && m.digest == rec.digest:
		a.repeat(c, rec, m)
	case rec != nil && step > rec.step, rec == nil && m.find: // a later record is elsewhere
		a.refuse(c, envelope.ErrNotHere)
	case rec != nil && (rec.end != nil || step != rec.step):
		a.refuse(c, journey.ErrGone)
	default:
		a.advance(c, rec, m)
	}
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// repeat gives the reply that the same answers got before.
func (a *journeyActor) repeat(c actor.Context, rec *record, m *resume) {
	a.j.counts.replayed.Add(1)
	if rec.end != nil {
		a.respond(c, &answer{reply: rec.end.reply(m.request.Ref.Realm)})
		return
	}
	state, err := journey.Decode(rec.state)
	if err != nil {
		a.refuse(c, err)
		return
	}
	ref := m.request.Ref
	ref.Step, ref.Expires, ref.Trace = rec.step, rec.expires, nil
	a.respond(c, &answer{reply: journey.Reply{Ref: ref, Ask: &state.Asked, Realm: ref.Realm}})
}

// advance answers the current step of a waiting journey, or of one that is
// kept nowhere yet.
func (a *journeyActor) advance(c actor.Context, rec *record, m *resume) {
	ref := m.request.Ref
	plan, state, env, err := a.load(rec, ref)
	if err != nil {
		a.refuse(c, err)
		return
	}
	env.Request = &m.request.Request
	state, step, err := journey.Advance(plan.Plan, state, journey.Input{Answers: m.request.Answers}, env)
	if err != nil {
		a.refuse(c, err)
		return
	}
	a.now = &stepping{step: ref.Step, digest: m.digest, old: rec, ref: ref, waiting: []*actor.PID{c.Sender()}}
	a.run(c, &m.errand, plan.Plan, state, step, env, m.request.Session)
}

// load returns the journey as it waits, and what its next step needs.
func (a *journeyActor) load(rec *record, ref journey.Ref) (*plan, journey.State, journey.Env, error) {
	ctx := a.j.base
	env := journey.Env{Now: a.j.config.Now(), Rand: a.j.config.Rand}
	var err error
	if env.Settings, err = a.j.config.Catalog.Settings(ctx, ref.Realm); err != nil {
		return nil, journey.State{}, env, err
	}
	if rec != nil {
		state, err := journey.Decode(rec.state)
		if err != nil {
			return nil, state, env, err
		}
		plan, err := a.j.config.Catalog.planOf(ctx, ref.Realm, state.Tree, state.Version)
		return plan, state, env, err
	}
	if len(ref.Trace) == 0 {
		return nil, journey.State{}, env, envelope.ErrNotHere
	}
	t, err := decodeTrace(ref.Trace)
	if err != nil {
		return nil, journey.State{}, env, err
	}
	plan, err := a.j.config.Catalog.planOf(ctx, ref.Realm, t.tree, t.version)
	if errors.Is(err, journey.ErrGone) {
		err = envelope.ErrNotHere // a member that began such a journey has its plan
	}
	if err != nil {
		return nil, journey.State{}, env, err
	}
	state, ok := t.replay(plan, env, ref.Started)
	if !ok || state.Step != ref.Step {
		return nil, state, env, errors.New("the start of a journey did not replay as it was")
	}
	return plan, state, env, nil
}

// run takes a step to its end. Only one that wants effects leaves the mailbox.
func (a *journeyActor) run(c actor.Context, e *errand, plan *journey.Plan, state journey.State, step journey.Step, env journey.Env, caller *session.Session) {
	o := &outcome{plan: plan, state: state, env: env}
	if o.env.Settings == nil {
		if o.env.Settings, o.err = a.j.config.Catalog.Settings(a.j.base, plan.Realm); o.err != nil {
			a.finish(c, o)
			return
		}
	}
	if ask, ok := step.(journey.Ask); ok {
		o.ask = &ask
		a.finish(c, o)
		return
	}
	j, self := a.j, c.Self()
	root := c.ActorSystem().Root
	once := Once{Journey: a.id, Step: a.now.step, Digest: a.now.digest, Until: a.now.ref.Expires}
	if a.now.start != nil {
		once.Until = state.Deadline(plan, o.env.Settings)
	}
	j.run(e, func(ctx context.Context) {
		o.err = j.drive(ctx, once, o, step, caller)
		root.Send(self, o)
	})
}

// drive runs effects and the steps that follow until the journey asks or has
// ended, and creates the session of one that succeeded. It runs off the
// mailbox; nobody else knows of o. once names the step's first effect.
func (j *Journeys) drive(ctx context.Context, once Once, o *outcome, step journey.Step, caller *session.Session) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			j.logger.Error("a journey step panicked", "realm", o.plan.Realm, "tree", o.plan.Name, "journey", once.Journey,
				"fault", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
			err = fmt.Errorf("a step of tree %s panicked", o.plan.Name)
		}
	}()
	for {
		switch now := step.(type) {
		case journey.Ask:
			o.ask = &now
			return nil
		case journey.Done:
			o.done = &now
			return j.welcome(ctx, once.Journey, o, caller)
		case journey.Do:
			result, err := j.effects.run(ctx, once, o.plan.Realm, now.Effect)
			if err != nil {
				return err
			}
			once.N++
			o.env.Now = j.config.Now()
			if o.state, step, err = journey.Advance(o.plan, o.state, journey.Input{Result: result}, o.env); err != nil {
				return err
			}
		}
	}
}

// welcome creates the session of a journey that succeeded. A journey that
// carries a valid session upgrades it: same user, and the new session takes
// the old one's place (am-contract section 5.4).
func (j *Journeys) welcome(ctx context.Context, id journey.ID, o *outcome, caller *session.Session) error {
	done := o.done
	if !done.Success || done.NoSession {
		return nil
	}
	x := done.Session
	x.ID, x.Journey = j.config.Keys.SessionID(id), id
	if x.Principal.UniversalID == "" {
		x.Principal.UniversalID = x.Principal.Realm.UniversalID(x.Principal.Username, j.config.Suffix)
	}
	var replaces *session.ID
	if caller != nil && caller.ID != x.ID {
		if !strings.EqualFold(caller.Principal.UniversalID, x.Principal.UniversalID) {
			return journey.ErrOtherUser
		}
		x = x.Upgrading(*caller)
		replaces = &caller.ID
	}
	stored, index, _, err := j.config.Sessions.Create(ctx, x, replaces)
	if errors.Is(err, session.ErrNotFound) {
		return journey.ErrGone // its session was created before, and has ended
	}
	if err != nil {
		return err
	}
	done.Session = stored
	o.token = j.config.Keys.Mint(id, index, j.config.ServerID)
	return nil
}

// finish commits a step that has come to its end and answers all who wait for
// it. After an error the journey is where it was before the step.
func (a *journeyActor) finish(c actor.Context, o *outcome) {
	now := a.now
	a.now = nil
	result := &answer{err: o.err}
	if o.err == nil {
		result.reply, result.err = a.commit(now, o)
	}
	if errors.Is(result.err, journey.ErrOtherUser) {
		a.end(now, o, &ended{message: journey.ErrOtherUser.Error()})
	}
	a.j.gateway.settle(a.id, len(now.waiting))
	for _, pid := range now.waiting {
		c.Send(pid, result)
	}
}

// commit stores the step's record and makes its reply.
func (a *journeyActor) commit(now *stepping, o *outcome) (journey.Reply, error) {
	reply := journey.Reply{Realm: o.plan.Realm, Ask: o.ask, Done: o.done, Token: o.token}
	if o.done != nil {
		a.end(now, o, endedOf(o.done, o.token))
		return reply, nil
	}
	if now.old == nil && a.j.records.full() {
		return journey.Reply{}, errFull
	}
	state, err := o.state.Encode()
	if err != nil {
		return journey.Reply{}, err
	}
	reply.Ref = now.ref
	reply.Ref.Journey, reply.Ref.Step, reply.Ref.Trace = a.id, o.state.Step, nil
	reply.Ref.Started, reply.Ref.Expires = o.state.Started, o.state.Deadline(o.plan, o.env.Settings)
	rec := &record{step: o.state.Step, digest: now.digest, expires: reply.Ref.Expires, state: state}
	if !a.j.records.put(a.id, now.old, rec, o.env.Now) {
		return journey.Reply{}, journey.ErrGone
	}
	return reply, nil
}

// end notes that the journey is over.
func (a *journeyActor) end(now *stepping, o *outcome, end *ended) {
	expires := now.ref.Expires
	if now.start == nil { // nobody holds a reference to a journey that ended as it started
		a.j.records.put(a.id, now.old, &record{step: now.step, digest: now.digest, expires: expires, end: end}, o.env.Now)
	}
	a.j.audit(a.id, o)
}

// audit writes the one line that each finished journey gives.
func (j *Journeys) audit(id journey.ID, o *outcome) {
	if o.done == nil {
		return
	}
	if o.done.Success {
		j.counts.succeeded.Add(1)
	} else {
		j.counts.failed.Add(1)
	}
	level := slog.LevelDebug
	if o.done.Err != nil {
		level = slog.LevelWarn
	}
	if !j.logger.Enabled(context.Background(), level) {
		return
	}
	attrs := []any{
		"realm", o.plan.Realm, "tree", o.plan.Name, "journey", id, "success", o.done.Success,
		"duration", o.env.Now.Sub(o.state.Started).Round(time.Millisecond),
	}
	if o.done.Success {
		attrs = append(attrs, "user", o.done.Session.Principal.UniversalID)
	}
	if o.done.Err != nil {
		attrs = append(attrs, "err", o.done.Err)
	}
	j.logger.Log(context.Background(), level, "journey ended", attrs...)
}

func (a *journeyActor) refuse(c actor.Context, err error) { a.respond(c, &answer{err: err}) }

// respond answers the message in hand and lets the actor go when no other
// message waits.
func (a *journeyActor) respond(c actor.Context, result *answer) {
	a.j.gateway.settle(a.id, 1)
	c.Send(c.Sender(), result)
}
