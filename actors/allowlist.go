package actors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cts/token"
)

// allowlists makes AM's whitelist-state: a UUID that is new on every step of a
// journey, and the same for that step wherever it is made. It says which step
// is the current one, as the record of the journey does, so nobody has to keep it.
type allowlists struct{ *digester }

// newAllowlists derives the key from that of digests.
func newAllowlists(digestKey []byte) allowlists {
	key := hmac.New(sha256.New, digestKey)
	key.Write([]byte("sojourn: allowlists of journeys"))
	return allowlists{newDigester(key.Sum(nil))}
}

// value is that of a step: a UUID of version 4 to whoever reads it.
func (a allowlists) value(id journey.ID, step uint32) [16]byte {
	uuid := [16]byte(a.sum(binary.BigEndian.AppendUint32(id[:], step)))
	uuid[6], uuid[8] = uuid[6]&0x0f|0x40, uuid[8]&0x3f|0x80
	return uuid
}

// listed reports whether a reference is to an allowlisted journey. One stays
// what it began as when the realm's setting changes.
func listed(ref *journey.Ref) bool { return ref.Allowlist != [16]byte{} }

// list gives the reference to a step of an allowlisted journey its value.
func (j *Journeys) list(ref *journey.Ref) { ref.Allowlist = j.allowlists.value(ref.Journey, ref.Step) }

// presents reports whether a reference has the value of its step, if there is
// to be one.
func (j *Journeys) presents(ref *journey.Ref) bool {
	return !listed(ref) || ref.Allowlist == j.allowlists.value(ref.Journey, ref.Step)
}

// lists reports whether journeys of a realm that begin now are allowlisted.
func (j *Journeys) lists(settings *realm.Settings) bool {
	return settings.Allowlists && j.config.View().Speaks(placement.StoresProtocol)
}

// allows has the replicated store agree that the answers to the current step
// are these, if the journey is allowlisted and carried by its client: it could
// be gone on with from an older step when all who knew it are gone. The store
// keeps what AM keeps, one value for each journey, and the digest of the answers
// that it was replaced with: the same ones find it replaced already. Others come
// too late, also when these were not made the step for some outage.
func (k byClient) allows(ctx context.Context, s *stepping) error {
	if !s.asksStore() || s.allowed {
		return nil
	}
	if k.config.Stored == nil {
		return errNoStore
	}
	next := k.allowlists.value(s.id, s.step+1)
	p := token.Put{
		Kind: token.Allowlist, ID: token.ID(s.id), Seq: uint64(s.step - 1),
		Expires: s.ref.Expires.Add(slotGrace), Body: append(next[:], s.digest[:]...),
	}
	if p.Seq == 0 && !k.ledger.add(p.Expires) {
		return errManyIn
	}
	_, won, err := k.config.Stored.PutToken(ctx, p)
	k.ledger.settle(p, won, err)
	switch {
	case won:
		k.counts.storedWrites.Add(1)
		s.allowed = true
		return nil
	case errors.Is(err, token.ErrNotFound): // as after a restore
		return journey.ErrGone
	case err != nil:
		return unavailable(err)
	}
	k.counts.overtaken.Add(1)
	return journey.ErrGone
}

// asksStore reports whether a step of a journey among members is to be agreed on
// in the replicated store as well. The start is not: nobody has a reference to
// what was before.
func (s *stepping) asksStore() bool {
	return s.start == nil && s.ref.Store == realm.JWT && listed(&s.ref)
}

func (k byClient) choose(ctx context.Context, s *stepping) error {
	if err := k.allows(ctx, s); err != nil {
		return err
	}
	return k.byMembers.choose(ctx, s)
}

func (k byClient) follow(ctx context.Context, s *stepping, b *body) error {
	if err := k.allows(ctx, s); err != nil {
		return err
	}
	if b.kind == waits {
		b.carried, b.sum = true, k.digester.sum(b.state)
	}
	return k.byMembers.follow(ctx, s, b)
}
