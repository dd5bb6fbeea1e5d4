package actors

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// stepping is one message being answered: what it asks, whether this member
// leads the journey, what the answer means, and what came of it. The actor
// makes it, then one goroutine at a time has it, and in the end the actor gets
// it back.
type stepping struct {
	id      journey.ID
	waiting []*actor.PID // the actor's alone

	// What was asked. A begin has no digest, and its step is zero.
	m      *resume
	start  *begin
	ref    journey.Ref
	step   uint32
	digest digest

	// What the realm says; trace and brought are what the reference holds of the
	// journey, if anything.
	settings *realm.Settings
	replicas int
	trace    trace
	brought  *carried

	// keep is where the journey is kept. What that has found of it is lead among
	// members, and kept in the store; body is of the newest record.
	keep    keeping
	lead    *lead
	kept    *kept
	body    body
	verdict verdict
	allowed bool // the store has agreed to the answers
	solo    bool // nobody else has to agree to what becomes of the step

	// The step itself.
	opens  *plan // set when the journey's start is replayed
	plan   *journey.Plan
	state  journey.State
	env    journey.Env
	next   journey.Step
	caller *session.Session
	ask    *journey.Ask
	done   *journey.Done
	token  session.TokenID
	// undecided says that nothing but the journey's own record decides the end: there
	// is no session in the store, or a quota may deny it to one member and not to
	// another.
	undecided bool
	// denied is the session that a quota has denied.
	denied session.Handle
	// replaced is the session that is to end once the journey's end is committed.
	replaced *session.Session

	// What is answered. carried is the record that the asker is to accept.
	reply   journey.Reply
	err     error
	carried []byte
}

// verdict is what an answer to a journey means.
type verdict byte

const (
	failedAlready verdict = iota // err says why
	advances                     // it answers the current step
	again                        // it answered the last step: its reply is known
	tooLate                      // it answers a step that is over
	unsure                       // the journey is further than is known here
)

// starting is the step that begins a journey.
func (j *Journeys) starting(m *begin) *stepping {
	s := &stepping{id: m.id, start: m, plan: m.plan, state: m.state, next: m.step, caller: m.request.Session, verdict: advances}
	s.ref = journey.Ref{
		Journey: m.id, Realm: m.request.Realm, IndexType: m.request.IndexType, IndexValue: m.request.IndexValue, Store: m.store,
	}
	s.keep = j.keepingOf(m.store)
	s.keep.begin(s)
	s.env = journey.Env{Now: m.state.Started, Rand: j.config.Rand, Request: &m.request.Request}
	j.suspendingEnv(&s.env, s.id, s.digest)
	j.consult(s)
	s.env.Settings = s.settings
	if s.err == nil {
		s.ref.Started, s.ref.Expires = m.state.Started, m.state.Deadline(m.plan, s.settings)
		if j.lists(s.settings) {
			j.list(&s.ref)
		}
	}
	return s
}

// answering is the step that a request answers.
func (j *Journeys) answering(m *resume) *stepping {
	s := &stepping{
		id: m.request.Ref.Journey, m: m, ref: m.request.Ref, step: m.request.Ref.Step, digest: m.digest, caller: m.request.Session,
		keep: j.keepingOf(m.request.Ref.Store),
	}
	if time.Until(m.until) <= 0 {
		s.err = unavailable(context.DeadlineExceeded)
		return s
	}
	j.consult(s)
	if s.err == nil && len(s.ref.Trace) > 0 {
		s.trace, s.err = decodeTrace(s.ref.Trace, j.slots.names.name)
	}
	if s.err == nil && len(s.ref.State) > 0 {
		s.brought, s.err = decodeCarried(s.ref.State, j.slots.names.name)
	}
	return s
}

// consult reads what the realm says of its journeys.
func (j *Journeys) consult(s *stepping) {
	s.settings, s.err = j.config.Catalog.Settings(j.base, s.ref.Realm)
	if s.err != nil {
		return
	}
	if s.replicas = s.settings.JourneyReplicas; s.replicas == 0 {
		s.replicas = j.config.Replicas
	}
}

// answers reports whether m gives the answers that are being worked on.
func (s *stepping) answers(m *resume) bool {
	return s.start == nil && m.request.Ref.Step == s.step && m.digest == s.digest &&
		m.back == nil && s.m.back == nil // one of them comes back, once
}

// traced reports whether the reference carries the journey's start.
func (s *stepping) traced() bool { return len(s.ref.Trace) > 0 }

// unsettled reports whether a change of the journey's set is to be ended.
func (s *stepping) unsettled() bool {
	return s.lead != nil && s.lead.certain && s.lead.record != nil && len(s.lead.record.Prev) > 0
}

// atOnce takes a step as far as it goes without waiting for anybody, and
// reports whether that is its end.
func (j *Journeys) atOnce(s *stepping) bool {
	if s.err != nil {
		return true
	}
	if s.lead == nil {
		if !j.leading(s) {
			return s.err != nil
		}
		j.decide(s)
	}
	s.solo = j.solo(s.lead, s.replicas)
	switch s.verdict {
	case advances:
		ask, asks := s.next.(journey.Ask)
		if !asks || !s.solo || s.asksStore() {
			return false
		}
		s.ask = &ask
		s.err = j.commit(j.base, s)
		return true
	case again, tooLate:
		if !s.lead.certain || s.body.kind == suspends || s.body.end != nil && s.body.end.replaced != "" {
			return false
		}
		j.give(s)
		return true
	case unsure:
		s.lead = nil
		return false
	case failedAlready:
	}
	return true
}

// solo reports whether this member alone holds a journey, and is to.
func (j *Journeys) solo(l *lead, replicas int) bool {
	if replicas > 1 && j.config.View().Len() > 1 {
		return false
	}
	set := l.implicit
	if l.record != nil {
		set = l.record.Members()
	}
	return len(set) == 0 || len(set) == 1 && set[0] == j.config.Self
}

// leading reports whether this member leads the journey already, as far as it
// knows by itself.
func (j *Journeys) leading(s *stepping) bool {
	h := j.slots.get(s.id)
	switch {
	case h.over:
		s.err = journey.ErrGone
		return false
	case h.Leads(j.config.Self):
		s.lead = &lead{epoch: h.Promised, record: h.Record, mine: true, certain: h.certain}
		return true
	case h.Record != nil || !h.Promised.IsZero() || !s.traced() || s.m.find:
		return false
	}
	if set := s.trace.set; len(set) == 0 || set[0] != j.config.Self {
		return false // without a set in the trace others may think that they are first
	} else if len(set) > 1 && j.extinct(set) {
		return false // nobody could accept it
	}
	s.lead = &lead{epoch: register.First(j.config.Self), implicit: s.trace.set, mine: true}
	return true
}

// first is the set that may begin a journey of which nothing else is known:
// the one in its trace. The trace of an older member has none, and it is not
// known whom that member would ask.
func (j *Journeys) first(s *stepping) register.Set {
	if !s.traced() || s.m.find {
		return nil
	}
	if len(s.trace.set) > 0 {
		return s.trace.set
	}
	if set := j.wanted(s.id, s.replicas); set != nil {
		return set
	}
	return register.Set{j.config.Self}
}

// carry takes a step to its end, asking other members and running effects. It
// runs off the mailbox; nobody else has s meanwhile.
func (j *Journeys) carry(ctx context.Context, s *stepping) {
	defer func() {
		if fault := recover(); fault != nil {
			j.logger.Error("a journey step panicked", "realm", s.ref.Realm, "journey", s.id,
				"fault", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
			s.err = errors.New("a step of a journey panicked")
		}
	}()
	if s.lead == nil && s.kept == nil {
		if s.traced() { // without its tree the journey is better left where it is
			if s.err = j.recall(s); s.err != nil {
				return
			}
		}
		if s.err = s.keep.find(ctx, s); s.err != nil {
			return
		}
		j.decide(s)
	}
	j.act(ctx, s)
	for s.m != nil && errors.Is(s.err, errOvertaken) {
		if ctx.Err() != nil {
			s.err = unavailable(context.Cause(ctx))
			return
		}
		s.err, s.ask, s.done, s.token, s.undecided, s.denied, s.replaced = nil, nil, nil, "", false, "", nil
		j.decide(s)
		j.act(ctx, s)
	}
}

// errOvertaken says that another answer to the step was faster. What that has
// left is the newest record now, which tells what to make of this one.
var errOvertaken = errors.New("another answer to the step was faster")

// act does what the verdict on the answers says.
func (j *Journeys) act(ctx context.Context, s *stepping) {
	switch s.verdict {
	case advances:
		s.err = j.drive(ctx, s)
		if s.err == nil || errors.Is(s.err, journey.ErrOtherUser) && !s.body.taken {
			if err := j.commit(ctx, s); err != nil {
				s.err = err
			}
		}
	case again, tooLate:
		if s.err = s.keep.confirm(ctx, s); s.err != nil {
			return
		}
		switch {
		case s.verdict == again && s.body.kind == suspends && len(s.body.state) > 0:
			s.err = j.shelve(ctx, s, &s.body)
		default:
			s.err = j.supersedeAgain(ctx, s.body.end)
		}
		if s.err == nil {
			j.give(s)
		}
	case unsure:
		s.err = envelope.ErrNotHere
	case failedAlready:
	}
}

// decide says what the answer means to the journey as this member knows it,
// and takes its current step if it answers that.
func (j *Journeys) decide(s *stepping) {
	raw, written := s.keep.newest(s)
	switch {
	case s.m.back != nil:
		s.verdict = advances
		s.err = j.comeBack(s)
	case !written:
		s.verdict = advances
		s.err = j.replay(s)
	default:
		j.understand(s, raw)
	}
	if s.err == nil && s.verdict == advances {
		s.env.Request = &s.m.request.Request
		j.suspendingEnv(&s.env, s.id, s.digest)
		in := journey.Input{Answers: s.m.request.Answers, Resumed: s.m.back != nil}
		s.state, s.next, s.err = journey.Advance(s.plan, s.state, in, s.env)
	}
	if s.err != nil {
		s.verdict = failedAlready
	}
}

// understand says what the answer means to a journey of this record, and makes it
// the journey that waits if it is for that.
func (j *Journeys) understand(s *stepping, raw []byte) {
	if s.body, s.err = decodeBody(raw); s.err != nil {
		return
	}
	s.verdict = s.body.judge(s.step, s.digest)
	switch {
	case s.verdict == advances && s.body.taken && len(s.body.state) == 0: // all that is written is who answers it
		s.err = j.replay(s)
	case s.verdict == advances:
		s.err = j.wake(s)
	}
}

// judge says what answers to a step mean to a journey of this body.
func (b *body) judge(step uint32, d digest) verdict {
	over := b.over()
	switch {
	case step+1 == b.step+bit(over) && d == b.digest:
		return again
	case step > b.step:
		return unsure
	case over || b.kind == suspends || step != b.step || b.taken && d != b.chosen || b.carried && len(b.state) == 0:
		return tooLate
	}
	return advances
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// wake makes a waiting journey of its record.
func (j *Journeys) wake(s *stepping) error {
	var err error
	if s.state, err = s.body.waiting(); err != nil {
		return err
	}
	return j.prepare(s)
}

// prepare finds the plan of the step's journey.
func (j *Journeys) prepare(s *stepping) error {
	plan, err := j.config.Catalog.planOf(j.base, s.ref.Realm, s.state.Tree, s.state.Version)
	if err != nil {
		return err
	}
	s.plan = plan.Plan
	s.env = journey.Env{Now: j.config.Now(), Rand: j.config.Rand, Settings: s.settings}
	return nil
}

// recall finds the plan that a trace names. A member that began such a journey
// has it.
func (j *Journeys) recall(s *stepping) error {
	plan, err := j.config.Catalog.planOf(j.base, s.ref.Realm, s.trace.tree, s.trace.version)
	if errors.Is(err, journey.ErrGone) {
		return envelope.ErrNotHere
	}
	if err == nil {
		s.opens, s.plan = plan, plan.Plan
	}
	return err
}

// replay makes a waiting journey of its trace.
func (j *Journeys) replay(s *stepping) error {
	if !s.traced() {
		return envelope.ErrNotHere
	}
	if err := j.recall(s); err != nil {
		return err
	}
	s.env = journey.Env{Now: j.config.Now(), Rand: j.config.Rand, Settings: s.settings}
	state, ok := s.trace.replay(s.opens, s.env, s.ref.Started)
	if !ok || state.Step != s.ref.Step {
		return errors.New("the start of a journey did not replay as it was")
	}
	s.state = state
	return nil
}

// give answers by what the journey's record says, which is certain.
func (j *Journeys) give(s *stepping) {
	switch {
	case s.verdict == tooLate, (s.body.carried || s.body.kind == suspends) && len(s.body.state) == 0,
		s.body.over() && (s.body.end == nil || !j.config.Now().Before(s.body.expires)):
		s.err = journey.ErrGone
		return
	case s.body.over():
		s.reply = s.body.end.reply(s.ref.Realm)
	default:
		state, err := s.body.waiting()
		if err != nil {
			s.err = err
			return
		}
		s.reply = journey.Reply{Ref: j.refer(s, &s.body), Ask: &state.Asked, Realm: s.ref.Realm}
	}
	j.counts.replayed.Add(1)
}

// ceil is t in seconds of Unix time, or up to a second later.
func ceil(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }
