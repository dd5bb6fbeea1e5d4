package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/journey"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// Stored is the part of the replicated store in which journeys are kept. What
// one member has written, every member finds.
type Stored interface {
	// Token returns the token as this member knows it, not older than the log's
	// index. That there is none (token.ErrNotFound) is certain as of that index,
	// or as of now for an index of zero, which may take some tenths of a second.
	Token(ctx context.Context, k token.Kind, id token.ID, index uint64) (token.Token, error)
	// LatestToken is the token as it was acknowledged last, at whatever member. It
	// may take some tenths of a second.
	LatestToken(ctx context.Context, k token.Kind, id token.ID) (token.Token, error)
	// PutToken replaces the token if it is the one that p names, and says whether
	// it did and what is there now. Asked again with the same body it has won
	// again. It is token.ErrNotFound when what was to be replaced has ended; a
	// *session.UnavailableError may mean that it was done.
	PutToken(ctx context.Context, p token.Put) (now token.Token, won bool, err error)
}

// byStore keeps journeys in the replicated store, each as one token. Any member
// works a step on what it reads there and writes what came of it in place of
// that. Whoever is overtaken meanwhile reads again.
type byStore struct{ *Journeys }

// kept is a journey's token as it was read or written last; a Seq of zero says
// that there is none.
type kept struct {
	token.Token
	body []byte // opened
}

// index is what a reference says of the token: nothing if there is none.
func (k *kept) index() uint64 {
	if k == nil {
		return 0
	}
	return k.Index
}

var (
	errNoStore = &session.UnavailableError{Reason: "this member has no store for journeys", RetryAfter: 5 * time.Second}
	errManyIn  = &session.UnavailableError{Reason: "too many journeys in the store", RetryAfter: 5 * time.Second}
)

// anywhere has a step of a journey that is in the store answered here. A member
// that has not heard yet of the journey's tree, or of what its reference says
// was written, hears soon.
func (j *Journeys) anywhere(ctx context.Context, m *resume) (journey.Reply, error) {
	begun := time.Now()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		own := &resume{errand: errand{until: m.until, newcomer: m.newcomer}, request: m.request, digest: m.digest}
		reply, err := j.here(ctx, m.request.Ref.Journey, own, &own.offer)
		switch {
		case !errors.Is(err, envelope.ErrNotHere):
			return reply, err
		case ctx.Err() != nil || j.base.Err() != nil:
			return reply, j.lostTo(ctx)
		case time.Since(begun) > patience:
			return reply, journey.ErrGone
		}
		rest(ctx, pause)
	}
}

func (k byStore) begin(s *stepping) { s.kept = &kept{} }

// atOnce has nothing to do: the store has to be read first.
func (k byStore) atOnce(s *stepping) bool { return s.err != nil }

// find reads the journey's token. If there is none of the write that the
// reference names, the journey has ended; if it names none, nobody has answered
// the journey yet, as far as this member knows. If somebody has, the write tells.
func (k byStore) find(ctx context.Context, s *stepping) error {
	if k.config.Stored == nil {
		return errNoStore
	}
	t, err := k.config.Stored.Token(ctx, token.Journey, token.ID(s.id), max(s.ref.Index, known))
	switch {
	case errors.Is(err, token.ErrNotFound) && (s.traced() || s.comes() && s.m.back.Seq == 0):
		s.kept = &kept{}
		return nil
	case errors.Is(err, token.ErrNotFound) && s.comes():
		return journey.ErrSuspended
	case errors.Is(err, token.ErrNotFound):
		return journey.ErrGone
	case err != nil:
		return unavailable(err)
	}
	return k.learn(s, t)
}

// known is an index that every member has: of what is as of that nobody has to
// be certain.
const known = 1

// learn takes a token for the newest one.
func (k byStore) learn(s *stepping, t token.Token) error {
	raw, err := k.sealer.open(t)
	if err != nil {
		return fmt.Errorf("the token of a journey: %w", err)
	}
	s.kept = &kept{t, raw}
	return nil
}

func (k byStore) newest(s *stepping) ([]byte, bool) { return s.kept.body, s.kept.Seq > 0 }

// confirm has nothing to do: what is in the store is committed.
func (k byStore) confirm(context.Context, *stepping) error { return nil }

// choose writes whose answers the session is made of. The start of a journey
// has no rival: nobody else knows of it.
func (k byStore) choose(ctx context.Context, s *stepping) error {
	if s.start != nil || s.body.taken {
		return nil
	}
	b := s.body
	if s.kept.Seq == 0 {
		b = body{kind: waits, step: s.step, expires: s.ref.Expires, replicas: s.replicas}
	}
	b.taken, b.chosen = true, s.digest
	return k.put(ctx, s, &b)
}

func (k byStore) follow(ctx context.Context, s *stepping, b *body) error { return k.put(ctx, s, b) }

// noteTime bounds how long a reply waits for its end to be written.
const noteTime = 500 * time.Millisecond

// note writes the end, so that a repeat has not to be worked again. It may fail:
// the answers that have made the session are chosen, and make it the same again.
func (k byStore) note(ctx context.Context, s *stepping, b *body) {
	ctx, cancel := context.WithTimeout(ctx, noteTime)
	defer cancel()
	if err := k.put(ctx, s, b); err != nil && !errors.Is(err, errOvertaken) {
		k.logger.Debug("the end of a journey was not stored", "journey", s.id, "err", err)
	}
}

// put replaces the journey's token. Its error is errOvertaken when that is
// another by now, which is the newest then.
func (k byStore) put(ctx context.Context, s *stepping, b *body) error {
	if k.config.Stored == nil {
		return errNoStore
	}
	now := k.config.Now()
	if b.over() { // the reply is not given for longer
		ended := *b
		ended.expires = now.Add(replyGrace)
		b = &ended
	}
	p := token.Put{Kind: token.Journey, ID: token.ID(s.id), Seq: s.kept.Seq, Expires: k.lasts(s, b)}
	raw := b.encode()
	var err error
	if p.Body, err = k.sealer.seal(p.Kind, p.ID, raw); err != nil {
		return err
	}
	if len(p.Body) > token.MaxBody {
		return fmt.Errorf("a journey of %d bytes is too large for the store", len(p.Body))
	}
	if p.Seq == 0 && !k.ledger.add(p.Expires) {
		return errManyIn
	}
	t, won, err := k.config.Stored.PutToken(ctx, p)
	k.ledger.settle(p, won, err)
	switch {
	case errors.Is(err, token.ErrNotFound):
		return journey.ErrGone
	case err != nil:
		return unavailable(err)
	case won:
		k.counts.storedWrites.Add(1)
		s.kept = &kept{token.Token{Kind: p.Kind, ID: p.ID, Seq: t.Seq, Index: t.Index, Expires: p.Expires}, raw}
		return nil
	}
	k.counts.overtaken.Add(1)
	if err := k.learn(s, t); err != nil {
		return err
	}
	return errOvertaken
}

// lasts is until when a token is stored: as long as any reference to the journey
// that was given out may be used, and longer by what clocks may differ. What is
// missing could be begun again.
func (k byStore) lasts(s *stepping, b *body) time.Time {
	end := s.ref.Expires
	if !b.over() && b.expires.After(end) {
		end = b.expires
	}
	if end = end.Add(slotGrace); end.Before(s.kept.Expires) {
		return s.kept.Expires
	}
	return end
}
