package actors

import (
	"context"

	"sojourn/actors/internal/register"
	"sojourn/actors/realm"
)

// keeping is where the record of a journey is kept between its steps, and how
// it is agreed what the next one says. A journey stays with the one it began
// with, which its reference names (journey.Ref.Store). What answers mean to a
// journey, and what becomes of it, does not depend on it.
type keeping interface {
	// begin makes a step one that begins a journey, of which nobody knows yet.
	begin(s *stepping)
	// atOnce takes a step as far as it goes without waiting for anybody, and
	// reports whether that is its end.
	atOnce(s *stepping) bool
	// find learns the newest record, so that the next one may be written.
	find(ctx context.Context, s *stepping) error
	// newest is the body of that record; false says that nobody has written one.
	newest(s *stepping) (body []byte, written bool)
	// confirm makes certain the record that is to be spoken of.
	confirm(ctx context.Context, s *stepping) error
	// choose makes it certain which answers a session is made of, before it is
	// made, unless the session itself or the end of the journey will.
	choose(ctx context.Context, s *stepping) error
	// follow makes a body the newest one. It is certain when that returns, or
	// will be before the asker is told of it.
	follow(ctx context.Context, s *stepping, b *body) error
	// note keeps the end of a journey that is decided without it.
	note(ctx context.Context, s *stepping, b *body)
}

// keepingOf is where journeys of a store are kept.
func (j *Journeys) keepingOf(store realm.JourneyStore) keeping {
	switch store {
	case realm.CTS:
		return byStore{j}
	case realm.JWT:
		return byClient{byMembers{j}}
	case realm.InMemory:
	}
	return byMembers{j}
}

// byMembers keeps journeys in the memory of a set of members, as registers.
type byMembers struct{ *Journeys }

func (k byMembers) begin(s *stepping) {
	s.lead = &lead{epoch: register.First(k.config.Self), mine: true}
}

func (k byMembers) find(ctx context.Context, s *stepping) (err error) {
	q := quest{id: s.id, expires: ceil(s.ref.Expires), first: k.first(s), alone: s.replicas == 1}
	s.lead, err = k.takeOver(ctx, q)
	return err
}

func (k byMembers) newest(s *stepping) ([]byte, bool) {
	if s.lead.record == nil {
		return nil, false
	}
	if kindOf(s.lead.record.Body) == decided {
		s.lead.certain = true // by the token store
	}
	return s.lead.record.Body, true
}

func (k byMembers) follow(ctx context.Context, s *stepping, b *body) error {
	if b.kind == waits && s.lead.record == nil && k.slots.full() {
		return errFull
	}
	return k.Journeys.follow(ctx, s, b)
}

func (k byMembers) note(_ context.Context, s *stepping, b *body) {
	r := k.compose(s, b)
	said := k.slots.propose(s.id, r, encoded(r), s.begins(), true, s.env.Now)
	if said.OK && s.lead.record != nil { // elsewhere it is still known to wait
		k.tell(r.Members(), s.id, r) //nolint:contextcheck // goes on after the request
	}
	s.lead.certain = false // a change of the set, if it was one, is not committed
}
