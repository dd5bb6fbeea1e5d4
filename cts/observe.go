package cts

import (
	"sojourn/cts/command"
	"sojourn/cts/session"
)

// observe keeps copies up to date with what was applied.
func (s *Store) observe(effects []command.Effect) {
	for _, effect := range effects {
		switch e := effect.(type) {
		case command.SessionStored:
			s.model.Stored(e.Session, e.Encoded)
			s.tellStored(e)
		case command.SessionGone:
			s.model.Gone(e.Session.ID)
			s.tellEnded(e)
		case command.SessionTouched:
			s.model.Touched(e.ID, e.At)
		case command.Denied:
			if !e.Again {
				s.denials.Load().Add(e.ID)
				x := session.Session{ID: e.ID, ClientSide: true}
				s.tellEnded(command.SessionGone{Session: x, Reason: e.Reason, At: e.At, Index: e.Index})
			}
		case command.DenialOver:
			s.denials.Load().Remove(e.ID)
		case command.UserDenied:
			s.denials.Load().AddUser(e.User, e.Before)
		case command.UserDenialOver:
			s.denials.Load().RemoveUser(e.User)
		case command.IdentityChanged:
			s.users.Changed(e.Key)
		case command.DocumentChanged:
			s.config.OnDocument(e.Kind, e.Realm)
		case command.ClusterNamed:
			signal(s.named)
		case command.Restoring:
			s.gate.set(restoring, restoreIncomplete)
			s.model.Clear()
			s.users.Clear()
		case command.Restored:
			s.model.Clear()
			s.users.Clear()
			if !s.replacing {
				s.reloadDenials()
			}
			s.gate.set(restoring, "")
			s.config.OnDocument("", "")
			signal(s.named) // it may be a snapshot of another member
		}
	}
}

// tellStored says that a session is there, or has changed.
func (s *Store) tellStored(e command.SessionStored) {
	if s.config.OnSession == nil {
		return
	}
	event := session.Event{
		Kind: session.EventChanged, Session: e.Session, Changed: e.Changed, Index: e.Index, At: s.config.Now(), Local: s.leading.Load(),
	}
	if e.New {
		event.Kind, event.At = session.EventCreated, e.Session.Created
	}
	s.config.OnSession(event)
}

// tellEnded says that a session has ended.
func (s *Store) tellEnded(e command.SessionGone) {
	if s.config.OnSession != nil {
		s.config.OnSession(session.Event{
			Kind: session.EventEnded, Session: e.Session, Reason: e.Reason, Index: e.Index, At: e.At, Local: s.leading.Load(),
		})
	}
}
