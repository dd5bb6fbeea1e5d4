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
func (j *Journeys) extinct(first register.Set) bool {
	if len(first) == 0 || j.config.Founding == nil {
		return false
	}
	alive := func(m placement.MemberID) bool { return !j.dead(m) }
	return !register.Quorum(&register.Record{Replicas: first}, alive, j.dead)
}

// refound gives a journey that is extinct, and that nobody has answered yet,
// other members to begin at: those that the replicated store has for it, or
// else those that should hold it by now. unknown says that every member that
// may know the journey has been asked and does not; without that only what is
// stored counts. The result is nil when there is nothing to go by.
func (j *Journeys) refound(ctx context.Context, q quest, unknown bool) (register.Set, error) {
	set, err := j.config.Founding.Founded(ctx, q.id)
	if err != nil {
		return nil, unavailable(err)
	}
	if set == nil && unknown {
		n := max(len(q.first), j.config.Replicas)
		if q.alone {
			n = 1
		}
		want := j.config.View().Replicas(nil, q.id, n)
		if len(want) == 0 {
			want = []placement.MemberID{j.config.Self}
		}
		if set, err = j.config.Founding.Found(ctx, q.id, want, time.Unix(q.expires, 0)); err != nil {
			return nil, unavailable(err)
		}
		j.counts.founded.Add(1)
	}
	if slices.Equal(set, q.first) {
		return nil, nil
	}
	return set, nil
}
