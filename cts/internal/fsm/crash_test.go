package fsm_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/fsm"
)

// copyTree copies a folder; table says what becomes of a table in memory.
func copyTree(t testing.TB, from, to string, table func(name string, now []byte) []byte) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, ".mem") {
			data = table(name, data)
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A power cut keeps what was flushed at the checkpoint and any of the pages
// written since. Whatever it keeps, applying the log from the checkpoint on
// leads to the same store; and where the newest state is tried first, as after
// a crash of the process alone, it is taken only if it is whole.
func TestPowerCut(t *testing.T) {
	const entries, page = 600, 4096
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's
			logs := history(t, seed, entries)
			dir := t.TempDir()
			m := mustOpen(t, dir, false)
			at := 50 + r.IntN(entries-100)
			m.apply(t, r, logs[:at])
			m.checkpoint(t, uint64(at))
			flushed := map[string][]byte{}
			copyTree(t, dir, t.TempDir(), func(name string, now []byte) []byte {
				flushed[name] = now
				return now
			})
			m.apply(t, r, logs[at:])
			want := m.content(t)

			cut := t.TempDir()
			lost := 0
			copyTree(t, dir, cut, func(name string, now []byte) []byte {
				mixed := make([]byte, len(now))
				copy(mixed, flushed[name])
				kept := r.IntN(101) // of 100 pages
				for offset := 0; offset < len(now); offset += page {
					end := min(len(now), offset+page)
					if r.IntN(100) < kept {
						copy(mixed[offset:end], now[offset:end])
					} else if !bytes.Equal(mixed[offset:end], now[offset:end]) {
						lost++
					}
				}
				return mixed
			})
			trust := seed%2 == 1
			after := mustOpen(t, cut, trust)
			applied := after.Applied()
			if applied < uint64(at) {
				t.Fatalf("applied %d, the checkpoint is at %d", applied, at)
			}
			after.apply(t, r, logs[after.points.Last().Index:])
			if got := after.content(t); !maps.Equal(got, want) {
				t.Errorf("another store than before the cut: %d keys, want %d", len(got), len(want))
			}
			t.Logf("checkpoint %d, %d pages lost, recovered at %d of %d (trust %v)", at, lost, applied, entries, trust)
		})
	}
}

// The kernel may write a later table before an earlier one. What is left then
// is the checkpoint, a hole, and the newest entries with the record that says
// that all is applied.
func TestHole(t *testing.T) {
	const entries, at = 150, 20
	r := rand.New(rand.NewPCG(5, 5)) //nolint:gosec // a test's
	var logs []*raft.Log
	for i := range entries {
		body := fmt.Appendf(nil, "%q", strings.Repeat("x", 300_000+i))
		logs = append(logs, entry(t, uint64(i+1), command.PutDocument{Document: realm.Document{
			Kind: realm.KindTree, Realm: "/", ID: fmt.Sprint(r.IntN(40)), Rev: fmt.Sprint(i), Body: body,
		}}))
	}
	dir, cut := t.TempDir(), t.TempDir()
	m := mustOpen(t, dir, false)
	m.apply(t, r, logs[:at])
	m.checkpoint(t, at)
	copyTree(t, dir, cut, func(_ string, now []byte) []byte { return now })
	m.apply(t, r, logs[at:])
	want := m.content(t)
	tables, err := filepath.Glob(filepath.Join(dir, "state", "*.mem"))
	if err != nil {
		t.Fatal(err)
	}
	later := 0
	for _, table := range tables {
		kept := filepath.Join(cut, "state", filepath.Base(table))
		if _, err := os.Stat(kept); err == nil {
			continue
		}
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(kept, data, 0o600); err != nil {
			t.Fatal(err)
		}
		later++
	}
	if later == 0 {
		t.Fatal("there is no later table: nothing is tested")
	}
	for _, trust := range []bool{true, false} {
		after, err := open(t, cut)
		if err != nil {
			t.Fatal(err)
		}
		if newest, err := after.Newest(); err != nil || newest != entries {
			t.Fatalf("newest = %d, %v: there is no hole", newest, err)
		}
		if err := after.Recover(trust); err != nil {
			t.Fatal(err)
		}
		if after.Applied() != at {
			t.Fatalf("recovered at %d, want the checkpoint at %d", after.Applied(), at)
		}
		if !trust {
			after.apply(t, r, logs[at:])
			if got := after.content(t); !maps.Equal(got, want) {
				t.Error("another store than before the cut")
			}
		}
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// However often keys are overwritten and tables compacted after a checkpoint,
// the store can be read as it was then.
func TestCompactionKeepsTheCheckpoint(t *testing.T) {
	const entries, at = 500, 20
	r := rand.New(rand.NewPCG(6, 6)) //nolint:gosec // a test's
	var logs []*raft.Log
	for i := range entries {
		body := fmt.Appendf(nil, "%q", strings.Repeat("y", 300_000+i))
		logs = append(logs, entry(t, uint64(i+1), command.PutDocument{Document: realm.Document{
			Kind: realm.KindTree, Realm: "/", ID: fmt.Sprint(r.IntN(20)), Rev: fmt.Sprint(i), Body: body,
		}}))
	}
	dir := t.TempDir()
	m := mustOpen(t, dir, false)
	m.apply(t, r, logs[:at])
	m.checkpoint(t, at)
	then := m.content(t)
	m.apply(t, r, logs[at:])
	want := m.content(t)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = mustOpen(t, dir, false)
	if got := m.content(t); !maps.Equal(got, then) {
		t.Error("another store than at the checkpoint")
	}
	m.apply(t, r, logs[at:])
	if got := m.content(t); !maps.Equal(got, want) {
		t.Error("another store than before the restart")
	}
}

// A view that is open for long sees what was there when it was opened, whatever
// is overwritten, made durable and compacted meanwhile.
func TestLongView(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8)) //nolint:gosec // a test's
	document := func(i int) *raft.Log {
		body := fmt.Appendf(nil, "%q", strings.Repeat("z", 300_000+i))
		return entry(t, uint64(i), command.PutDocument{Document: realm.Document{
			Kind: realm.KindTree, Realm: "/", ID: fmt.Sprint(i % 10), Rev: fmt.Sprint(i), Body: body,
		}})
	}
	m := mustOpen(t, t.TempDir(), false)
	next := 1
	more := func(n int) {
		for range n {
			m.apply(t, r, []*raft.Log{document(next)})
			next++
		}
	}
	more(10)
	err := m.View(func(v fsm.View) error {
		for range 5 {
			more(100)
			m.checkpoint(t, uint64(next-1))
		}
		for i := 1; i <= 10; i++ {
			value, ok, err := v.Get(command.DocumentKey(realm.KindTree, "/", fmt.Sprint(i%10)))
			if err != nil || !ok {
				t.Fatalf("document %d: %v, %v", i, ok, err)
			}
			if d, err := command.DecodeDocument(value); err != nil || d.Rev != fmt.Sprint(i) {
				t.Errorf("document %d has revision %s, %v", i, d.Rev, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
