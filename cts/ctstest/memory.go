// Package ctstest has an in-memory token store for tests, and the suite that it
// and the real one must pass.
package ctstest

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/session"
)

// Options of a Memory.
type Options struct {
	// Now is the clock by which sessions end; nil is time.Now.
	Now func() time.Time
	// OnDocument is told of changed documents, as cts.Config says; may be nil.
	OnDocument func(kind realm.DocumentKind, r realm.Name)
}

// Memory is a token store without a disk, with the methods of *cts.Store. It
// runs the same commands. Nothing in it waits.
type Memory struct {
	o Options

	mu       sync.Mutex
	rows     rows
	index    uint64
	outage   *session.UnavailableError
	accesses map[session.ID]time.Time
}

// New returns an empty store.
func New(o Options) *Memory {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnDocument == nil {
		o.OnDocument = func(realm.DocumentKind, realm.Name) {}
	}
	return &Memory{o: o, rows: rows{}, accesses: map[session.ID]time.Time{}}
}

// SetOutage makes every later call fail with err, until it is nil.
func (m *Memory) SetOutage(err *session.UnavailableError) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outage = err
}

// Ready is nil but for an outage.
func (m *Memory) Ready() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down()
}

func (m *Memory) down() error {
	if m.outage != nil {
		return m.outage
	}
	return nil
}

// Applied is how many commands there were.
func (m *Memory) Applied() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.index
}

// Close does nothing.
func (m *Memory) Close() error { return nil }

// Sweep deletes what has ended, as the real store does every few seconds.
func (m *Memory) Sweep() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Now()
	c := command.Expire{At: now}
	for _, key := range m.rows.keys(command.DuePrefix()) {
		if d, ok := command.ParseDue([]byte(key)); ok && d.Minute <= command.Minute(now) {
			c.Dues = append(c.Dues, d)
		}
	}
	_, err := m.do(c)
	return err
}

// do carries out a command, by way of its encoded form. The caller holds mu.
func (m *Memory) do(c command.Command) (command.Result, error) {
	if err := m.down(); err != nil {
		return command.Result{}, err
	}
	data, err := command.Append(nil, c)
	if err != nil {
		return command.Result{}, err
	}
	decoded, err := command.Decode(data)
	if err != nil {
		return command.Result{}, err
	}
	m.index++
	result, err := command.Apply(m.rows, m.index, decoded, func(e command.Effect) {
		switch e := e.(type) {
		case command.DocumentChanged:
			defer m.o.OnDocument(e.Kind, e.Realm)
		case command.SessionGone:
			delete(m.accesses, e.Session.ID)
		}
	})
	return result, err
}

// rows is a command.Tx over a map.
type rows map[string]string

func (r rows) Get(key []byte) ([]byte, bool) {
	value, ok := r[string(key)]
	return []byte(value), ok
}

func (r rows) Insert(key, value []byte)     { r[string(key)] = string(value) }
func (r rows) Replace(key, _, value []byte) { r[string(key)] = string(value) }
func (r rows) Remove(key, _ []byte)         { delete(r, string(key)) }

func (r rows) RemoveAll() {
	maps.DeleteFunc(r, func(key, _ string) bool { return !command.Own([]byte(key)) })
}

func (r rows) Totals() command.Totals {
	var t command.Totals
	for key, value := range r {
		if command.Own([]byte(key)) {
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(key + "\x00" + value)) // never fails
		t.Count++
		t.Sum += h.Sum64()
	}
	return t
}

// keys lists the keys with a prefix in order.
func (r rows) keys(prefix []byte) []string {
	var found []string
	for key := range r {
		if strings.HasPrefix(key, string(prefix)) {
			found = append(found, key)
		}
	}
	slices.SortFunc(found, cmp.Compare[string])
	return found
}
