package actors

import (
	"context"
	"time"

	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// Runs knows which processes are members, or have been, from the replicated
// store: whether one that cannot be asked may come back.
type Runs interface {
	// Dead reports whether a member has certainly ended, and whatever it knew
	// with it. It does not block, and false means that nothing is certain.
	Dead(m placement.MemberID) bool
	// Known returns the members that have begun and are not known to have
	// ended, as this one knew them last. It does not block, and the result is
	// not to be changed.
	Known() []placement.MemberID
	// Current returns the members that have begun and are not known to have
	// ended, as a quorum of the store knows them now.
	Current(ctx context.Context) ([]placement.MemberID, error)
}

// Founding gives a journey that nobody has answered new members to begin at,
// when those that its reference names are dead.
type Founding interface {
	// Found stores that a journey, which ends at expires, begins at set instead
	// of before, nil for what its reference says, unless others are stored
	// already, and returns whom all are to use.
	Found(ctx context.Context, id journey.ID, before, set []placement.MemberID, expires time.Time) ([]placement.MemberID, error)
	// Founded returns what Found stored, nil for nothing.
	Founded(ctx context.Context, id journey.ID) ([]placement.MemberID, error)
}
