package sessions

import (
	"context"
	"log/slog"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// AM's names of what becomes of sessions (am-contract section 8.3).
const (
	eventCreated    = "AM-SESSION-CREATED"
	eventDestroyed  = "AM-SESSION-DESTROYED"
	eventLoggedOut  = "AM-SESSION-LOGGED_OUT"
	eventIdle       = "AM-SESSION-IDLE_TIMED_OUT"
	eventMax        = "AM-SESSION-MAX_TIMED_OUT"
	eventChanged    = "AM-SESSION-PROPERTY_CHANGED"
	eventUserLogout = "AM-LOGOUT-USER-TOKEN"
)

func eventOf(r session.Reason) string {
	switch r {
	case session.Logout:
		return eventLoggedOut
	case session.IdleTimeout:
		return eventIdle
	case session.MaxTimeout:
		return eventMax
	case session.Upgraded, session.Destroyed:
	}
	return eventDestroyed
}

// line writes one line of the audit, with AM's names (am-contract section 8.2),
// and with the session's handle: nothing else lists those of sessions that their
// holders keep. No property of a session but its audit ids is in it.
func (s *Service) line(ctx context.Context, event, operation string, why session.Cause, x session.Session) {
	if !s.config.Audit.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("transactionId", s.config.TransactionID(ctx))
	add("userId", x.Principal.UniversalID)
	add("runAs", why.By)
	tracking := []string{}
	for _, name := range []string{session.PropertyContextID, session.PropertyReference} {
		if id := x.Properties[name]; id != "" {
			tracking = append(tracking, id)
		}
	}
	attrs = append(attrs, slog.Any("trackingIds", tracking))
	add("objectId", x.Properties[session.PropertyContextID])
	if x.ID != (session.ID{}) {
		add("sessionHandle", string(x.Handle()))
	}
	add("operation", operation)
	add("reason", why.Reason.String())
	add("component", "Session")
	add("realm", string(x.Principal.Realm))
	s.config.Audit.LogAttrs(ctx, slog.LevelInfo, event, attrs...) //nolint:sloglint // AM's names of events
}

func (s *Service) created(ctx context.Context, x session.Session) {
	s.line(ctx, eventCreated, "CREATE", session.Cause{By: x.Principal.UniversalID}, x)
}

func (s *Service) ended(ctx context.Context, why session.Cause, x session.Session) {
	s.line(ctx, eventOf(why.Reason), "DELETE", why, x)
	if x.ClientSide {
		s.config.HolderEnded(x, why.Reason)
	}
}

func (s *Service) changed(ctx context.Context, by string, x session.Session) {
	s.line(ctx, eventChanged, "UPDATE", session.Cause{By: by}, x)
}

// loggedOut is of all sessions of a user that holders keep: which they are
// nobody knows.
func (s *Service) loggedOut(ctx context.Context, why session.Cause, r realm.Name, username string) {
	s.line(ctx, eventUserLogout, "DELETE", why, session.Session{Principal: session.Principal{Realm: r, UniversalID: username}})
}

// Heard takes what the token store says of sessions. Those that timed out ended
// by nobody's doing: the member that leads notes it.
func (s *Service) Heard(e session.Event) {
	if e.Kind != session.EventEnded || !e.Local {
		return
	}
	if e.Reason == session.IdleTimeout || e.Reason == session.MaxTimeout {
		s.ended(context.Background(), session.Cause{Reason: e.Reason}, e.Session)
	}
}
