package fsm_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// Tables in memory of earlier releases, which were larger, are read when they
// were left as they are, and when Badger had begun to. The next time the folder
// has tables of this release's size.
func TestLargerTables(t *testing.T) {
	const size, keys = 16 << 20, 200_000
	options := func(dir string) badger.Options {
		return badger.DefaultOptions(dir).WithLogger(nil).WithMemTableSize(size).WithValueLogFileSize(size).WithDetectConflicts(false)
	}
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	db, err := badger.OpenManaged(options(state))
	if err != nil {
		t.Fatal(err)
	}
	for first := uint64(0); first < keys; first += 1000 {
		txn := db.NewTransactionAt(first+1, true)
		for n := first; n < first+1000; n++ {
			if err := txn.Set(binary.BigEndian.AppendUint64([]byte("key of some length "), n), []byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := txn.CommitAt(first+2, nil); err != nil {
			t.Fatal(err)
		}
	}
	left, begun := t.TempDir(), t.TempDir()
	var content int64
	copyTree(t, dir, left, func(_ string, now []byte) []byte { return now })
	copyTree(t, dir, begun, func(_ string, now []byte) []byte {
		for n := len(now); n > 0; n-- {
			if now[n-1] != 0 {
				content = int64(n)
				return now[:n]
			}
		}
		return now
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if content < size/2 {
		t.Fatalf("a table of %d bytes: nothing is tested", content)
	}
	for name, dir := range map[string]string{"left": left, "begun": begun} {
		for _, want := range []int64{size, size / 2} {
			m, err := open(t, dir)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			found, err := filepath.Glob(filepath.Join(dir, "state", "*.mem"))
			if err != nil || len(found) == 0 {
				t.Fatalf("%s: no table in memory, %v", name, err)
			}
			if info, err := os.Stat(slices.Max(found)); err != nil || info.Size() != 2*want {
				t.Errorf("%s: %v, %v, want a file twice as large as a table of %d bytes", name, info.Size(), err, want)
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
		db, err := badger.OpenManaged(options(filepath.Join(dir, "state")))
		if err != nil {
			t.Fatal(err)
		}
		got, view := 0, db.NewTransactionAt(keys+2, false)
		it := view.NewIterator(badger.IteratorOptions{})
		for it.Rewind(); it.Valid(); it.Next() {
			got++
		}
		it.Close()
		view.Discard()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if got != keys {
			t.Errorf("%s: %d keys, want %d", name, got, keys)
		}
	}
}
