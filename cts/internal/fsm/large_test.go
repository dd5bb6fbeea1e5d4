package fsm_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/hashicorp/raft"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/session"
)

// crowd is a log in which many sessions come, and go in few entries: each change
// of 16 bytes there is one of five keys.
func crowd(t testing.TB, sessions, each, together int) (come, leave []*raft.Log) {
	t.Helper()
	index := uint64(0)
	next := func(commands ...command.Command) *raft.Log {
		index++
		return entry(t, index, commands...)
	}
	var ids []session.ID
	var puts []command.Command
	for i := range sessions {
		var id session.ID
		binary.BigEndian.PutUint32(id[:], uint32(i)*0x9E3779B1) //nolint:gosec // a number
		ids = append(ids, id)
		puts = append(puts, command.PutSession{Session: session.Session{
			ID: id, Journey: [16]byte(id), Created: start, LastAccess: start,
			Policy:    session.Policy{MaxSession: time.Hour, MaxIdle: time.Minute},
			Principal: session.Principal{Realm: "/", Username: fmt.Sprint(i % 100)},
		}})
	}
	for part := range slices.Chunk(puts, 200) {
		come = append(come, next(part...))
	}
	var ends []command.Command
	for part := range slices.Chunk(ids, each) {
		end := command.DeleteSessions{IDs: part, At: start.Add(time.Second)}
		ends = append(ends, end, end) // the second finds nothing any more
	}
	for part := range slices.Chunk(ends, together) {
		leave = append(leave, next(part...))
	}
	return come, leave
}

// The largest document fits, beside as much else as comes with it, and is there
// after a restart.
func TestLargestDocument(t *testing.T) {
	dir := t.TempDir()
	m := mustOpen(t, dir, false)
	come, _ := crowd(t, 3_000, command.MaxDelete, 1)
	index := uint64(len(come)) + 1
	body := fmt.Appendf(nil, "%q", strings.Repeat("x", realm.MaxDocument-2))
	m.ApplyBatch(append(come, entry(t, index, command.PutDocument{Document: realm.Document{
		Kind: realm.KindTree, Realm: "/", ID: strings.Repeat("i", 256), Rev: "1", Body: body,
	}})))
	if m.failure != nil {
		t.Fatal(m.failure)
	}
	want := m.content(t)
	m.checkpoint(t, index)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, trust := range []bool{true, false} {
		m = mustOpen(t, dir, trust)
		if got := m.content(t); m.Applied() != index || !maps.Equal(got, want) {
			t.Errorf("trust %t: %d keys after entry %d, want %d", trust, len(got), m.Applied(), len(want))
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// However many keys entries change, one by one or handed over together, all of
// them are applied, and lead to one store.
func TestManyChangesAtOnce(t *testing.T) {
	for _, together := range []int{1, 24} {
		t.Run(fmt.Sprintf("%d commands an entry", together), func(t *testing.T) {
			come, leave := crowd(t, 12_000, command.MaxDelete, together)
			one, all := mustOpen(t, t.TempDir(), false), mustOpen(t, t.TempDir(), false)
			for _, l := range slices.Concat(come, leave) {
				one.Apply(l)
			}
			for part := range slices.Chunk(come, 64) {
				all.ApplyBatch(part)
			}
			all.ApplyBatch(leave)
			for _, m := range []*member{one, all} {
				if m.failure != nil {
					t.Fatal(m.failure)
				}
			}
			if one.effects != all.effects || !maps.Equal(one.content(t), all.content(t)) {
				t.Errorf("two stores: %d keys and %d effects one by one, %d and %d together",
					len(one.content(t)), one.effects, len(all.content(t)), all.effects)
			}
		})
	}
}

// A stop between the Badger transactions of one leaves the store as it was before
// all of them, and the log leads on from there, in whatever batches it comes.
func TestStopBetweenParts(t *testing.T) {
	come, leave := crowd(t, 12_000, command.MaxDelete, 8)
	reference := mustOpen(t, t.TempDir(), false)
	reference.ApplyBatch(come)
	states := map[uint64]map[string]string{reference.Applied(): reference.content(t)} // by index
	for _, l := range leave {
		reference.Apply(l)
		states[l.Index] = reference.content(t)
	}
	between := 0
	for stop := 1; ; stop++ {
		dir := t.TempDir()
		m := mustOpen(t, dir, false)
		m.ApplyBatch(come)
		m.admits = stop + 1
		m.ApplyBatch(leave)
		if m.admits > 0 {
			break // nothing was stopped
		}
		if m.failure != nil {
			t.Fatal(m.failure)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		m = mustOpen(t, dir, true)
		if got, want := m.content(t), states[m.Applied()]; !maps.Equal(got, want) {
			t.Fatalf("stop %d: %d keys after entry %d, want %d", stop, len(got), m.Applied(), len(want))
		}
		if m.leftover(t, filepath.Join(dir, "state")) {
			between++
		}
		m = mustOpen(t, dir, true)
		rest := leave[m.Applied()-come[len(come)-1].Index:]
		for part := range slices.Chunk(rest, 1+stop%3) {
			m.ApplyBatch(part)
		}
		if m.failure != nil {
			t.Fatal(m.failure)
		}
		if got, want := m.content(t), states[m.Applied()]; !maps.Equal(got, want) {
			t.Errorf("stop %d, then the rest: %d keys, want %d", stop, len(got), len(want))
		}
	}
	if between == 0 {
		t.Error("nothing was stopped between two parts")
	}
}

// leftover reports whether there are changes later than what is applied. It
// closes the member.
func (m *member) leftover(t testing.TB, state string) bool {
	t.Helper()
	applied := m.Applied()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := badger.OpenManaged(badger.DefaultOptions(state).WithLogger(nil).WithDetectConflicts(false))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	view := db.NewTransactionAt(math.MaxUint64, false)
	defer view.Discard()
	it := view.NewIterator(badger.IteratorOptions{AllVersions: true})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if it.Item().Version() > applied {
			return true
		}
	}
	return false
}
