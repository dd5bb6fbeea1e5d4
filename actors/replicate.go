package actors

import (
	"context"
	"errors"
	"slices"
	"time"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// proposal is a record on its way to the members that its sets name. Its
// writer leads the journey.
type proposal struct {
	id     journey.ID
	record *register.Record
	as     role
}

// role is what a record is to its writer.
type role byte

const (
	follows role = iota // the record follows the one that is here
	begins              // it is the journey's first, and nobody has been asked
	repeats             // it is the one that is here, and may not be committed
	foreign             // another member wrote it
)

// parcel is what one member is sent of several proposals: which, in order.
type parcel struct {
	to    placement.MemberID
	which []int
}

type receipt struct {
	parcel
	accepted []envelope.Accepted // nil when there was no answer
}

// maxParcel is about how many bytes of records one message carries.
const maxParcel = 256 << 10

// stragglers is how long a record is still on its way to the other replicas
// after a majority has it.
const stragglers = 5 * time.Second

// write has records accepted, each by a majority of its replicas: first here,
// then by the others, which are asked all at once and in few messages. The
// error of each is nil once it is committed; a *envelope.FencedError when
// another member leads the journey; journey.ErrGone when that is over for good;
// envelope.ErrCutOff when too few replicas answer, and errFull when they have
// no room. After any error the record may be committed all the same.
func (j *Journeys) write(ctx context.Context, list ...proposal) []error {
	errs := make([]error, len(list))
	rounds := make([]register.Round, len(list))
	raw := make([][]byte, len(list))
	open := 0
	now := j.config.Now()
	for i, p := range list {
		raw[i] = encoded(p.record)
		rounds[i] = register.NewRound(p.record, j.dead)
		if errs[i] = refusal(j.propose(p, raw[i], now)); errs[i] == nil {
			rounds[i].Heard(j.config.Self, register.Accepted{OK: true})
			open += j.conclude(p, &rounds[i], &errs[i])
		}
	}
	parcels := j.pack(list, raw, errs)
	receipts := make(chan receipt, len(parcels))
	j.send(parcels, list, raw, func(got receipt) { receipts <- got }) //nolint:contextcheck // stragglers get it after the request
	for range parcels {
		if open == 0 {
			break
		}
		select {
		case got := <-receipts:
			for k, i := range got.which {
				if errs[i] == errOpen { //nolint:errorlint // a mark, never wrapped
					note(&rounds[i], got, k, &errs[i])
					open += j.conclude(list[i], &rounds[i], &errs[i]) - 1
				}
			}
		case <-ctx.Done():
			open = 0
		}
	}
	for i := range errs {
		if errs[i] == errOpen { //nolint:errorlint // a mark, never wrapped
			errs[i] = envelope.ErrCutOff
		}
	}
	return errs
}

// propose has a record accepted here.
func (j *Journeys) propose(p proposal, raw []byte, now time.Time) envelope.Accepted {
	if p.as != repeats {
		return j.slots.propose(p.id, p.record, raw, p.as == begins, false, now)
	}
	h := j.slots.get(p.id)
	return envelope.Accepted{OK: h.Leads(j.config.Self) && h.Record.Compare(p.record) == 0, Over: h.over, Epoch: h.Promised}
}

// encoded is a record as bytes, which are kept for long: no more than it needs.
func encoded(r *register.Record) []byte {
	room := 32 + len(r.Body)
	for _, set := range []register.Set{{r.Epoch.Member}, r.Replicas, r.Prev} {
		for _, m := range set {
			room += min(len(m), 16) + 2
		}
	}
	return register.AppendRecord(make([]byte, 0, room), r)
}

// errOpen marks a proposal that is neither committed nor refused yet.
var errOpen = errors.New("not decided yet")

// refusal is why this member does not accept a record, nil if it does.
func refusal(a envelope.Accepted) error {
	switch {
	case a.OK:
		return nil
	case a.Over:
		return journey.ErrGone
	case a.Full:
		return errFull
	}
	return &envelope.FencedError{Epoch: a.Epoch}
}

// note counts one member's answer.
func note(r *register.Round, got receipt, k int, err *error) {
	if got.accepted == nil {
		r.Failed(got.to)
		return
	}
	a := got.accepted[k]
	if a.Over {
		*err = journey.ErrGone
	}
	if a.OK || !a.Over && !a.Full {
		r.Heard(got.to, register.Accepted{OK: a.OK, Epoch: a.Epoch})
	} else {
		r.Failed(got.to)
	}
}

// conclude says 1 while a proposal is open.
func (j *Journeys) conclude(p proposal, r *register.Round, err *error) int {
	fence, fenced := r.Fenced()
	switch {
	case errors.Is(*err, journey.ErrGone):
	case r.Committed():
		*err = nil
		j.slots.settle(p.id, p.record)
	case fenced:
		j.counts.fenced.Add(1)
		*err = &envelope.FencedError{Epoch: fence}
	case r.Hopeless():
		*err = envelope.ErrCutOff
	default:
		*err = errOpen
		return 1
	}
	return 0
}

// pack says who is to be sent what. A record that was refused here is sent to
// nobody.
func (j *Journeys) pack(list []proposal, raw [][]byte, errs []error) []parcel {
	var out []parcel
	size := map[placement.MemberID]int{}
	for i, p := range list {
		if errs[i] != nil && errs[i] != errOpen { //nolint:errorlint // a mark, never wrapped
			continue
		}
		for _, to := range p.record.Members() {
			if to == j.config.Self {
				continue
			}
			at := len(out) - 1
			for at >= 0 && out[at].to != to {
				at--
			}
			if at < 0 || size[to]+len(raw[i]) > maxParcel {
				out = append(out, parcel{to: to})
				at, size[to] = len(out)-1, 0
			}
			out[at].which = append(out[at].which, i)
			size[to] += len(raw[i])
		}
	}
	return out
}

// send sends parcels and calls done with what came of each. It does not wait,
// and done must not. What several members are sent is encoded once.
func (j *Journeys) send(parcels []parcel, list []proposal, raw [][]byte, done func(receipt)) {
	until := time.Now().Add(stragglers)
	var body []byte
	for n, p := range parcels {
		if n == 0 || !slices.Equal(p.which, parcels[n-1].which) {
			m := &envelope.Accept{Copies: make([]envelope.Copy, len(p.which))}
			for k, i := range p.which {
				m.Copies[k] = envelope.Copy{ID: list[i].id, Record: raw[i]}
			}
			var err error
			if body, err = envelope.Encode(m); err != nil {
				j.logger.Error("records of journeys cannot be sent", "member", p.to, "err", err)
				done(receipt{parcel: p})
				continue
			}
		}
		j.counts.acceptsSent.Add(int64(len(p.which)))
		sent := body
		j.aside(func() {
			got := receipt{parcel: p}
			if a, err := j.ask(j.deadlines.at(until), p.to, sent); err == nil && len(a.Accepted) == len(p.which) {
				got.accepted = a.Accepted
			}
			done(got)
		})
	}
}

// tell sends records to members without waiting for any of them: what they say
// is known for good already.
func (j *Journeys) tell(to register.Set, id journey.ID, r *register.Record) {
	list := []proposal{{id: id, record: r}}
	var parcels []parcel
	for _, m := range to {
		if m != j.config.Self {
			parcels = append(parcels, parcel{to: m, which: []int{0}})
		}
	}
	if len(parcels) > 0 {
		j.send(parcels, list, [][]byte{encoded(r)}, func(receipt) {})
	}
}

// aside does f on another goroutine, which Close waits for.
func (j *Journeys) aside(f func()) {
	j.work.Add(1)
	j.crew.run(func() {
		defer j.work.Done()
		f()
	})
}

// ask sends a message to another member by its id.
func (j *Journeys) ask(ctx context.Context, to placement.MemberID, body []byte) (envelope.Answer, error) {
	member, ok := j.config.View().Member(to)
	if !ok {
		return envelope.Answer{}, errNotAsked
	}
	return j.call(ctx, member, body)
}

// dead reports whether a member has certainly ended.
func (j *Journeys) dead(m placement.MemberID) bool {
	return j.config.Runs != nil && j.config.Runs.Dead(m)
}
