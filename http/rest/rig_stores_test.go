package rest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// memoryUsers is the slow, obvious repository.
type memoryUsers struct {
	mu   sync.Mutex
	all  map[realm.Name]map[string]identity.Identity
	fail error
}

func (m *memoryUsers) Identity(_ context.Context, r realm.Name, name string) (identity.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.all[r][identity.Key(name)]
	switch {
	case m.fail != nil:
		return i, m.fail
	case !ok:
		return i, identity.ErrNotFound
	}
	return i, nil
}

func (m *memoryUsers) Identities(_ context.Context, r realm.Name, after string, limit int) ([]identity.Identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	var found []identity.Identity
	for _, key := range slices.Sorted(maps.Keys(m.all[r])) {
		if key > identity.Key(after) && len(found) < limit {
			found = append(found, m.all[r][key])
		}
	}
	return found, nil
}

func (m *memoryUsers) PutIdentity(_ context.Context, i identity.Identity, createOnly bool) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return false, m.fail
	}
	if m.all[i.Realm] == nil {
		m.all[i.Realm] = map[string]identity.Identity{}
	}
	key := identity.Key(i.Name)
	_, there := m.all[i.Realm][key]
	if !there || !createOnly {
		m.all[i.Realm][key] = i
	}
	return !there, nil
}

func (m *memoryUsers) UpdateIdentity(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	i, err := m.Identity(ctx, r, name)
	if err != nil {
		return i, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i = identity.Apply(i, c)
	m.all[r][identity.Key(name)] = i
	return i, nil
}

func (m *memoryUsers) DeleteIdentity(ctx context.Context, r realm.Name, name string) error {
	if _, err := m.Identity(ctx, r, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all[r], identity.Key(name))
	return nil
}

func (m *memoryUsers) Hash(_ context.Context, password identity.Secret) (identity.Hash, error) {
	if err := identity.CheckPassword(password); err != nil {
		return "", err
	}
	return identity.Hash("hash of " + password), m.fail
}

// memoryDocuments is the slow, obvious document store.
type memoryDocuments struct {
	mu   sync.Mutex
	all  map[documentKey]realm.Document
	revs int
	fail error
}

type documentKey struct {
	kind  realm.DocumentKind
	realm realm.Name
	id    string
}

func (m *memoryDocuments) Document(_ context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.all[documentKey{kind, r, id}]
	switch {
	case m.fail != nil:
		return d, m.fail
	case !ok:
		return d, realm.ErrNoDocument
	}
	return d, nil
}

func (m *memoryDocuments) Documents(_ context.Context, kind realm.DocumentKind, r realm.Name) ([]realm.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	var found []realm.Document
	for key, d := range m.all {
		if key.kind == kind && key.realm == r {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b realm.Document) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return found, nil
}

func (m *memoryDocuments) holds(key documentKey, p realm.Precondition) bool {
	old, there := m.all[key]
	switch {
	case p.IfNoneMatch:
		return !there
	case p.IfMatch == "*":
		return there
	case p.IfMatch != "":
		return there && old.Rev == p.IfMatch
	}
	return true
}

func (m *memoryDocuments) PutDocument(_ context.Context, d realm.Document, p realm.Precondition) (realm.Document, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := documentKey{d.Kind, d.Realm, d.ID}
	if m.fail != nil {
		return d, false, m.fail
	}
	if !m.holds(key, p) {
		return d, false, realm.ErrConflict
	}
	_, there := m.all[key]
	m.revs++
	d.Rev = strconv.Itoa(m.revs)
	m.all[key] = d
	return d, !there, nil
}

func (m *memoryDocuments) DeleteDocument(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (realm.Document, error) {
	d, err := m.Document(ctx, kind, r, id)
	if err != nil {
		return d, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := documentKey{kind, r, id}
	if !m.holds(key, p) {
		return d, realm.ErrConflict
	}
	delete(m.all, key)
	return d, nil
}

// memoryMembers is a cluster that does what it is told.
type memoryMembers struct {
	mu   sync.Mutex
	all  []Member
	fail error
}

// threeMembers are a leader that answers, a follower, and one that is gone.
func threeMembers() []Member {
	lease, over, lag := 612345*time.Microsecond, -time.Second, uint64(3)
	return []Member{
		{
			ID: "b2", Process: "22", Name: "two", Address: "10.0.0.2:7946", HTTP: "10.0.0.2:8080", Voter: true, State: MemberAlive,
			Lease: &over, Lag: &lag, Journeys: &MemberJourneys{Waiting: 70, Outstanding: 4}, LastSeen: noon.Add(1234567 * time.Nanosecond), Sees: []string{"one", "two"}, Protocol: 1, Version: "0.1.0",
		},
		{ID: "c3", Name: "three", State: MemberDead},
		{
			ID: "a1", Process: "11", Name: "one", Address: "10.0.0.1:7946", HTTP: "10.0.0.1:8080", Voter: true, Leader: true, Self: true, State: MemberAlive,
			Lease: &lease, Lag: new(uint64), LastSeen: noon, Sees: []string{"one", "two"}, Protocol: 1, Version: "0.1.0",
		},
	}
}

func (m *memoryMembers) Members(context.Context) ([]Member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all), m.fail
}

func (m *memoryMembers) Remove(_ context.Context, id string) error {
	return m.change(id, func(i int) error {
		if m.all[i].Leader {
			return &MemberRefusedError{Reason: "1 of 2 voters would be alive: no quorum"}
		}
		m.all = slices.Delete(m.all, i, i+1)
		return nil
	})
}

func (m *memoryMembers) Promote(_ context.Context, id string) error {
	return m.change(id, func(i int) error {
		m.all[i].Voter = true
		return nil
	})
}

func (m *memoryMembers) change(id string, do func(i int) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	i := slices.IndexFunc(m.all, func(x Member) bool { return x.ID == id })
	if i < 0 {
		return fmt.Errorf("member %s: %w", id, ErrNoMember)
	}
	return do(i)
}
