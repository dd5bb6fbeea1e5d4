package actors

import (
	"maps"
	"sync"
	"time"
)

// Meters is the Meter of a member: it keeps, by key, how often something
// happened and how long it took in all.
type Meters struct {
	mu    sync.Mutex
	byKey map[string]Measurement
	lost  int64
}

// Measurement is what Meters knows of one key. Total is zero for a key that is
// only counted.
type Measurement struct {
	Count int64
	Total time.Duration
}

// maxMeters bounds the keys that are kept; measurements of further ones are
// counted as lost.
const maxMeters = 1000

// Count adds one event.
func (m *Meters) Count(key string) { m.add(key, 0) }

// Observe adds one event that took d.
func (m *Meters) Observe(key string, d time.Duration) { m.add(key, d) }

func (m *Meters) add(key string, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil {
		m.byKey = map[string]Measurement{}
	}
	now, ok := m.byKey[key]
	if !ok && len(m.byKey) >= maxMeters {
		m.lost++
		return
	}
	now.Count++
	now.Total += d
	m.byKey[key] = now
}

// Metrics returns all measurements, and how many were lost to the bound.
func (m *Meters) Metrics() (byKey map[string]Measurement, lost int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.byKey), m.lost
}
