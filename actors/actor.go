package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// Messages to a journey actor. Each is answered by one *answer. A third one is
// the actor's own: its *stepping, when that has come to its end.
type (
	// begin hands over a journey that has just started and must be kept.
	begin struct {
		errand
		id      journey.ID
		store   realm.JourneyStore
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
		// asker, if not empty, is another member that may be given the record to
		// accept with the reply.
		asker placement.MemberID
		// back is set by who comes back to a suspended journey, with no answers.
		back *back
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

// answer is what came of a message. With a record it is good for the asker
// alone, and once that has accepted the record.
type answer struct {
	reply  journey.Reply
	err    error
	record []byte
}

// journeyActor takes one journey's messages one after the other while there
// are any: nobody else at this member writes the journey's records. The
// journey itself is in its slot. When all are answered it may be given another
// journey's, so nothing but id outlives a journey here.
type journeyActor struct {
	j  *Journeys
	id journey.ID // of the message before

	// The step in hand, nil between steps, and what came while it was.
	now   *stepping
	later []queued
}

// queued is a message that waits for the step in hand: what it means is known
// once that is over.
type queued struct {
	m    *resume
	from *actor.PID
}

// Receive handles one message. It does not block: other members and effects
// are asked outside, on the goroutine that waits for the answer or one of the
// crew, which reports back as a message.
func (a *journeyActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *begin:
		a.id = m.id
		a.begin(c, m)
	case *resume:
		a.id = m.request.Ref.Journey
		a.resume(c, m)
	case *stepping:
		a.finish(c, m)
	}
}

// errBegun is the answer to a start that arrived twice. The first gives the
// journey to its client.
var errBegun = &session.UnavailableError{Reason: "the journey was begun before", RetryAfter: time.Second}

func (a *journeyActor) begin(c actor.Context, m *begin) {
	if a.now != nil || a.j.slots.knows(a.id) {
		a.answer(c, []*actor.PID{c.Sender()}, &answer{err: errBegun})
		return
	}
	a.now = a.j.starting(m)
	a.now.waiting = []*actor.PID{c.Sender()}
	a.run(c, &m.errand)
}

// resume takes an answer, or keeps it until the step in hand is over. One that
// gives the same answers to that step shares its reply.
func (a *journeyActor) resume(c actor.Context, m *resume) {
	now := a.now
	switch {
	case now == nil:
		a.take(c, m, c.Sender())
	case now.answers(m):
		now.waiting = append(now.waiting, c.Sender())
		a.j.counts.replayed.Add(1)
	case now.solo && m.request.Ref.Step <= now.step: // nobody else has to agree
		a.answer(c, []*actor.PID{c.Sender()}, &answer{err: journey.ErrGone})
	default:
		a.later = append(a.later, queued{m, c.Sender()})
	}
}

func (a *journeyActor) take(c actor.Context, m *resume, from *actor.PID) {
	a.now = a.j.answering(m)
	a.now.waiting = []*actor.PID{from}
	a.run(c, &m.errand)
}

// run takes a step to its end, and then those that have come meanwhile.
func (a *journeyActor) run(c actor.Context, e *errand) {
	if a.onward(c, e) {
		a.finish(c, a.now)
	}
}

// onward takes a step on, and reports whether it has come to its end. Only one
// that wants effects or other members leaves the mailbox.
func (a *journeyActor) onward(c actor.Context, e *errand) bool {
	j, s := a.j, a.now
	if s.keep.atOnce(s) {
		return true
	}
	self, root := c.Self(), c.ActorSystem().Root
	j.run(e, func(ctx context.Context) {
		j.carry(ctx, s)
		root.Send(self, s)
	})
	return false
}

// finish answers all who wait for a step that has come to its end, and goes on
// with what came meanwhile. After an error the journey is where it was before
// the step, or has made it: the same answers tell.
func (a *journeyActor) finish(c actor.Context, s *stepping) {
	for a.now = nil; len(a.later) > 0; a.now = nil {
		next := a.later[0]
		a.later = a.later[1:]
		a.tell(c, s)
		s = a.j.answering(next.m)
		s.waiting = []*actor.PID{next.from}
		a.now = s
		if !a.onward(c, &next.m.errand) {
			return
		}
	}
	a.later = nil // its array has what clients sent, and the actor may be parked now
	a.tell(c, s)
	if s.unsettled() {
		a.j.settleSoon(a.id)
	}
}

// tell answers all who wait for a step. A record that is not committed without
// the one who asked first is for that one; the others ask again.
func (a *journeyActor) tell(c actor.Context, s *stepping) {
	result := &answer{s.reply, s.err, s.carried}
	if s.carried == nil {
		a.answer(c, s.waiting, result)
		return
	}
	first, others := s.waiting[:1], s.waiting[1:]
	if len(others) > 0 {
		a.answer(c, others, &answer{err: envelope.ErrCutOff})
	}
	a.answer(c, first, result)
}

// answer answers messages and lets the actor go when no other one waits.
func (a *journeyActor) answer(c actor.Context, waiting []*actor.PID, result *answer) {
	a.j.gateway.settle(a.id, len(waiting))
	for _, pid := range waiting {
		c.Send(pid, result)
	}
}
