package model

import (
	"sync"

	"sojourn/actors/identity"
)

// Identities keeps decoded identities in memory: each login reads one. It is
// kept exact as Model is: Generation, then read, then Fill. All methods may be
// called concurrently.
type Identities struct {
	limit int

	mu         sync.RWMutex
	byKey      map[string]identity.Identity
	generation uint64
}

// NewIdentities returns an empty model of at most limit identities.
func NewIdentities(limit int) *Identities {
	return &Identities{limit: limit, byKey: map[string]identity.Identity{}}
}

// Get returns the identity under a key of the store.
func (m *Identities) Get(key []byte) (identity.Identity, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	who, ok := m.byKey[string(key)]
	return who, ok
}

// Generation counts the changes. Take it before reading what is to be filled
// in.
func (m *Identities) Generation() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.generation
}

// Fill adds what was read from the store, unless an identity has changed since
// generation. A full model gives up any one of what it has.
func (m *Identities) Fill(key []byte, who identity.Identity, generation uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.generation != generation {
		return
	}
	if len(m.byKey) >= m.limit {
		for other := range m.byKey {
			delete(m.byKey, other)
			break
		}
	}
	m.byKey[string(key)] = who
}

// Changed reports that the store has something else under a key, or nothing.
func (m *Identities) Changed(key []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.generation++
	delete(m.byKey, string(key))
}

// Clear forgets everything.
func (m *Identities) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.generation++
	clear(m.byKey)
}
