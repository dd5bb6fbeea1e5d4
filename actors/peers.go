package actors

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// Peers asks other members of the cluster. Its methods are called concurrently.
type Peers interface {
	// Call hands body to Serve of m's Journeys and returns what that returned.
	// It ends with ctx, whose deadline reaches the other side. body is not
	// changed by either, and may be sent again.
	Call(ctx context.Context, m placement.Member, body []byte) ([]byte, error)
	// NotDone reports whether an error of Call means for certain that m has not
	// seen the body and will not. After any other error it is not known.
	NotDone(err error) bool
	// Silent reports whether m owes a sign of life: calls to it may be waited
	// for in vain. It does not block.
	Silent(m placement.Member) bool
}

// Serve does what another member asks, here and nowhere else: a request makes
// one hop at most. from is that member's name for the log. What came of it, a
// refusal included, is in the answer; the error is always nil.
func (j *Journeys) Serve(ctx context.Context, from string, body []byte) ([]byte, error) {
	answer := j.serve(ctx, from, body)
	return answer.Encode(), nil
}

func (j *Journeys) serve(ctx context.Context, from string, body []byte) (a envelope.Answer) {
	defer func() {
		if fault := recover(); fault != nil {
			j.logger.Error("a request of another member panicked", "member", from,
				"fault", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
			a = envelope.Answer{Err: fmt.Errorf("a request of member %s panicked", from)}
		}
	}()
	if !j.enter() {
		return envelope.Answer{Err: &envelope.RefusedError{Reason: errClosing.Reason}}
	}
	defer j.serving.Done()
	message, err := envelope.Decode(body)
	if err != nil {
		j.logger.Warn("a request of another member cannot be read", "member", from, "bytes", len(body), "err", err)
		return envelope.Answer{Err: &envelope.RefusedError{Reason: err.Error()}}
	}
	j.counts.served.Add(1)
	switch m := message.(type) {
	case *envelope.Start:
		a.Reply, a.Err = j.receive(ctx, m)
	case *envelope.Resume:
		own := &resume{errand: j.errand(ctx), request: m.Request, digest: m.Digest, find: m.Find}
		a.Reply, a.Err = j.here(ctx, m.Request.Ref.Journey, own, &own.offer)
		if retried(a.Err) && !errors.Is(a.Err, envelope.ErrNotHere) { // what the older member does not know
			a.Err = j.final(a.Err)
		}
	case *envelope.Advance:
		own := &resume{errand: j.errand(ctx), request: m.Request, digest: m.Digest, asker: m.Asker}
		got, err := j.reach(ctx, m.Request.Ref.Journey, own, &own.offer)
		a.Reply, a.Record, a.Err = got.reply, got.record, err
	case *envelope.Promise:
		j.counts.promisesServed.Add(1)
		said := j.slots.promise(m.ID, m.Epoch, m.Expires)
		a.Promised = &said
	case *envelope.Accept:
		a.Accepted = j.accept(from, m)
	case *envelope.Survey:
		said := envelope.Surveyed(j.survey(m.Leaving))
		a.Surveyed = &said
	}
	return a
}

// enter counts somebody who serves a client or another member, and who may start
// work that Close has to wait for; false after Close.
func (j *Journeys) enter() bool {
	j.door.RLock()
	defer j.door.RUnlock()
	if !j.sealed {
		j.serving.Add(1)
	}
	return !j.sealed
}

// accept keeps the records that another member wrote.
func (j *Journeys) accept(from string, m *envelope.Accept) []envelope.Accepted {
	j.counts.acceptsServed.Add(int64(len(m.Copies)))
	said := make([]envelope.Accepted, len(m.Copies))
	now := j.config.Now()
	for i, c := range m.Copies {
		r, err := register.ReadRecord(c.Record, j.slots.names.name)
		if err != nil {
			j.logger.Warn("a record of another member cannot be read", "member", from, "journey", c.ID, "bytes", len(c.Record), "err", err)
			said[i].Full = true // not this member's to keep
			continue
		}
		said[i] = j.slots.accept(c.ID, r, c.Record, now)
	}
	return said
}

// receive begins a journey for a member that may not keep it. The tree's start
// is run here, on the version that this member has.
func (j *Journeys) receive(ctx context.Context, m *envelope.Start) (journey.Reply, error) {
	if j.slots.full() {
		return journey.Reply{}, errFull
	}
	r := m.Request
	settings, err := j.config.Catalog.Settings(ctx, r.Realm)
	if err != nil {
		return journey.Reply{}, err
	}
	plan, err := j.config.Catalog.plan(ctx, r.Realm, r.Tree)
	if err != nil {
		return journey.Reply{}, err
	}
	env := journey.Env{Now: j.config.Now(), Rand: j.config.Rand, Settings: settings, Request: &r.Request}
	j.suspendingEnv(&env, m.ID, digest{})
	state, step := plan.open(env, &r)
	own := &begin{errand: j.errand(ctx), id: m.ID, store: j.store(settings), request: r, plan: plan.Plan, state: state, step: step}
	return j.here(ctx, m.ID, own, &own.offer)
}
