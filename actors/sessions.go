package actors

import (
	"context"
	"sync/atomic"
	"time"

	"sojourn/cts/session"
)

// Sessions is where sessions are created: the replicated token store.
type Sessions interface {
	// Create stores a session durably and returns it with the log index that
	// created it. Called again for the same journey it returns what the first
	// call stored. replaces, when not nil, ends another session in the same
	// write. Many calls at once share one flush of the log.
	Create(ctx context.Context, x session.Session, replaces *session.ID) (stored session.Session, index uint64, existed bool, err error)
}

// sessionWriter bounds the sessions being written at one time. The store's own
// proposer is the mailbox behind it: it takes writes in order, packs what waits
// into one log entry, and answers each.
type sessionWriter struct {
	sessions Sessions
	writing  atomic.Int64
}

// maxWrites bounds the writes under way at one member; beyond it logins are
// refused as unavailable rather than queued.
const maxWrites = 4096

func (w *sessionWriter) create(ctx context.Context, x session.Session, replaces *session.ID) (session.Session, uint64, error) {
	defer w.writing.Add(-1)
	if w.writing.Add(1) > maxWrites {
		return session.Session{}, 0, &session.UnavailableError{Reason: "too many sessions being written", RetryAfter: time.Second}
	}
	stored, index, _, err := w.sessions.Create(ctx, x, replaces)
	return stored, index, err
}
