package actors

import (
	"context"

	"sojourn/cts/session"
)

// Sessions is where sessions are created.
type Sessions interface {
	// Create makes the session of a journey, durably, and the token that opens
	// it. Called again for the same journey it returns what the first call made;
	// it is session.ErrNotFound when that session has ended, session.ErrQuota
	// when the user may have no more. Many calls at once share one flush of the
	// log; how many may wait is bounded there.
	Create(ctx context.Context, c session.Creation) (session.Created, error)
}
