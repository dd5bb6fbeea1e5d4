package actors

import (
	"context"

	"sojourn/cts/session"
)

// Sessions is where sessions are created: the replicated token store.
type Sessions interface {
	// Create stores a session durably and returns it with the log index that
	// created it. Called again for the same journey it returns what the first
	// call stored. replaces, when not nil, ends another session in the same
	// write. Many calls at once share one flush of the log; how many may wait is
	// bounded there.
	Create(ctx context.Context, x session.Session, replaces *session.ID) (stored session.Session, index uint64, existed bool, err error)
}
