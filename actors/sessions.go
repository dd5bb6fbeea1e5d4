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
	//
	// A session that its holder keeps is nothing but its token: nothing is
	// written, nothing ends, each call makes another token of one session. One
	// that does not fit into a token is a *session.SizeError.
	Create(ctx context.Context, c session.Creation) (session.Created, error)
	// End ends sessions and tells which of them were there, EndByHandle of each
	// handle whether it names no session any more. Both return when no member
	// calls any of them valid.
	End(ctx context.Context, why session.Cause, all ...session.Session) ([]bool, error)
	EndByHandle(ctx context.Context, why session.Cause, handles ...session.Handle) ([]bool, error)
}

// tooLarge is what a user reads whose session does not fit into a cookie.
const tooLarge = "The session is too large."

// supersede ends the session that an upgrade has left behind. The token store
// does that in the instant in which it creates the new one; a session that its
// holder keeps is there once its journey's end is committed, and not before.
func (j *Journeys) supersede(ctx context.Context, s *stepping) error {
	if s.replaced == nil {
		return nil
	}
	_, err := j.config.Sessions.End(ctx, superseded(s.replaced.Principal.UniversalID), *s.replaced)
	return err
}

// supersedeAgain is supersede for an answer that is repeated: whether the member
// that committed the end has come to it is not known. A session that was made
// where the end is that a quota denies it ends as well: nobody was told of it, or
// will be.
func (j *Journeys) supersedeAgain(ctx context.Context, e *ended) error {
	if e == nil || e.replaced == "" {
		return nil
	}
	why := superseded("")
	if !e.success {
		why.Reason = session.Destroyed
	}
	_, err := j.config.Sessions.EndByHandle(ctx, why, e.replaced)
	return err
}

func superseded(by string) session.Cause { return session.Cause{Reason: session.Upgraded, By: by} }
