package envelope

import "sojourn/cluster/placement"

// Survey asks the receiver how its journeys stand.
type Survey struct {
	// Leaving is a member that is about to leave; empty for none.
	Leaving placement.MemberID
}

// Surveyed answers a Survey.
type Surveyed struct {
	// Waiting journeys wait for their client, those included that others lead.
	// Those that are Outstanding ought to have other replicas; Naming are those
	// that name the leaving member, and ought not to once it has left.
	Waiting, Outstanding, Naming int64
}

func (*Survey) message() {}

// maxMember bounds the id of a member, in bytes, as membership does.
const maxMember = 64

func (r *reader) survey() *Survey {
	id := r.text()
	if len(id) > maxMember {
		r.fail()
	}
	return &Survey{Leaving: placement.MemberID(id)}
}

func (w *writer) surveyed(s *Surveyed) {
	w.varint(s.Waiting)
	w.varint(s.Outstanding)
	w.varint(s.Naming)
}

func (r *reader) surveyed() *Surveyed {
	return &Surveyed{Waiting: r.varint(), Outstanding: r.varint(), Naming: r.varint()}
}
