package actors

import (
	"context"
	"errors"
	"time"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// confirm has the journey's newest record accepted by a majority, unless it is
// known to be: nothing is said of a record, not even that an answer comes too
// late for it, while another member may know better.
func (j *Journeys) confirm(ctx context.Context, s *stepping) error {
	l := s.lead
	if l.certain {
		return nil
	}
	if l.mine {
		return j.put(ctx, s, l.record, repeats)
	}
	return j.put(ctx, s, j.successor(s, l.record.Body), follows)
}

// commit has what came of a step accepted by a majority, and makes its reply.
// The success of a journey is the exception: which answers make its session a
// majority knows already (choose), the command that created it has decided the
// rest, and whoever runs the step again comes to the same. A session that its
// holder keeps is created by no command, and one that a quota may deny is not
// always: their end is one like any other.
func (j *Journeys) commit(ctx context.Context, s *stepping) error {
	if s.err != nil { // another user's: the journey is over
		j.counts.failed.Add(1)
		return j.end(ctx, s, failed, &ended{message: s.err.Error()})
	}
	if s.done != nil {
		kind := failed
		if s.done.Success && !s.done.NoSession && !s.undecided {
			kind = decided
		}
		if err := j.end(ctx, s, kind, endedOf(s)); err != nil {
			return err
		}
		j.audit(s) //nolint:contextcheck // a log line is not the request's
		if err := j.supersede(ctx, s); err != nil {
			return err
		}
		s.reply = journey.Reply{Realm: s.plan.Realm, Done: s.done, Token: s.token}
		return nil
	}
	state, err := s.state.Encode()
	if err != nil {
		return err
	}
	s.ref.Started = s.state.Started
	expires := s.state.Deadline(s.plan, s.env.Settings)
	b := body{kind: waits, step: s.state.Step, digest: s.digest, expires: expires, replicas: s.replicas, state: state}
	if s.state.Suspended != nil {
		b.kind = suspends
	}
	if err := s.keep.follow(ctx, s, &b); err != nil {
		return err
	}
	if b.kind == suspends {
		if err := j.shelve(ctx, s, &b); err != nil {
			return err
		}
	}
	s.reply = journey.Reply{Ref: j.refer(s, &b), Ask: s.ask, Realm: s.plan.Realm}
	return nil
}

// end notes that the journey is over.
func (j *Journeys) end(ctx context.Context, s *stepping, kind bodyKind, e *ended) error {
	if s.start != nil { // nobody holds a reference to a journey that ended as it started
		return nil
	}
	if !j.config.View().Speaks(placement.StoresProtocol) {
		e = e.plain()
	}
	b := body{kind: kind, step: s.step, digest: s.digest, expires: s.ref.Expires, replicas: s.replicas, end: e}
	if kind != decided {
		return s.keep.follow(ctx, s, &b)
	}
	s.keep.note(ctx, s, &b)
	return nil
}

// begins reports whether the next record is written without that anybody has
// promised its epoch.
func (s *stepping) begins() bool { return s.lead.record == nil && !s.lead.asked }

// compose makes the record of a body that follows the newest one. It lasts as
// long as the reference that was answered, though a node may have cut the
// journey's time: without it that would begin the journey again.
func (j *Journeys) compose(s *stepping, b *body) *register.Record {
	r := j.successor(s, b.encode())
	r.Expires = max(r.Expires, ceil(b.expires), ceil(s.ref.Expires))
	return r
}

// follow commits the record that follows the newest one, or leaves that to the
// asker: nothing but the reply may come after it.
func (j *Journeys) follow(ctx context.Context, s *stepping, b *body) error {
	r := j.compose(s, b)
	as := follows
	if s.begins() {
		as = begins
	}
	if s.err == nil && s.replaced == nil && s.m != nil && b.kind != suspends && s.decides(j.config.Self, r) {
		return j.entrust(s, r, as) //nolint:contextcheck // what is sent goes on after the request
	}
	return j.put(ctx, s, r, as)
}

// decides reports whether a record is committed once this member and the asker
// have accepted it.
func (s *stepping) decides(self placement.MemberID, r *register.Record) bool {
	if s.m.asker == "" || len(r.Prev) > 0 || s.lead.record != nil && len(s.lead.record.Prev) > 0 {
		return false
	}
	have := func(m placement.MemberID) bool { return m == self || m == s.m.asker }
	return register.Quorum(r, have, nil)
}

// entrust leaves it to the asker to commit a record: it accepts what it gets
// with the reply, or does not answer its client. The other replicas are told
// meanwhile, and a majority of them tells this member that the record is certain.
func (j *Journeys) entrust(s *stepping, r *register.Record, as role) error {
	raw, p := encoded(r), proposal{s.id, r, as}
	if err := refusal(j.propose(p, raw, j.config.Now())); err != nil {
		return err
	}
	s.lead.record, s.lead.mine, s.lead.certain, s.carried = r, true, false, raw
	var parcels []parcel
	for _, m := range r.Replicas {
		if m != j.config.Self && m != s.m.asker {
			parcels = append(parcels, parcel{to: m, which: []int{0}})
		}
	}
	j.send(parcels, []proposal{p}, [][]byte{raw}, func(got receipt) {
		have := func(m placement.MemberID) bool { return m == j.config.Self || m == got.to }
		if got.accepted != nil && got.accepted[0].OK && register.Quorum(r, have, nil) {
			j.slots.settle(s.id, r)
		}
	})
	return nil
}

// entrusted accepts a record that came with a reply, which is good if it is
// committed by that.
func (j *Journeys) entrusted(id journey.ID, raw []byte) error {
	if !j.enter() {
		return errClosing
	}
	defer j.serving.Done()
	r, err := register.ReadRecord(raw, j.slots.names.name)
	if err != nil {
		return errLostCall
	}
	have := func(m placement.MemberID) bool { return m == j.config.Self || m == r.Epoch.Member }
	if err := refusal(j.slots.accept(id, r, raw, j.config.Now())); err != nil {
		return err
	}
	if !register.Quorum(r, have, nil) {
		return envelope.ErrCutOff
	}
	j.slots.settle(id, r)
	return nil
}

// successor is the record after the newest one, with another body. It moves the
// journey to the members that should hold it by now, and ends such a move.
func (j *Journeys) successor(s *stepping, body []byte) *register.Record {
	l, want := s.lead, j.wanted(s.id, s.replicas)
	if l.record == nil && l.implicit == nil && want == nil { // begun by one that leaves
		want = j.config.View().Replicas(nil, s.id, s.replicas)
	}
	var r *register.Record
	switch {
	case l.record == nil:
		r = register.Begin(l.epoch, l.implicit, want)
	case len(l.record.Prev) > 0 && l.certain:
		r = register.Settle(l.record)
	default:
		r = register.Change(l.record, want)
	}
	r.Epoch, r.Body = l.epoch, body
	return r
}

// put has a record accepted by a majority. From then on it is the journey's
// newest.
func (j *Journeys) put(ctx context.Context, s *stepping, r *register.Record, as role) error {
	before := s.lead.record
	err := j.write(ctx, proposal{s.id, r, as})[0]
	if err != nil {
		return err
	}
	s.lead.record, s.lead.mine, s.lead.certain = r, true, true
	if before != nil && len(before.Prev) > 0 && len(r.Prev) == 0 {
		j.leave(s.id, before.Prev, r) //nolint:contextcheck // goes on after the request
	}
	return nil
}

// leave tells those that no longer hold a journey where it is.
func (j *Journeys) leave(id journey.ID, from register.Set, r *register.Record) {
	var left register.Set
	for _, m := range from {
		if !r.Replicas.Has(m) {
			left = append(left, m)
		}
	}
	if len(left) > 0 {
		j.counts.stubs.Add(int64(len(left)))
		j.tell(left, id, r.WithoutBody())
	}
}

// settleSoon ends a change of a journey's set, unless the next step does.
func (j *Journeys) settleSoon(id journey.ID) {
	j.aside(func() {
		if !j.gateway.claim(id) {
			return
		}
		defer j.gateway.release(id)
		h := j.slots.get(id)
		if !h.Leads(j.config.Self) || !h.certain || len(h.Record.Prev) == 0 {
			return
		}
		r := register.Settle(h.Record)
		ctx := j.deadlines.at(time.Now().Add(stragglers))
		if err := j.write(ctx, proposal{id, r, follows})[0]; err == nil {
			j.leave(id, h.Record.Prev, r)
		} else if !errors.Is(err, journey.ErrGone) {
			j.logger.Debug("a change of a journey's members is not ended yet", "journey", id, "err", err)
		}
	})
}
