package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
	"sojourn/cts/session"
)

// Between two rounds of asking the members for a journey. The pause doubles,
// and no two requests make the same.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 200 * time.Millisecond
)

// patience is how long a request goes round the members before it is answered
// as unavailable: longer than a dead link takes to be found.
const patience = 2 * time.Second

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
	for _, to := range j.ranked(j.config.View(), m.id) {
		if ctx.Err() != nil {
			return journey.Reply{}, j.lostTo(ctx)
		}
		if to.ID == j.config.Self {
			reply, err := j.here(ctx, m.id, m, &m.offer)
			return reply, j.final(err)
		}
		a, err := j.call(ctx, to, body)
		switch {
		case errors.Is(err, errNotAsked):
		case errors.Is(err, errLostCall):
			return journey.Reply{}, j.lostTo(ctx)
		default:
			return a.Reply, j.final(err)
		}
	}
	return journey.Reply{}, &session.UnavailableError{Reason: "no member can take the journey", RetryAfter: time.Second}
}

// call sends a message to another member. Its error is errNotAsked, errLostCall
// or what the member answered.
func (j *Journeys) call(ctx context.Context, to placement.Member, body []byte) (envelope.Answer, error) {
	if j.config.Peers == nil {
		return envelope.Answer{}, errNotAsked
	}
	j.counts.forwarded.Add(1)
	raw, err := j.config.Peers.Call(ctx, to, body)
	switch {
	case err != nil && j.config.Peers.NotDone(err):
		j.suspects.add(to)
		return envelope.Answer{}, errNotAsked
	case err != nil:
		if ctx.Err() == nil {
			j.suspects.add(to)
		}
		return envelope.Answer{}, errLostCall
	}
	answer, err := envelope.DecodeAnswer(raw)
	if err != nil {
		j.logger.Warn("an answer of another member cannot be read", "member", to.ID, "bytes", len(raw), "err", err)
		return envelope.Answer{}, errLost
	}
	if _, refused := errors.AsType[*envelope.RefusedError](answer.Err); refused {
		return envelope.Answer{}, errNotAsked
	}
	return answer, answer.Err
}

// lostTo is the answer to a request whose outcome is not known.
func (j *Journeys) lostTo(ctx context.Context) error {
	switch {
	case j.base.Err() != nil:
		return errClosing
	case ctx.Err() != nil:
		return unavailable(context.Cause(ctx))
	}
	j.counts.unavailableLost.Add(1)
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

// search takes a journey's answers from member to member until one has acted
// on them. They can be given again: the same answers to the same step wait for
// it or get its reply.
type search struct {
	j *Journeys
	m *resume
	// said is what each member answered last, other than a reply.
	said map[placement.MemberID]error
	// advance and old are the message, for members that hold replicas and for
	// those that do not.
	advance, old []byte
}

// seek has a step of a journey answered by the first member by rank that can.
// It leads the journey, or takes it over. here, if not nil, is why this member
// cannot.
func (j *Journeys) seek(ctx context.Context, m *resume, here error) (journey.Reply, error) {
	ctx, end := j.limited(ctx, m.until)
	defer end()
	s := &search{j: j, m: m, said: map[placement.MemberID]error{}}
	begun, spread := time.Now(), false
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		view := j.config.View()
		reply, err := s.round(ctx, view, here)
		here = nil
		if !retried(err) {
			return reply, err
		}
		if s.unknown(view) {
			if spread || j.config.Peers == nil || j.config.Runs != nil && view.Speaks(placement.ReplicaProtocol) {
				return journey.Reply{}, s.gone(ctx)
			}
			spread = true
			rest(ctx, viewSpread)
			continue
		}
		if time.Since(begun) > patience {
			return journey.Reply{}, j.final(err)
		}
		rest(ctx, pause/2+rand.N(pause/2)) //nolint:gosec // spreads requests, hides nothing
	}
	return journey.Reply{}, j.lostTo(ctx)
}

// retried reports whether another member, or the same one a little later, can
// answer where this error was met.
func retried(err error) bool {
	if err == nil {
		return false
	}
	_, fenced := errors.AsType[*envelope.FencedError](err)
	return fenced || errors.Is(err, errNotAsked) || errors.Is(err, errLostCall) ||
		errors.Is(err, envelope.ErrNotHere) || errors.Is(err, envelope.ErrCutOff)
}

// final is what a client is told of an error that more asking did not mend.
func (j *Journeys) final(err error) error {
	switch {
	case !retried(err):
		return err
	case errors.Is(err, errLostCall):
		j.counts.unavailableLost.Add(1)
		return errLost
	}
	j.counts.unavailableCutOff.Add(1)
	switch {
	case errors.Is(err, errNotAsked), errors.Is(err, envelope.ErrNotHere):
		return &session.UnavailableError{Reason: "a member cannot be asked for the journey", RetryAfter: time.Second}
	}
	return &session.UnavailableError{Reason: envelope.ErrCutOff.Error(), RetryAfter: time.Second, Unknown: true}
}

// round asks the members by rank, each once.
func (s *search) round(ctx context.Context, view placement.View, here error) (journey.Reply, error) {
	order := s.order(view)
	asked := make(map[placement.MemberID]bool, len(order))
	err := errNotAsked
	if here != nil {
		err = here
		order = s.note(view, s.j.config.Self, here, asked, order)
	}
	for len(order) > 0 && ctx.Err() == nil {
		to := order[0]
		order = order[1:]
		if asked[to.ID] {
			continue
		}
		var reply journey.Reply
		reply, err = s.ask(ctx, to)
		if !retried(err) {
			return reply, err
		}
		order = s.note(view, to.ID, err, asked, order)
	}
	return journey.Reply{}, err
}

// note remembers what a member said, and puts the leader that it told of in
// front of those that are still to be asked.
func (s *search) note(view placement.View, from placement.MemberID, err error, asked map[placement.MemberID]bool,
	order []placement.Member,
) []placement.Member {
	asked[from] = true
	s.said[from] = err
	if fenced, ok := errors.AsType[*envelope.FencedError](err); ok {
		if leader, ok := view.Member(fenced.Epoch.Member); ok && !asked[leader.ID] {
			order = append([]placement.Member{leader}, order...)
		}
	}
	return order
}

// order lists whom to ask. A journey that began to live at a member of the old
// protocol, before that began to leave, is still there.
func (s *search) order(view placement.View) []placement.Member {
	id := s.m.request.Ref.Journey
	order := s.j.ranked(view, id)
	if home, ok := view.Home(id); ok && home.Draining && home.Protocol < placement.ReplicaProtocol {
		order = append([]placement.Member{home}, order...)
	}
	return order
}

// unknown reports whether all members of the view have answered that they have
// nothing of the journey.
func (s *search) unknown(view placement.View) bool {
	for _, m := range view.Members() {
		if !errors.Is(s.said[m.ID], envelope.ErrNotHere) {
			return false
		}
	}
	return view.Len() > 0
}

// gone is the answer when nobody has the journey: it is over, unless this
// member may be cut off from those that have it.
func (s *search) gone(ctx context.Context) error {
	if s.j.config.Quorum != nil {
		if err := s.j.config.Quorum(ctx); err != nil {
			s.j.counts.unavailableQuorum.Add(1)
			return unavailable(err)
		}
	}
	return journey.ErrGone
}

func (s *search) ask(ctx context.Context, to placement.Member) (journey.Reply, error) {
	switch {
	case to.ID == s.j.config.Self:
		own := &resume{errand: errand{until: s.m.until}, request: s.m.request, digest: s.m.digest}
		return s.j.here(ctx, s.m.request.Ref.Journey, own, &own.offer)
	case to.Protocol < placement.ReplicaProtocol:
		return s.askOld(ctx, to)
	}
	if s.advance == nil {
		body, err := envelope.Encode(&envelope.Advance{Digest: s.m.digest, Asker: s.j.config.Self, Request: s.m.request})
		if err != nil {
			return journey.Reply{}, fmt.Errorf("send a journey's answers: %w", err)
		}
		s.advance = body
	}
	a, err := s.j.call(ctx, to, s.advance)
	if err == nil && a.Record != nil {
		err = s.j.entrusted(s.m.request.Ref.Journey, a.Record)
	}
	if err != nil {
		return journey.Reply{}, err
	}
	return a.Reply, nil
}

// askOld asks a member that holds no replicas: what it has, nobody else has, so
// that it is asked again if its answer was lost. It must not replay the start of
// a journey that is to have replicas.
func (s *search) askOld(ctx context.Context, to placement.Member) (journey.Reply, error) {
	if s.old == nil {
		find := !begunOld(s.m.request.Ref.Trace)
		body, err := envelope.Encode(&envelope.Resume{Digest: s.m.digest, Find: find, Request: s.m.request})
		if err != nil {
			return journey.Reply{}, fmt.Errorf("send a journey's answers: %w", err)
		}
		s.old = body
	}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		a, err := s.j.call(ctx, to, s.old)
		_, there := s.j.config.View().Member(to.ID)
		if !errors.Is(err, errLostCall) || ctx.Err() != nil || !there {
			return a.Reply, err
		}
		rest(ctx, pause)
	}
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
