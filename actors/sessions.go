package actors

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

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

// sessionWriter is the CTS actor's client: it sends sessions to be created to
// the member that can write them, and waits.
type sessionWriter struct {
	j   *Journeys
	pid *actor.PID
}

// createSession asks the CTS actor for a session; answered by *createdSession.
type createSession struct {
	ctx      context.Context //nolint:containedctx // the deadline of the request that the message is part of
	session  session.Session
	replaces *session.ID
}

type createdSession struct {
	session session.Session
	index   uint64
	err     error
}

// maxWrites bounds the writes under way at one member; beyond it logins are
// refused as unavailable rather than queued.
const maxWrites = 4096

// ctsActor writes to the token store for all members that send to it. It
// starts each write on a goroutine of its own, so that those that come close
// together share a flush, and bounds how many there are.
type ctsActor struct {
	j        *Journeys
	sessions Sessions
	writing  atomic.Int64
}

func newSessionWriter(j *Journeys, sessions Sessions) *sessionWriter {
	pid := j.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &ctsActor{j: j, sessions: sessions}
	}, actor.WithDispatcher(j.crew)))
	return &sessionWriter{j: j, pid: pid}
}

func (w *sessionWriter) create(ctx context.Context, x session.Session, replaces *session.ID) (session.Session, uint64, error) {
	got, err := w.j.mux.ask(ctx, w.j.base, func(replyTo *actor.PID) {
		w.j.system.Root.RequestWithCustomSender(w.pid, &createSession{ctx, x, replaces}, replyTo)
	})
	if err != nil {
		return session.Session{}, 0, &session.UnavailableError{
			Reason: "the session was not confirmed in time", RetryAfter: time.Second, Unknown: true,
		}
	}
	created := got.(*createdSession)
	return created.session, created.index, created.err
}

// Receive starts a write.
func (a *ctsActor) Receive(c actor.Context) {
	m, ok := c.Message().(*createSession)
	if !ok {
		return
	}
	root, sender := c.ActorSystem().Root, c.Sender()
	if a.writing.Add(1) > maxWrites {
		a.writing.Add(-1)
		root.Send(sender, &createdSession{err: &session.UnavailableError{
			Reason: "too many sessions being written", RetryAfter: time.Second,
		}})
		return
	}
	a.j.run(func() {
		defer a.writing.Add(-1)
		stored, index, _, err := a.sessions.Create(m.ctx, m.session, m.replaces)
		root.Send(sender, &createdSession{session: stored, index: index, err: err})
	})
}
