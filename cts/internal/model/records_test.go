package model

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"sojourn/cts/command"
	"sojourn/cts/session"
)

// TestSpaceIsGivenBack: neither sessions that have ended nor forms that were
// replaced may fill the memory.
func TestSpaceIsGivenBack(t *testing.T) {
	m, start := New(few), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	one := func(n int, value string) session.Session {
		s := session.New(session.Policy{}, session.Principal{Username: "demo"}, start)
		binary.BigEndian.PutUint64(s.ID[:], uint64(n)) //nolint:gosec // small
		s.Properties = map[string]string{"p": value}
		return s
	}
	size := len(command.AppendSession(nil, one(0, "0")))
	for range 20 {
		for n := range few {
			s := one(n, "0")
			m.Stored(s, command.AppendSession(nil, s))
		}
	}
	s := &m.shards[0]
	if live := few * size; s.records.live != live || cap(s.records.block) > 2*live {
		t.Errorf("%d bytes live in %d, want %d and at most twice as many", s.records.live, cap(s.records.block), live)
	}
	for n := 10; n < few; n++ {
		m.Gone(one(n, "").ID)
	}
	if live := 10 * size; s.records.live != live || cap(s.records.block) > 2*minBlock {
		t.Errorf("%d bytes live in %d, want %d and next to none", s.records.live, cap(s.records.block), live)
	}
	for n := range 10 {
		if got, ok := m.Get(one(n, "").ID); !ok || got.Properties["p"] != "0" {
			t.Errorf("session %d is %+v, %v", n, got, ok)
		}
	}
}

// TestRecordsStandStill: who has a record reads it without the lock, while
// others are added and moved.
func TestRecordsStandStill(t *testing.T) {
	r := newRecords(0)
	held := r.at(r.add([]byte("first")))
	for r.fits(6) {
		r.add([]byte("second"))
	}
	if !bytes.Equal(held, []byte("first")) || cap(held) != len(held) {
		t.Errorf("the record became %q with room for %d bytes", held, cap(held))
	}
}
