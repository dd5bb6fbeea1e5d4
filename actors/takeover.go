package actors

import (
	"context"
	"fmt"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// lead is what a member knows of a journey that it may write the next record
// of.
type lead struct {
	epoch register.Epoch
	// record is the newest, nil for a journey that nobody has written of;
	// implicit is the set that may begin it then, nil when nobody else knows
	// of the journey.
	record   *register.Record
	implicit register.Set
	// asked says that a majority has promised the epoch. Nobody has to for the
	// first of the implicit set.
	asked bool
	// mine says that record was written under epoch, and certain that a
	// majority has accepted it.
	mine, certain bool
	// founded says that who knew the journey is gone, and that record is what is
	// left of it, nil for nothing: the client may carry a later step.
	founded bool
}

// quest is what a take-over is told of a journey, and what it learns.
type quest struct {
	id      journey.ID
	expires int64        // seconds of Unix time
	first   register.Set // the set that may begin it; nil: not known
	alone   bool         // its realm wants no more than one member to hold it
	// refounded says that first is from the replicated store, instead of members
	// that are dead; draft is then what is left of a first record that they were
	// to accept.
	refounded bool
	draft     *register.Record
	// carried says that the client has the journey: first is the set that was told
	// of its step. kept says that somebody has a record which others could still
	// accept.
	carried, kept bool
}

// everybody reports whether all members that run must have answered: a journey
// that its client carries was begun, so that it can be gone from one set and live
// on in another.
func (q *quest) everybody() bool { return q.refounded && q.carried }

// takeOver makes this member the one that leads a journey: a majority of its
// replicas promises to accept no record of an earlier epoch. Its errors are
// journey.ErrGone when the journey is over for good, envelope.ErrNotHere when
// all members answered and none knows it, or the one that had it is gone,
// *envelope.FencedError, and envelope.ErrCutOff when too few can be asked.
func (j *Journeys) takeOver(ctx context.Context, q quest) (*lead, error) {
	j.counts.takeovers.Add(1)
	epoch, h := j.slots.campaign(q.id, j.config.Self, q.expires)
	if h.over {
		return nil, journey.ErrGone
	}
	t := register.NewTakeover(j.config.Self, epoch, q.first, j.dead)
	if q.everybody() {
		if err := j.widen(ctx, t, &q); err != nil {
			return nil, err
		}
	}
	t.Heard(j.config.Self, register.Promised{OK: true, Epoch: epoch, Record: j.sift(&q, h.Record)})
	o := register.Outcome{State: register.Unavailable}
	if h.Record != nil || len(q.first) > 0 {
		var err error
		if o, err = j.canvass(ctx, t, &q); err != nil {
			return nil, err
		}
	}
	if o.State == register.Unavailable && !q.everybody() { // what is known here may be old, and the journey elsewhere
		err := j.widen(ctx, t, &q)
		if err != nil {
			return nil, err
		}
		if o, err = j.canvass(ctx, t, &q); err != nil {
			return nil, err
		}
	}
	switch {
	case o.State == register.Adopt:
		founded := q.everybody() && o.Record == nil
		if _, all := t.Known(); founded && !all {
			return nil, envelope.ErrCutOff
		}
		if o.Record == nil && q.draft != nil {
			o.Record = reseated(q.draft, o.Set)
		}
		return &lead{epoch: epoch, record: o.Record, implicit: o.Set, asked: true, founded: founded}, nil
	case o.State == register.Fenced:
		j.counts.fenced.Add(1)
		return nil, &envelope.FencedError{Epoch: o.Epoch}
	case !q.refounded && j.extinct(q.first) && j.unbegun(t, &q):
		_, all := t.Known()
		set, err := j.refound(ctx, q, all)
		if err != nil {
			return nil, err
		}
		if set != nil {
			q.first, q.refounded = set, true
			return j.takeOver(ctx, q)
		}
	case o.State == register.Nothing && len(q.first) == 0, j.wentWith(h.Record, &q):
		return nil, envelope.ErrNotHere
	}
	return nil, envelope.ErrCutOff
}

// wentWith reports whether the one member that had a journey, by all that is
// known here, has gone: as in AM, the journey has gone with it.
func (j *Journeys) wentWith(r *register.Record, q *quest) bool {
	if q.carried && j.config.Founding != nil {
		return false
	}
	set := q.first
	if r != nil {
		set = r.Members()
	}
	if len(set) != 1 {
		return false
	}
	_, there := j.config.View().Member(set[0])
	return j.dead(set[0]) || q.alone && !there
}

// pledge is one member's answer to a Promise.
type pledge struct {
	from placement.MemberID
	said *envelope.Promised // nil when there was no answer
}

// canvass asks whom a take-over wants asked until it is decided.
func (j *Journeys) canvass(ctx context.Context, t *register.Takeover, q *quest) (register.Outcome, error) {
	body, err := envelope.Encode(&envelope.Promise{ID: q.id, Epoch: t.Epoch(), Expires: q.expires})
	if err != nil {
		return register.Outcome{}, fmt.Errorf("ask for a promise: %w", err)
	}
	pledges := make(chan pledge, register.MaxSet)
	open := 0
	for {
		for _, m := range t.Ask() {
			open++
			j.counts.promisesSent.Add(1)
			j.aside(func() {
				p := pledge{from: m}
				if a, err := j.ask(ctx, m, body); err == nil {
					p.said = a.Promised
				}
				select {
				case pledges <- p:
				case <-ctx.Done():
				}
			})
		}
		o := t.Outcome()
		more := open > 0 && q.everybody() && o.State == register.Adopt && o.Record == nil
		if o.State != register.Asking && !more {
			return o, nil
		}
		select {
		case p := <-pledges:
			open--
			if err := j.heed(t, q, p); err != nil {
				return o, err
			}
		case <-ctx.Done():
			return o, envelope.ErrCutOff
		}
	}
}

// heed tells a take-over what a member answered. A journey that is over for
// good needs no further question.
func (j *Journeys) heed(t *register.Takeover, q *quest, p pledge) error {
	if p.said == nil {
		t.Failed(p.from)
		return nil
	}
	if p.said.Over {
		return journey.ErrGone
	}
	said := register.Promised{OK: p.said.OK, Epoch: p.said.Epoch}
	if p.said.Record != nil {
		r, err := register.ReadRecord(p.said.Record, j.slots.names.name)
		if err != nil {
			j.logger.Warn("a record of another member cannot be read", "member", p.from, "bytes", len(p.said.Record), "err", err)
			t.Failed(p.from)
			return nil
		}
		said.Record = j.sift(q, r)
	}
	t.Heard(p.from, said)
	return nil
}

// widen has a take-over ask all members that may know of the journey. One that
// its client carries does not go with the one member that held it: that may have
// given it to another before it left.
func (j *Journeys) widen(ctx context.Context, t *register.Takeover, q *quest) error {
	candidates, err := j.candidates(ctx, q.alone && !q.carried)
	if err == nil {
		t.Widen(candidates)
	}
	return err
}

// candidates are all members that may know of a journey: those of the view,
// and those that may run unseen. A journey that one member holds is gone when
// that has left the view.
func (j *Journeys) candidates(ctx context.Context, alone bool) (register.Set, error) {
	all := register.Set{j.config.Self}
	for _, m := range j.config.View().Members() {
		if m.Protocol >= placement.ReplicaProtocol && m.ID != j.config.Self {
			all = append(all, m.ID)
		}
	}
	if j.config.Runs == nil || alone {
		return all, nil
	}
	current, err := j.config.Runs.Current(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	for _, m := range current {
		if !all.Has(m) {
			all = append(all, m)
		}
	}
	return all, nil
}

// wanted is the set that is to hold a journey of this member's, n members if
// there are as many: nil when this member should not be one of them.
func (j *Journeys) wanted(id journey.ID, n int) register.Set {
	view := j.config.View()
	if n == 1 || view.Len() == 1 {
		return j.itself
	}
	set := register.Set(view.Replicas(make([]placement.MemberID, 0, n), id, n))
	switch {
	case len(set) == 0:
		return j.itself
	case !set.Has(j.config.Self):
		return nil
	}
	return set
}
