package logstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"

	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/logstore"
	"sojourn/cts/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(t testing.TB, dir string, secret byte) logstore.Options {
	t.Helper()
	o := logstore.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), SegmentSize: 32 << 10}
	if secret != 0 {
		box, err := seal.New(bytes.Repeat([]byte{secret}, seal.MinSecret), "log")
		if err != nil {
			t.Fatal(err)
		}
		o.Box = box
	}
	return o
}

func open(t testing.TB, o logstore.Options) *logstore.Store {
	t.Helper()
	s, err := logstore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func payload(index uint64) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("payload of entry %d. ", index), 20))
}

// write stores entries from first on, in batches of the given sizes.
func write(t testing.TB, s *logstore.Store, first uint64, batches ...int) {
	t.Helper()
	for _, size := range batches {
		var logs []*raft.Log
		for range size {
			logs = append(logs, &raft.Log{Index: first, Term: 3, Type: raft.LogCommand, Data: payload(first)})
			first++
		}
		if err := s.StoreLogs(logs); err != nil {
			t.Fatal(err)
		}
		for _, l := range logs {
			if !bytes.Equal(l.Data, payload(l.Index)) {
				t.Fatal("StoreLogs changed an entry that raft still uses")
			}
		}
	}
}

func readAll(t testing.TB, s *logstore.Store) (first, last uint64, err error) {
	t.Helper()
	first, err = s.FirstIndex()
	if err != nil {
		t.Fatal(err)
	}
	last, err = s.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	for index := first; index <= last; index++ {
		var l raft.Log
		if err := s.GetLog(index, &l); err != nil {
			return first, last, err
		}
		if l.Index != index || l.Term != 3 || !bytes.Equal(l.Data, payload(index)) {
			t.Fatalf("entry %d reads as %+v: damage that goes unnoticed", index, l)
		}
	}
	return first, last, nil
}

func TestLog(t *testing.T) {
	for name, secret := range map[string]byte{"plain": 0, "sealed": 1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, options(t, dir, secret))
			write(t, s, 1, 1, 5, 100, 1)
			if err := s.DeleteRange(1, 50); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, options(t, dir, secret))
			first, last, err := readAll(t, s)
			if first != 51 || last != 107 || err != nil {
				t.Errorf("entries %d to %d, %v", first, last, err)
			}
			if err := s.Check(51); err != nil {
				t.Error(err)
			}
			var missing *damage.Error
			if err := s.Check(50); !errors.As(err, &missing) {
				t.Errorf("a log that begins too late = %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if secret != 0 && bytes.Contains(data, []byte("payload of")) {
					t.Errorf("%s shows what it holds", file)
				}
			}
		})
	}
}

func TestWrongKey(t *testing.T) {
	for name, keys := range map[string][2]byte{
		"another key": {1, 2}, "key missing": {1, 0}, "key where there was none": {0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, options(t, dir, keys[0]))
			write(t, s, 1, 3)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, options(t, dir, keys[1]))
			defer s.Close()
			var damaged *damage.Error
			if err := s.Check(1); !errors.As(err, &damaged) || !strings.Contains(err.Error(), dir) {
				t.Errorf("Check = %v", err)
			}
		})
	}
}

// Whatever is done to the files, no entry but those of the last batch is lost
// without a word: a torn last batch looks the same and was never acknowledged.
func TestDamage(t *testing.T) {
	const batches, perBatch = 12, 4
	source := t.TempDir()
	s := open(t, options(t, source, 0))
	for i := range batches {
		write(t, s, uint64(i*perBatch+1), perBatch)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(source, "*.wal"))
	if err != nil || len(segments) < 1 {
		t.Fatal(segments, err)
	}
	tail := filepath.Base(segments[len(segments)-1])
	content, err := os.ReadFile(segments[len(segments)-1])
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(content, "\x00"))

	check := func(t *testing.T, change func(dir string)) {
		t.Helper()
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
			t.Fatal(err)
		}
		change(dir)
		s, err := logstore.Open(options(t, dir, 0))
		var damaged *damage.Error
		if err != nil {
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), dir) {
				t.Fatalf("Open = %v; want the file's name", err)
			}
			return
		}
		defer s.Close()
		if err := s.Check(1); err != nil {
			if !errors.As(err, &damaged) {
				t.Fatalf("Check = %v", err)
			}
			return
		}
		if _, last, _ := readAll(t, s); last < (batches-1)*perBatch {
			t.Fatalf("the log ends at %d without a word", last)
		}
	}
	for offset := 0; offset < used; offset += 37 {
		t.Run(fmt.Sprintf("flip at %d", offset), func(t *testing.T) {
			check(t, func(dir string) {
				changed := bytes.Clone(content)
				changed[offset] ^= 0xff
				if err := os.WriteFile(filepath.Join(dir, tail), changed, 0o600); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
	t.Run("no list of files", func(t *testing.T) {
		check(t, func(dir string) {
			if err := os.Remove(filepath.Join(dir, "wal-meta.db")); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("list of files cut", func(t *testing.T) {
		check(t, func(dir string) {
			if err := os.Truncate(filepath.Join(dir, "wal-meta.db"), 100); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("first file missing", func(t *testing.T) {
		if len(segments) < 2 {
			t.Skip("one file only")
		}
		check(t, func(dir string) {
			if err := os.Remove(filepath.Join(dir, filepath.Base(segments[0]))); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// A last batch torn at any byte leaves all earlier ones readable and takes new
// entries.
func TestTornLastBatch(t *testing.T) {
	source := t.TempDir()
	o := options(t, source, 0)
	o.SegmentSize = 1 << 20
	s := open(t, o)
	write(t, s, 1, 3, 2)
	path := func(dir string) string {
		files, err := filepath.Glob(filepath.Join(dir, "*.wal"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		return files[0]
	}
	before, err := os.ReadFile(path(source))
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, 6, 4)
	after, err := os.ReadFile(path(source))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	begin, end := len(bytes.TrimRight(before, "\x00")), len(bytes.TrimRight(after, "\x00"))
	for cut := begin; cut < end; cut += 61 {
		for name, torn := range map[string][]byte{
			"end missing":       append(bytes.Clone(after[:cut]), before[cut:]...),
			"beginning missing": append(bytes.Clone(before[:cut]), after[cut:]...),
		} {
			t.Run(fmt.Sprintf("%s at %d", name, cut), func(t *testing.T) {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path(dir), torn, 0o600); err != nil {
					t.Fatal(err)
				}
				o := o
				o.Dir = dir
				s := open(t, o)
				defer s.Close()
				_, last, err := readAll(t, s)
				if err != nil || last < 5 || last > 9 {
					t.Fatalf("last = %d, %v", last, err)
				}
				write(t, s, last+1, 2)
				if _, again, err := readAll(t, s); err != nil || again != last+2 {
					t.Errorf("after writing on: last = %d, %v", again, err)
				}
			})
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	o := options(b, b.TempDir(), 0)
	o.SegmentSize = 0
	s := open(b, o)
	defer s.Close()
	for first := uint64(1); first < 20_000; first += 100 {
		write(b, s, first, 100)
	}
	for b.Loop() {
		if err := s.Check(1); err != nil {
			b.Fatal(err)
		}
	}
}
