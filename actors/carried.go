package actors

import (
	"context"
	"errors"

	"sojourn/actors/internal/envelope"
	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
)

// A journey in the JWT store waits with its client: the reference holds its
// whole state, sealed where it leaves the program. Its record is a guard: which
// step is the current one, the digest of the answers that led there, and a sum
// of the state, so that no other state of the journey can be answered. For
// replyGrace the record has the state as well, for requests that come again.

// carried is what the reference of such a journey holds.
type carried struct {
	// set are the members that the guard was written to.
	set   register.Set
	state []byte // as journey.State.Encode wrote it; never empty
}

// The encoding is: version byte, set, and the state as the rest.
const carriedVersion = 1

var errCarried = errors.New("not what a client carries of a journey")

func (c carried) encode() journey.Carried {
	raw := append(make([]byte, 0, 2+17*len(c.set)+len(c.state)), carriedVersion)
	return append(register.AppendSet(raw, c.set), c.state...)
}

func decodeCarried(raw journey.Carried, names register.Names) (*carried, error) {
	if len(raw) == 0 || raw[0] != carriedVersion {
		return nil, errCarried
	}
	set, state, err := register.ReadSet(raw[1:], names)
	if err != nil || len(set) == 0 || len(state) == 0 {
		return nil, errCarried
	}
	return &carried{set, state}, nil
}

// store is where journeys of a realm wait that begin now.
func (j *Journeys) store(settings *realm.Settings) realm.JourneyStore {
	if settings.JourneyStore != realm.InMemory && !j.config.View().Speaks(placement.StoresProtocol) {
		return realm.InMemory
	}
	return settings.JourneyStore
}

// carries reports whether the reference holds the journey.
func (s *stepping) carries() bool { return s.brought != nil }

// byClient keeps journeys with their clients, and a guard of each in the memory
// of a set of members.
type byClient struct{ byMembers }

// find is that of byMembers as long as there may be a guard. When all who had it
// are certainly gone the journey goes on with what its client carries.
func (k byClient) find(ctx context.Context, s *stepping) (err error) {
	if !s.carries() {
		return k.byMembers.find(ctx, s)
	}
	q := quest{id: s.id, expires: ceil(s.ref.Expires), first: s.brought.set, carried: true, alone: s.replicas == 1}
	s.lead, err = k.takeOver(ctx, q)
	if err == nil && s.lead.record == nil && !s.lead.founded {
		return envelope.ErrNotHere // those who had the guard have forgotten it: the journey is over
	}
	return err
}

// newest is the guard, with the state of the current step if the client carries
// that. After the loss of all who had the guard, it is one for what the client
// carries, if that is further than what is left: the client was told of it, so
// it was decided.
func (k byClient) newest(s *stepping) ([]byte, bool) {
	raw, written := k.byMembers.newest(s)
	b, err := decodeBody(raw)
	if written && err != nil {
		return raw, true
	}
	var sum digest
	if s.carries() {
		sum = k.digester.sum(s.brought.state)
	}
	current := b.carried && b.kind == waits && b.step == s.step
	at := b.step + bit(b.kind > waits)
	switch {
	case s.lead.founded && (s.step > at || s.step == at && (!current || sum != b.sum)):
		b = body{kind: waits, step: s.step, expires: s.ref.Expires, carried: true, sum: sum, state: s.brought.state}
	case !current, sum == b.sum && len(b.state) > 0:
		return raw, written
	case sum == b.sum:
		b.state = s.brought.state
	default:
		b.state = nil
	}
	return b.encode(), true
}

// refer is a reference to the step that the journey waits in as b says.
func (j *Journeys) refer(s *stepping, b *body) journey.Ref {
	ref := s.ref
	ref.Step, ref.Expires, ref.Trace, ref.Index, ref.State = b.step, b.expires, nil, s.kept.index(), nil
	switch {
	case b.carried:
		ref.State = carried{s.lead.record.Replicas, b.state}.encode()
	case ref.Store == realm.JWT: // a member of an older release began it
		ref.Store = realm.InMemory
	}
	if listed(&ref) {
		j.list(&ref)
	}
	return ref
}
