package register

import (
	"cmp"
	"fmt"
)

// Record is one journey as its leader wrote it. It is a draft until its leader
// has accepted it in its own slot; from then on it is never mutated, and no
// other record has its Epoch and Seq.
type Record struct {
	// Epoch and Seq order records. Seq is one more than that of the record
	// that this one follows, whoever wrote that.
	Epoch Epoch
	Seq   uint64
	// Replicas hold the journey. Prev is empty but during a change of the set:
	// then it is the set before, and a majority of it must accept as well.
	Replicas, Prev Set
	// Expires is when the journey ends by itself, in Unix seconds. It is never
	// before that of the record which this one follows.
	Expires int64
	// Body is the journey, opaque here. It is nil in a stub: what a member
	// keeps that has left the set, to say where the journey went.
	Body []byte
}

// Compare orders records by Epoch, then Seq: negative if r is older than o. A
// nil record is the oldest. A stub equals the record that it is left of.
func (r *Record) Compare(o *Record) int {
	switch {
	case r == nil && o == nil:
		return 0
	case r == nil:
		return -1
	case o == nil:
		return 1
	}
	if c := r.Epoch.Compare(o.Epoch); c != 0 {
		return c
	}
	return cmp.Compare(r.Seq, o.Seq)
}

// Stub says that r tells where the journey is and not what it is.
func (r *Record) Stub() bool { return r.Body == nil }

// Members are all that a record is sent to: its Replicas, then those of Prev
// that are not among them. The result is not to be mutated.
func (r *Record) Members() Set {
	if len(r.Prev) == 0 {
		return r.Replicas
	}
	all := make(Set, 0, len(r.Replicas)+len(r.Prev))
	all = append(all, r.Replicas...)
	for _, m := range r.Prev {
		if !r.Replicas.Has(m) {
			all = append(all, m)
		}
	}
	return all
}

// Begin is the first record of a journey, without Expires and Body. implicit
// is the set that may begin it (the one in its trace), want the set that is to
// hold it: if they differ the record is a joint change. implicit is nil for a
// journey whose id nobody else knows yet.
func Begin(e Epoch, implicit, want Set) *Record {
	r := &Record{Epoch: e, Seq: 1, Replicas: want}
	switch {
	case len(want) == 0:
		r.Replicas = implicit
	case len(implicit) > 0 && !implicit.Same(want):
		r.Prev = implicit
	}
	return r
}

// Next is a draft of the record that follows r under e: one Seq further, all
// else as in r. A leader follows only the newest record that it has written or
// adopted itself, committed or not.
func (r *Record) Next(e Epoch) *Record {
	n := *r
	n.Epoch, n.Seq = e, r.Seq+1
	return &n
}

// Change is a draft of the record that follows r and moves the journey to
// want, jointly with r's own set. While r is amid a change itself, or want is
// empty, the sets stay as they are: a change is settled before another begins.
// The caller may set Epoch and Body: a step or an adoption can carry a change.
func Change(r *Record, want Set) *Record {
	n := r.Next(r.Epoch)
	if len(r.Prev) > 0 || len(want) == 0 {
		return n
	}
	n.Replicas = want
	if !r.Replicas.Same(want) {
		n.Prev = r.Replicas
	}
	return n
}

// Settle is a draft of the record that ends the change which r is amid: r
// without Prev, one Seq further. r must be committed. Those of r.Prev that are
// not in its Replicas are sent the settled record's WithoutBody once that is
// committed too, and not before: till then theirs may be the only body left.
func Settle(r *Record) *Record {
	n := r.Next(r.Epoch)
	n.Prev = nil
	return n
}

// WithoutBody is the stub of r.
func (r *Record) WithoutBody() *Record {
	n := *r
	n.Body = nil
	return &n
}

// String tells no content: a body holds what a user has answered.
func (r Record) String() string {
	return fmt.Sprintf("record %d.%s/%d of %v, before %v, body [redacted]", r.Epoch.Counter, r.Epoch.Member, r.Seq, r.Replicas, r.Prev)
}

// GoString redacts.
func (r Record) GoString() string { return r.String() }

// MarshalText redacts, in JSON and in logs.
func (r Record) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
