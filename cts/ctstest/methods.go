package ctstest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts"
	"sojourn/cts/command"
	"sojourn/cts/session"
)

func (m *Memory) get(id session.ID) (session.Session, bool) {
	value, ok := m.rows.Get(command.SessionKey(id))
	if !ok {
		return session.Session{}, false
	}
	s, _, err := command.DecodeSession(value)
	if err != nil {
		panic(err) // written by this process
	}
	if value, ok := m.rows.Get(command.AccessKey(id)); ok {
		if s, err = command.WithAccess(s, value); err != nil {
			panic(err)
		}
	}
	return s.Touched(m.accesses[id]), true
}

// Session is as in cts.Store.
func (m *Memory) Session(_ context.Context, id session.ID, _ uint64) (session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.down(); err != nil {
		return session.Session{}, err
	}
	s, ok := m.get(id)
	if !ok || !s.Valid(m.o.Now()) {
		return session.Session{}, session.ErrNotFound
	}
	return s, nil
}

// Create is as in cts.Store.
func (m *Memory) Create(_ context.Context, c session.Creation) (session.Made, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	create := command.CreateSession{Put: command.PutSession{Session: c.Session}}
	if c.Replaces != nil && !c.Keeps {
		create.Put.Replaces = &c.Replaces.ID
	}
	ended, err := m.evictions(c)
	if err != nil {
		return session.Made{}, err
	}
	for _, e := range ended {
		create.Ends = append(create.Ends, command.End{ID: e.Session.ID, Reason: e.Reason})
	}
	result, err := m.do(create)
	if err != nil {
		return session.Made{}, err
	}
	made := session.Made{Session: result.Session, Index: result.Index, Existed: result.Existed}
	for i, found := range result.Found {
		if found {
			made.Ended = append(made.Ended, ended[i].Session)
		}
	}
	if errors.Is(result.Err, command.ErrGone) {
		return made, session.ErrNotFound
	}
	return made, nil
}

// evictions are the sessions that end so that one may begin within its quota.
func (m *Memory) evictions(c session.Creation) ([]session.Eviction, error) {
	who := c.Session.Principal
	if _, ok := m.rows.Get(command.JourneyKey(c.Session.Journey)); ok {
		return nil, nil
	}
	var others []session.Session
	for _, key := range m.rows.keys(command.UserPrefix(who.Realm, who.Username)) {
		id, _ := command.SessionIDs([]byte(key))
		if x, ok := m.get(id); ok && (c.Replaces == nil || c.Keeps || c.Replaces.ID != id) {
			others = append(others, x)
		}
	}
	return session.Evict(c.Quota, m.o.Now(), others)
}

// Delete is as in cts.Store.
func (m *Memory) Delete(_ context.Context, reason session.Reason, ids ...session.ID) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	result, err := m.do(command.DeleteSessions{Reason: reason, IDs: ids, At: m.o.Now()})
	return result.Found, err
}

// SetProperties is as in cts.Store.
func (m *Memory) SetProperties(_ context.Context, id session.ID, changes map[string]string) (session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.get(id)
	if err := m.down(); err != nil {
		return session.Session{}, err
	}
	if !ok || !s.Valid(m.o.Now()) {
		return session.Session{}, session.ErrNotFound
	}
	result, err := m.do(command.SetProperties{ID: id, Properties: s.WithProperties(changes).Properties})
	return result.Session.Touched(s.LastAccess), err
}

// Touch is as in cts.Store.
func (m *Memory) Touch(id session.ID, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.get(id); ok && now.After(s.LastAccess) {
		m.accesses[id] = now
	}
}

// CatchUp has nothing to wait for.
func (m *Memory) CatchUp(context.Context) error { return nil }

// SessionsOf is as in cts.Store.
func (m *Memory) SessionsOf(_ context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Now()
	return m.sessions(command.UserPrefix(r, username), limit, func(s session.Session) bool {
		return string(s.ID[:]) > string(after[:]) && s.Valid(now)
	})
}

// AllOf is as in cts.Store.
func (m *Memory) AllOf(_ context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions(command.UserPrefix(r, username), limit, func(s session.Session) bool { return string(s.ID[:]) > string(after[:]) })
}

// Sessions is as in cts.Store.
func (m *Memory) Sessions(_ context.Context, r realm.Name, after session.ID, limit int) ([]session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Now()
	return m.sessions(command.SessionsPrefix(), limit, func(s session.Session) bool {
		return s.Principal.Realm == r && string(s.ID[:]) > string(after[:]) && s.Valid(now)
	})
}

func (m *Memory) sessions(prefix []byte, limit int, wanted func(session.Session) bool) (found []session.Session, err error) {
	if err := m.down(); err != nil {
		return nil, err
	}
	for _, key := range m.rows.keys(prefix) {
		id, _ := command.SessionIDs([]byte(key))
		if s, ok := m.get(id); ok && wanted(s) && len(found) < limit {
			found = append(found, s)
		}
	}
	return found, nil
}

func (m *Memory) identity(r realm.Name, name string) (identity.Identity, error) {
	if err := m.down(); err != nil {
		return identity.Identity{}, err
	}
	value, ok := m.rows.Get(command.IdentityKey(r, name))
	if !ok {
		return identity.Identity{}, identity.ErrNotFound
	}
	return command.DecodeIdentity(value)
}

// Identity is as in cts.Store.
func (m *Memory) Identity(_ context.Context, r realm.Name, name string) (identity.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.identity(r, name)
}

func (m *Memory) identities(r realm.Name) (found []identity.Identity, err error) {
	if err := m.down(); err != nil {
		return nil, err
	}
	for _, key := range m.rows.keys(command.IdentitiesPrefix(r)) {
		i, err := command.DecodeIdentity([]byte(m.rows[key]))
		if err != nil {
			return nil, err
		}
		found = append(found, i)
	}
	return found, nil
}

// SearchIdentity is as in cts.Store.
func (m *Memory) SearchIdentity(_ context.Context, r realm.Name, attribute, value string) (identity.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, err := m.identities(r)
	if err != nil {
		return identity.Identity{}, err
	}
	found := slices.DeleteFunc(all, func(i identity.Identity) bool { return !has(i, attribute, value) })
	switch len(found) {
	case 0:
		return identity.Identity{}, identity.ErrNotFound
	case 1:
		return found[0], nil
	default:
		return identity.Identity{}, identity.ErrAmbiguous
	}
}

func has(i identity.Identity, attribute, value string) bool {
	switch strings.ToLower(attribute) {
	case "uid", "username", "_id":
		if identity.Key(i.Name) == identity.Key(value) {
			return true
		}
	}
	for name, values := range i.Attributes {
		if strings.EqualFold(name, attribute) &&
			slices.ContainsFunc(values, func(v string) bool { return identity.Key(v) == identity.Key(value) }) {
			return true
		}
	}
	return false
}

// Identities is as in cts.Store.
func (m *Memory) Identities(_ context.Context, r realm.Name, after string, limit int) ([]identity.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, err := m.identities(r)
	found := slices.DeleteFunc(all, func(i identity.Identity) bool { return identity.Key(i.Name) <= identity.Key(after) })
	return found[:min(len(found), limit)], err
}

// PutIdentity is as in cts.Store.
func (m *Memory) PutIdentity(_ context.Context, i identity.Identity, createOnly bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.identity(i.Realm, i.Name); createOnly && err == nil {
		return cts.ErrExists
	}
	_, err := m.do(command.PutIdentity{Identity: i})
	return err
}

// PutIdentities is as in cts.Store.
func (m *Memory) PutIdentities(ctx context.Context, all []identity.Identity) error {
	for _, i := range all {
		if err := m.PutIdentity(ctx, i, false); err != nil {
			return err
		}
	}
	return nil
}

// UpdateIdentity is as in cts.Store.
func (m *Memory) UpdateIdentity(_ context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.identity(r, name)
	if err != nil {
		return identity.Identity{}, err
	}
	once, keyed := c.(identity.Once)
	minute := command.Minute(once.Until) + 1
	if value, made := m.rows.Get(command.ChangeKey(minute, once.Key)); keyed && made {
		kept, err := command.DecodeKept(value)
		if err != nil {
			return i, err
		}
		if recalled, ok := once.Recall(i, kept); ok {
			return recalled, nil
		}
	}
	i = identity.Apply(i, c)
	var write command.Command = command.PutIdentity{Identity: i}
	if kept, ok := once.Kept(i); keyed && ok {
		write = command.ChangeIdentity{Key: once.Key, Minute: minute, Kept: kept, Identity: i}
	}
	_, err = m.do(write)
	return i, err
}

// DeleteIdentity is as in cts.Store.
func (m *Memory) DeleteIdentity(_ context.Context, r realm.Name, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	result, err := m.do(command.DeleteIdentity{Realm: r, Name: name})
	if err == nil && !result.Existed {
		return identity.ErrNotFound
	}
	return err
}

func (m *Memory) document(kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error) {
	if err := m.down(); err != nil {
		return realm.Document{}, err
	}
	value, ok := m.rows.Get(command.DocumentKey(kind, r, id))
	if !ok {
		return realm.Document{}, realm.ErrNoDocument
	}
	return command.DecodeDocument(value)
}

// Document is as in cts.Store.
func (m *Memory) Document(_ context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.document(kind, r, id)
}

// Documents is as in cts.Store.
func (m *Memory) Documents(_ context.Context, kind realm.DocumentKind, r realm.Name) (found []realm.Document, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.down(); err != nil {
		return nil, err
	}
	for _, key := range m.rows.keys(command.DocumentsPrefix(kind, r)) {
		d, err := command.DecodeDocument([]byte(m.rows[key]))
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, nil
}

// PutDocument is as in cts.Store.
func (m *Memory) PutDocument(_ context.Context, d realm.Document, p realm.Precondition) (realm.Document, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, err := m.document(d.Kind, d.Realm, d.ID)
	there := err == nil
	if err != nil && !errors.Is(err, realm.ErrNoDocument) {
		return realm.Document{}, false, err
	}
	if there && p.IfNoneMatch || p.IfMatch != "" && (!there || p.IfMatch != "*" && p.IfMatch != was.Rev) {
		return realm.Document{}, false, realm.ErrConflict
	}
	d.Rev = strconv.FormatUint(m.index+1, 10)
	_, err = m.do(command.PutDocument{Document: d})
	return d, !there, err
}

// DeleteDocument is as in cts.Store.
func (m *Memory) DeleteDocument(_ context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (
	realm.Document, error,
) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, err := m.document(kind, r, id)
	if err != nil {
		return realm.Document{}, err
	}
	if p.IfMatch != "" && p.IfMatch != "*" && p.IfMatch != was.Rev {
		return realm.Document{}, realm.ErrConflict
	}
	_, err = m.do(command.DeleteDocument{Kind: kind, Realm: r, ID: id})
	return was, err
}
