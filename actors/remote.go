package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// Between two tries at a member whose answer was lost. The pause doubles.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 200 * time.Millisecond
)

// viewSpread is how long a new member may be unknown to others, and before
// which no journey is called unknown: the newcomer may have it.
const viewSpread = 500 * time.Millisecond

// errLost is the answer to a request that may or may not have been done.
var errLost = &session.UnavailableError{
	Reason: "the member that was asked for the journey does not answer", RetryAfter: time.Second, Unknown: true,
}

// errLostCall is a call whose outcome is not known; errNotAsked one that has
// certainly done nothing.
var (
	errLostCall = errors.New("no answer")
	errNotAsked = errors.New("not delivered")
)

// hand gives a journey that was begun here, and may not be kept here, to the
// first member by rank that takes it. It is sent once: the tree may have
// effects before its first question. If the answer is lost the client begins
// again, and what was begun expires unanswered.
func (j *Journeys) hand(ctx context.Context, m *begin) (journey.Reply, error) {
	request := m.request
	request.Username, request.Password = nil, nil
	body, err := envelope.Encode(&envelope.Start{ID: m.id, Request: request})
	if err != nil {
		return journey.Reply{}, fmt.Errorf("send the start of a journey: %w", err)
	}
	ctx, end := j.limited(ctx, m.until)
	defer end()
	view := j.config.View()
	for _, to := range view.Rank(m.id, view.Len()) {
		if ctx.Err() != nil {
			return journey.Reply{}, j.lost(ctx)
		}
		if to.ID == j.config.Self {
			return j.here(ctx, m.id, m, &m.offer)
		}
		reply, err := j.call(ctx, to, body)
		switch {
		case errors.Is(err, errNotAsked):
		case errors.Is(err, errLostCall):
			return journey.Reply{}, j.lost(ctx)
		default:
			return reply, err
		}
	}
	return journey.Reply{}, &session.UnavailableError{Reason: "no member can take the journey", RetryAfter: time.Second}
}

// call sends a message to another member. Its error is errNotAsked, errLostCall
// or what the member answered.
func (j *Journeys) call(ctx context.Context, to placement.Member, body []byte) (journey.Reply, error) {
	if j.config.Peers == nil {
		return journey.Reply{}, errNotAsked
	}
	j.counts.forwarded.Add(1)
	raw, err := j.config.Peers.Call(ctx, to, body)
	switch {
	case err != nil && j.config.Peers.NotDone(err):
		return journey.Reply{}, errNotAsked
	case err != nil:
		return journey.Reply{}, errLostCall
	}
	answer, err := envelope.DecodeAnswer(raw)
	if err != nil {
		j.logger.Warn("an answer of another member cannot be read", "member", to.ID, "bytes", len(raw), "err", err)
		return journey.Reply{}, errLost
	}
	if _, refused := errors.AsType[*envelope.RefusedError](answer.Err); refused {
		return journey.Reply{}, errNotAsked
	}
	return answer.Reply, answer.Err
}

// lost is the answer to a request whose outcome is not known.
func (j *Journeys) lost(ctx context.Context) error {
	switch {
	case j.base.Err() != nil:
		return errClosing
	case ctx.Err() != nil:
		return unavailable(context.Cause(ctx))
	}
	return errLost
}

// limited ends ctx at a time, and when this member stops.
func (j *Journeys) limited(ctx context.Context, until time.Time) (context.Context, func()) {
	ctx, cancel := context.WithDeadline(ctx, until)
	stop := context.AfterFunc(j.base, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// search takes a journey's answers from member to member until one has the
// journey, or may activate it. The steps of a journey can be asked for again:
// the same answers to the same step wait for it or get its reply.
type search struct {
	j    *Journeys
	m    *resume
	said map[attempt]error // ErrNotHere or errNotAsked, by whom

	bodies map[bool][]byte // the message, by attempt.find
}

// attempt is one way to ask one member. With find the member must not replay
// the journey's start.
type attempt struct {
	member placement.MemberID
	find   bool
}

// seek answers a step of a journey that lives at another member, or may do so.
// askedHere says that this member has been asked and does not have it.
func (j *Journeys) seek(ctx context.Context, m *resume, askedHere bool) (journey.Reply, error) {
	ctx, end := j.limited(ctx, m.until)
	defer end()
	s := &search{j: j, m: m, said: map[attempt]error{}, bodies: map[bool][]byte{}}
	if askedHere {
		s.said[attempt{j.config.Self, false}] = envelope.ErrNotHere
		s.said[attempt{j.config.Self, true}] = envelope.ErrNotHere
	}
	alone, waited := j.config.Peers == nil, false
	for pause := firstPause; ctx.Err() == nil; {
		view := j.config.View()
		to, ok := s.next(view)
		if !ok {
			err := s.unknown(ctx, view)
			if alone || waited || !errors.Is(err, journey.ErrGone) {
				return journey.Reply{}, err
			}
			waited = true
			rest(ctx, viewSpread)
			continue
		}
		reply, err := s.ask(ctx, view, to)
		switch {
		case errors.Is(err, envelope.ErrNotHere), errors.Is(err, errNotAsked):
			s.said[to] = err
		case !errors.Is(err, errLostCall):
			return reply, err
		case to.find && !s.findOnly(): // worth one try: others can activate the journey
			s.said[to] = errNotAsked
		default:
			rest(ctx, pause)
			pause = min(2*pause, maxPause)
		}
	}
	return journey.Reply{}, j.lost(ctx)
}

// findOnly reports whether no member may activate the journey: it is past its
// first answer, so that some member has it, or nobody.
func (s *search) findOnly() bool { return len(s.m.request.Ref.Trace) == 0 }

// order lists whom to ask, in order. A journey that is here is asked for here.
// One that began to live at a member before that member began to leave is
// still there, if it was answered at all. After these come all by rank.
func (s *search) order(view placement.View) []attempt {
	id := s.m.request.Ref.Journey
	order := make([]attempt, 0, view.Len()+2)
	if s.j.holds(id) {
		order = append(order, attempt{s.j.config.Self, true})
	}
	if home, ok := view.Home(id); ok && home.Draining {
		order = append(order, attempt{home.ID, true})
	}
	for _, m := range view.Rank(id, view.Len()) {
		order = append(order, attempt{m.ID, s.findOnly()})
	}
	return order
}

func (s *search) next(view placement.View) (attempt, bool) {
	for _, a := range s.order(view) {
		if s.said[a] == nil {
			return a, true
		}
	}
	return attempt{}, false
}

// unknown is the answer when nobody who could be asked has the journey. It is
// over only if all members of the view were asked, and the view is not that of
// a minority.
func (s *search) unknown(ctx context.Context, view placement.View) error {
	for _, m := range view.Members() {
		if !errors.Is(s.said[attempt{m.ID, s.findOnly()}], envelope.ErrNotHere) {
			return &session.UnavailableError{Reason: "a member cannot be asked for the journey", RetryAfter: time.Second}
		}
	}
	if view.Len() == 0 {
		return &session.UnavailableError{Reason: "this member is in no view", RetryAfter: time.Second}
	}
	if s.j.config.Quorum != nil {
		if err := s.j.config.Quorum(ctx); err != nil {
			return unavailable(err)
		}
	}
	return journey.ErrGone
}

func (s *search) ask(ctx context.Context, view placement.View, to attempt) (journey.Reply, error) {
	if to.member == s.j.config.Self {
		own := &resume{errand: errand{until: s.m.until}, request: s.m.request, digest: s.m.digest, find: to.find}
		return s.j.here(ctx, s.m.request.Ref.Journey, own, &own.offer)
	}
	member, ok := view.Member(to.member)
	if !ok {
		return journey.Reply{}, errNotAsked
	}
	body, ok := s.bodies[to.find]
	if !ok {
		var err error
		body, err = envelope.Encode(&envelope.Resume{Digest: s.m.digest, Find: to.find, Request: s.m.request})
		if err != nil {
			return journey.Reply{}, fmt.Errorf("send a journey's answers: %w", err)
		}
		s.bodies[to.find] = body
	}
	return s.j.call(ctx, member, body)
}

// holds reports whether this member has a record of the journey or is at work
// on it.
func (j *Journeys) holds(id journey.ID) bool {
	rec, over := j.records.get(id)
	return rec != nil || over || j.gateway.holds(id)
}

// rest waits, or less when ctx ends.
func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
