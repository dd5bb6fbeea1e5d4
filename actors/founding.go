package actors

import (
	"context"
	"slices"
	"time"

	"sojourn/actors/internal/register"
	"sojourn/cluster/placement"
)

// extinct reports whether nobody can begin a journey any more by what its
// reference says: so many of the members that it names are certainly dead that
// the others are no majority of them.
func (j *Journeys) extinct(set register.Set) bool {
	if len(set) == 0 || j.config.Founding == nil {
		return false
	}
	alive := 0
	for _, m := range set {
		if !j.dead(m) {
			alive++
		}
	}
	return alive == 0 || 2*alive <= len(set) && len(set) != 2
}

// unbegun reports whether all that a take-over has heard of is a first record
// that cannot be accepted any more: its writer has lost the others while it wrote.
// Of a journey that its client carries it may be any record: the client tells
// which step was decided.
func (j *Journeys) unbegun(t *register.Takeover, q *quest) bool {
	newest, all := t.Known()
	if q.carried {
		return all && !q.kept
	}
	return newest == nil || j.draft(newest)
}

func (j *Journeys) draft(r *register.Record) bool {
	return r.Seq == 1 && !r.Stub() && j.lost(r)
}

// lost reports whether so many of those that would have to accept a record are
// certainly dead that it cannot be followed.
func (j *Journeys) lost(r *register.Record) bool { return j.extinct(r.Replicas) || j.extinct(r.Prev) }

// sift keeps a draft from a take-over that goes by the replicated store, and
// remembers it.
func (j *Journeys) sift(q *quest, r *register.Record) *register.Record {
	if r == nil {
		return nil
	}
	draft := j.draft(r)
	if q.carried {
		draft = j.lost(r)
		q.kept = q.kept || !draft
	}
	if !q.refounded || !draft {
		return r
	}
	if !r.Stub() && r.Compare(q.draft) > 0 {
		q.draft = r
	}
	return nil
}

// reseated is a record as if another set had been to accept it.
func reseated(r *register.Record, set register.Set) *register.Record {
	moved := *r
	moved.Replicas, moved.Prev = set, nil
	return &moved
}

// refound gives a journey that is extinct, and that nobody has answered yet,
// other members to begin at: those that the replicated store has for it, or, if
// it has none or they are dead as well, those that should hold it by now. unknown says that every member that
// may know the journey has been asked and does not; without that only what is
// stored counts. The result is nil when there is nothing to go by.
func (j *Journeys) refound(ctx context.Context, q quest, unknown bool) (register.Set, error) {
	set, err := j.config.Founding.Founded(ctx, q.id)
	if err != nil {
		return nil, unavailable(err)
	}
	if unknown && (set == nil || j.extinct(set)) {
		n := max(len(q.first), j.config.Replicas)
		if q.alone {
			n = 1
		}
		want := j.config.View().Replicas(nil, q.id, n)
		if len(want) == 0 {
			want = []placement.MemberID{j.config.Self}
		}
		if set, err = j.config.Founding.Found(ctx, q.id, set, want, time.Unix(q.expires, 0)); err != nil {
			return nil, unavailable(err)
		}
		j.counts.founded.Add(1)
	}
	if slices.Equal(set, q.first) {
		return nil, nil
	}
	return set, nil
}
