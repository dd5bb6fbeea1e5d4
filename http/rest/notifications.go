package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"sojourn/cts/feed"
	"sojourn/cts/session"
	"sojourn/http/wire"
)

// Limits of a stream of notifications.
const (
	// beat is how often a quiet stream says that it is there, and how often it is
	// looked at whether its client may still have it.
	beat = 15 * time.Second
	// sendTime is how long a client may take for what it is sent.
	sendTime = 10 * time.Second
	// ownStreams is how many streams one session may have at a member.
	ownStreams = 4
)

// errStreams says that as many streams are open as may be.
var errStreams = fault{status: http.StatusServiceUnavailable, message: "Too many streams of notifications", retryAfter: 10 * time.Second}

// errOwnStreams says that a session has as many streams as it may.
var errOwnStreams = fault{status: http.StatusServiceUnavailable, message: "Too many streams of notifications of this session", retryAfter: 10 * time.Second}

// listeners counts the streams of each session that has some. It is safe for
// concurrent use.
type listeners struct {
	mu  sync.Mutex
	all map[session.ID]int
}

// join counts one more, unless the session has as many as it may.
func (l *listeners) join(id session.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[session.ID]int{}
	}
	if l.all[id] >= ownStreams {
		return false
	}
	l.all[id]++
	return true
}

func (l *listeners) leave(id session.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[id]--; l.all[id] == 0 {
		delete(l.all, id)
	}
}

// stream is one client that listens.
type stream struct {
	c        *call
	ctx      context.Context
	out      *http.ResponseController
	listener *feed.Listener
	// token is the listener's own session, own its id and handle what it is told as;
	// empty for the operator.
	token  session.TokenID
	own    session.ID
	handle session.Handle
	all    bool // hears of everybody's sessions
}

// notifications is a stream of server-sent events that tells of the sessions of
// the realm as they end, at whatever member, and of changes of the properties that
// the realm's settings list. An administrator hears of all of them, everybody else
// of the session that the request carries. Last-Event-ID, at this member or any
// other, resumes a stream.
func notifications(c *call) error {
	s := &stream{c: c, all: true, out: http.NewResponseController(c.w)}
	if operator, err := c.operator(); err != nil {
		return err
	} else if !operator {
		found, err := c.caller()
		if err != nil {
			return err
		}
		s.token, _ = c.token()
		s.own, s.handle, s.all = found.ID, found.Handle(), found.Admin
		if !c.h.listeners.join(s.own) {
			return errOwnStreams
		}
		defer c.h.listeners.leave(s.own)
	}
	var err error
	if s.ctx, err = c.h.cfg.Stream(c.context(), s.all); err != nil {
		return errStreams
	}
	missed := s.listen()
	h := c.w.Header()
	h["Content-Type"] = []string{"text/event-stream"}
	h["Cache-Control"] = cacheNoStore
	h["X-Content-Type-Options"] = noSniff
	h["X-Accel-Buffering"] = []string{"no"} // what proxies hold back is no notification
	if c.api.header != nil {
		h["Content-Api-Version"] = c.api.header
	}
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	if s.text(": sojourn\nretry: 2000\n\n") && (!missed || s.send(wire.SessionChange{Kind: wire.ChangeMissed})) {
		s.run()
	}
	return nil
}

// listen begins where the client left off, or with the next change; missed says
// that there may have been some in between.
func (s *stream) listen() (missed bool) {
	changes := s.c.h.cfg.Resources.Changes
	last := s.c.r.Header.Get("Last-Event-ID")
	if last == "" {
		s.listener = changes.Listen()
		return false
	}
	place, ok := feed.ParsePlace(last)
	if !ok {
		s.listener = changes.Listen()
		return true
	}
	var err error
	s.listener, err = changes.Resume(place)
	return err != nil
}

// run sends until the client leaves, may listen no more, or is too slow.
func (s *stream) run() {
	for looked := time.Now(); ; {
		wait, stop := context.WithDeadline(s.ctx, looked.Add(beat))
		change, err := s.listener.Next(wait)
		stop()
		switch {
		case err == nil:
			if !s.tell(change) {
				return
			}
		case errors.Is(err, feed.ErrMissed): // the client was slower than the cluster
			s.send(wire.SessionChange{Kind: wire.ChangeMissed})
			s.over("the client is too slow")
			return
		case s.ctx.Err() != nil || errors.Is(err, feed.ErrClosed):
			s.over("the member stops")
			return
		}
		if time.Since(looked) < beat {
			continue
		}
		looked = time.Now()
		if why := s.refused(); why != "" {
			s.over(why)
			return
		}
		if err != nil && !s.text(": still here\n\n") {
			return
		}
	}
}

// refused says why the client may listen no more; empty when it may. A member
// that may not know of what happens says so.
func (s *stream) refused() string {
	if health := s.c.h.cfg.Resources.Health; health != nil && health.Ready() != nil {
		return "the member is unavailable"
	}
	if s.token == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(s.ctx, sendTime)
	defer cancel()
	found, err := s.c.h.cfg.Sessions.Session(ctx, s.token)
	switch {
	case absent(err), err == nil && !found.Valid(s.c.h.cfg.Now()):
		return overEnded
	case err != nil:
		return "the member is unavailable"
	}
	return ""
}

// overEnded ends the stream of a client whose session has ended.
const overEnded = "the session has ended"

// tell sends a change, if it is one for this client, and reports whether to go on.
func (s *stream) tell(e feed.Change) bool {
	mine := s.token != "" && e.Session.ID == s.own
	if s.concerns(e, mine) {
		shown := shownChange(e)
		if mine {
			shown.Handle = string(s.handle)
		}
		if !s.send(shown) {
			return false
		}
	}
	if mine && e.Kind == session.EventEnded {
		s.over(overEnded)
		return false
	}
	return true
}

// concerns reports whether a client is to be told of a change. The realm of a
// session that its holder kept is not known: administrators of every realm hear
// that it ended.
func (s *stream) concerns(e feed.Change, mine bool) bool {
	where := e.Session.Principal.Realm
	switch {
	case !mine && !s.all, !mine && where != "" && where != s.c.realm:
		return false
	case e.Kind == session.EventEnded:
		return true
	case e.Kind != session.EventChanged || where == "":
		return false
	}
	settings, err := s.c.h.cfg.Realms.Realm(s.ctx, where)
	if err != nil || !settings.NotifiesProperties {
		return false
	}
	listed := settings.NotifiedProperties
	return len(listed) == 0 || slices.ContainsFunc(e.Changed, func(name string) bool { return slices.Contains(listed, name) })
}

// shownChange is a change as everybody is told of it. The handle of a session that
// its holder kept says its end as well, which a denial does not know: what is told
// is the id alone, whose first 21 characters behind the prefix are those of the
// session's handle.
func shownChange(e feed.Change) wire.SessionChange {
	who := e.Session.Principal
	at := e.At.UTC()
	c := wire.SessionChange{
		Kind: wire.ChangeEnded, Place: e.Place.String(), Reason: e.Reason.String(), Time: &at,
		Handle: string(e.Session.ID.Handle()), TrackingID: e.Session.Property(session.PropertyContextID),
		Realm: string(who.Realm), Username: who.Username, UniversalID: who.UniversalID,
	}
	if e.Kind == session.EventChanged {
		c.Kind, c.Properties = wire.ChangeChanged, e.Changed
	}
	return c
}

// over says why the stream ends.
func (s *stream) over(why string) { s.send(wire.SessionChange{Kind: wire.ChangeOver, Reason: why}) }

func (s *stream) send(change wire.SessionChange) bool {
	var err error
	s.c.buf, err = wire.AppendSessionChange(s.c.buf[:0], change)
	return err == nil && s.flush()
}

func (s *stream) text(line string) bool {
	s.c.buf = append(s.c.buf[:0], line...)
	return s.flush()
}

// flush sends what the buffer has, and reports whether the client took it in time.
func (s *stream) flush() bool {
	_ = s.out.SetWriteDeadline(time.Now().Add(sendTime)) // a recorder of tests has none
	if _, err := s.c.w.Write(s.c.buf); err != nil {
		return false
	}
	return s.out.Flush() == nil
}
