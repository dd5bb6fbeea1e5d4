package cts

import (
	"context"
	"errors"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
	"sojourn/cts/internal/peer"
	"sojourn/cts/session"
)

// maxNameBytes bounds names that become part of a key.
const maxNameBytes = 1024

// ErrLimit says that a value is larger than the store takes. The error's text
// says which value, and how large it may be.
var ErrLimit = command.ErrTooLarge

// checkName is nil when value, which is what, may become part of a key.
func checkName(what, value string) error {
	if len(value) <= maxNameBytes {
		return nil
	}
	return command.TooLarge(what, len(value), maxNameBytes)
}

// Session returns a session that is valid now. index is the log index that its
// token carries, 0 for none: a member that has not applied it waits, until ctx
// ends, before it says that there is no such session. Errors are
// session.ErrNotFound and *session.UnavailableError.
func (s *Store) Session(ctx context.Context, id session.ID, index uint64) (session.Session, error) {
	if err := s.readable(ctx); err != nil {
		return session.Session{}, err
	}
	if s.tombstones.has(id) {
		return session.Session{}, session.ErrNotFound
	}
	return s.session(ctx, id, index)
}

// session is Session for whoever knows that this member is up to date.
func (s *Store) session(ctx context.Context, id session.ID, index uint64) (session.Session, error) {
	found, ok := s.model.Get(id)
	if !ok {
		var err error
		if found, err = s.load(ctx, id, index); err != nil {
			return session.Session{}, err
		}
	}
	if !found.Valid(s.config.Now()) {
		return session.Session{}, session.ErrNotFound
	}
	return found, nil
}

// load reads a session from Badger and keeps it in memory.
func (s *Store) load(ctx context.Context, id session.ID, index uint64) (session.Session, error) {
	for asked := s.config.Boottime(); ; {
		applied := s.fsm.Applied()
		generation := s.model.Generation(id)
		found, ok, err := s.read(id)
		if err != nil {
			return session.Session{}, err
		}
		if ok {
			s.model.Fill(found, generation)
			return found, nil
		}
		// The record is looked for first: after a restore into another cluster
		// a token may carry an index that this one has not reached.
		if index <= applied {
			return session.Session{}, session.ErrNotFound
		}
		written, err := s.waitFor(ctx, index, asked)
		if err != nil {
			return session.Session{}, err
		}
		if !written {
			return session.Session{}, session.ErrNotFound
		}
	}
}

func (s *Store) read(id session.ID) (found session.Session, ok bool, err error) {
	err = s.view(func(v fsm.View) error {
		found, ok, err = readSession(v, id)
		return err
	})
	return found, ok, err
}

// look reads the store for a caller that must not be told what is out of date.
func (s *Store) look(ctx context.Context, fn func(fsm.View) error) error {
	if err := s.readable(ctx); err != nil {
		return err
	}
	return s.view(fn)
}

// view reads the store as this member has it now. What goes wrong is not known,
// not absent.
func (s *Store) view(fn func(fsm.View) error) error {
	if err := s.gate.err(); err != nil {
		return err
	}
	err := s.fsm.View(fn)
	if errors.Is(err, fsm.ErrClosed) {
		return unavailable("closing")
	}
	return err
}

func readSession(v fsm.View, id session.ID) (session.Session, bool, error) {
	record, ok, err := v.Get(command.SessionKey(id))
	if err != nil || !ok {
		return session.Session{}, false, err
	}
	found, _, err := command.DecodeSession(record)
	if err != nil {
		return session.Session{}, false, err
	}
	access, ok, err := v.Get(command.AccessKey(id))
	if err == nil && ok {
		found, err = command.WithAccess(found, access)
	}
	return found, err == nil, err
}

// Create stores a session and ends the one that it replaces, and those that its
// quota ends, in the same instant. A journey creates one session: asked again with
// the same Journey, Create returns what is stored, or session.ErrNotFound if that
// session has ended meanwhile, and nothing else ends. When it returns without an
// error, no member calls what it ended valid. It is session.ErrQuota, and nothing
// has changed, when the quota's action is to deny.
//
// A user has never more live sessions than the quota of the latest Create allows,
// if all have one. Made.Ended lists what the quota ended, but not when the session
// was found to exist: an attempt whose answer was lost may have ended them.
func (s *Store) Create(ctx context.Context, c session.Creation) (session.Made, error) {
	o := peer.Create{Session: c.Session, Quota: c.Quota}
	if c.Replaces != nil && !c.Keeps {
		o.Replaces = &c.Replaces.ID
	}
	result, err := s.write(ctx, o)
	if err != nil {
		return session.Made{}, err
	}
	s.counts.creates.Add(1)
	made := session.Made{Index: result.Index, Existed: result.Existed, Ended: result.Ended}
	if result.Session == nil {
		made.Existed = true
		return made, session.ErrNotFound
	}
	made.Session = *result.Session
	return made, nil
}

// Delete ends sessions, at most command.MaxDelete at once. existed says which
// of them there were; after a change of leader it may be false for one that this
// call itself has ended. When it returns without an error, no member calls any
// of them valid.
func (s *Store) Delete(ctx context.Context, reason session.Reason, ids ...session.ID) (existed []bool, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	result, err := s.write(ctx, peer.Delete{Reason: reason, IDs: ids})
	if err != nil {
		return nil, err
	}
	s.counts.deletes.Add(uint64(len(ids)))
	return result.Found, nil
}

// SetProperties changes properties of a valid session: an empty value removes
// one. It returns the session as stored then, and as every member has it.
func (s *Store) SetProperties(ctx context.Context, id session.ID, changes map[string]string) (session.Session, error) {
	result, err := s.write(ctx, peer.SetProperties{ID: id, Changes: changes})
	if err != nil {
		return session.Session{}, err
	}
	return *result.Session, nil
}

// SessionsOf returns a user's valid sessions, at most limit, in the order of their
// ids, beginning after an id; the zero ID begins at the start. User names compare
// without case.
func (s *Store) SessionsOf(
	ctx context.Context, r realm.Name, username string, after session.ID, limit int,
) ([]session.Session, error) {
	now := s.config.Now()
	return s.listOf(ctx, r, username, after, limit, func(v fsm.View, id session.ID) (session.Session, bool, error) {
		one, ok, err := s.one(v, id)
		return one, ok && one.Valid(now), err
	})
}

// AllOf is SessionsOf for whoever ends sessions: those are in it as well that are
// over by what this member knows, and those that are being ended. Another member
// may know of a later access, and call them valid.
func (s *Store) AllOf(
	ctx context.Context, r realm.Name, username string, after session.ID, limit int,
) ([]session.Session, error) {
	return s.listOf(ctx, r, username, after, limit, readSession)
}

// listOf lists the sessions of a user that read returns.
func (s *Store) listOf(
	ctx context.Context, r realm.Name, username string, after session.ID, limit int,
	read func(fsm.View, session.ID) (session.Session, bool, error),
) (found []session.Session, err error) {
	err = s.look(ctx, func(v fsm.View) error {
		return v.Keys(command.UserPrefix(r, username), after[:], func(key []byte) (bool, error) {
			id, ok := command.SessionIDs(key)
			if !ok || len(found) >= limit {
				return false, nil
			}
			if id == after {
				return true, nil
			}
			one, ok, err := read(v, id)
			if ok {
				found = append(found, one)
			}
			return true, err
		})
	})
	return found, err
}

// CatchUp waits until this member has applied everything that any member has
// acknowledged before the call: what is listed then lacks nothing. It costs a
// write, and is bound by ctx.
func (s *Store) CatchUp(ctx context.Context) error {
	asked := s.config.Boottime()
	result, err := s.write(ctx, peer.Touch{}) // of no session: what counts is its place in the log
	if err != nil {
		return err
	}
	return s.caughtUp(ctx, asked, result.Index)
}

// caughtUp waits for an index that the leader has told at asked or later. A leader
// of the release before tells none, 0: then it takes a lease.
func (s *Store) caughtUp(ctx context.Context, asked time.Duration, index uint64) error {
	if index == 0 {
		return s.upToDate(ctx, asked)
	}
	if s.fsm.Wait(ctx, index) != nil {
		return unavailable("this member has not caught up")
	}
	return nil
}

// one is a session as the memory has it, or else Badger.
func (s *Store) one(v fsm.View, id session.ID) (session.Session, bool, error) {
	if s.tombstones.has(id) {
		return session.Session{}, false, nil
	}
	if hot, ok := s.model.Get(id); ok {
		return hot, true, nil
	}
	return readSession(v, id)
}

// Sessions lists a realm's valid sessions in the order of their ids, beginning
// after an id; the zero ID begins at the start. It reads through the sessions
// of all realms until it has limit of them.
func (s *Store) Sessions(ctx context.Context, r realm.Name, after session.ID, limit int) (found []session.Session, err error) {
	now := s.config.Now()
	err = s.look(ctx, func(v fsm.View) error {
		return v.Keys(command.SessionsPrefix(), after[:], func(key []byte) (bool, error) {
			if len(found) >= limit {
				return false, nil
			}
			if ctx.Err() != nil {
				return false, unavailable("the list takes too long")
			}
			id, ok := command.SessionIDs(key)
			if !ok || id == after {
				return true, nil
			}
			one, ok, err := s.one(v, id)
			if ok && one.Principal.Realm == r && one.Valid(now) {
				found = append(found, one)
			}
			return true, err
		})
	})
	return found, err
}
