// Package logstore is raft's log and stable store on disk: raft-wal, with each
// entry checked, and encrypted when there is a key.
//
// raft-wal trusts the disk to keep what was flushed: it checks only its last
// batch, and takes the first bad frame for the end of the log. That end could
// lie before entries that were acknowledged. Open tells the two apart.
package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"sojourn/cts/internal/damage"
	"sojourn/cts/internal/hclogslog"
	"sojourn/cts/internal/seal"
)

const (
	metaFile = "wal-meta.db"
	// segmentSize is how much one file of the log holds, in bytes.
	segmentSize = 16 << 20
)

// Options of a Store.
type Options struct {
	// Dir holds the log; it is created when it is not there.
	Dir string
	// Box seals entries; nil leaves them plain.
	Box *seal.Box
	Log *slog.Logger
	// SegmentSize overrides the size of a file, in bytes; 0 is 16 MiB.
	SegmentSize int
}

// Store is a raft.LogStore and raft.StableStore.
type Store struct {
	dir   string
	wal   *wal.WAL
	codec codec

	mu    sync.Mutex // guards what StoreLogs uses again
	bytes []byte
	logs  []raft.Log
	refs  []*raft.Log
}

var (
	_ raft.LogStore          = (*Store)(nil)
	_ raft.StableStore       = (*Store)(nil)
	_ raft.MonotonicLogStore = (*Store)(nil)
)

// Open opens the log. A *damage.Error names what is wrong with its files.
func Open(o Options) (s *Store, err error) {
	defer damage.Catch(o.Dir, &err)
	// Its meta file is read through a memory map: where the file was cut, reading
	// is a fault that would end the process.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create log folder: %w", err)
	}
	segments, err := filepath.Glob(filepath.Join(o.Dir, "*.wal"))
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	meta := filepath.Join(o.Dir, metaFile)
	if _, err := os.Stat(meta); len(segments) > 0 && errors.Is(err, fs.ErrNotExist) {
		// raft-wal would take the log for a new one and delete its files.
		return nil, damage.At(meta, errors.New("is missing, but the log has entries"))
	}
	size := o.SegmentSize
	if size == 0 {
		size = segmentSize
	}
	w, err := wal.Open(o.Dir, wal.WithLogger(hclogslog.New(o.Log)), wal.WithSegmentSize(size))
	if err != nil {
		return nil, damage.At(o.Dir, fmt.Errorf("open log: %w", err))
	}
	s = &Store{dir: o.Dir, wal: w, codec: newCodec(o.Box)}
	if len(segments) > 0 {
		if err := s.checkTail(slices.Max(segments)); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return s, nil
}

// Check reads all entries from an index on and returns a *damage.Error for the
// first that is not what was written. raft panics on such an entry.
func (s *Store) Check(from uint64) error {
	first, err := s.wal.FirstIndex()
	if err != nil {
		return fmt.Errorf("first index of the log: %w", err)
	}
	last, err := s.wal.LastIndex()
	if err != nil {
		return fmt.Errorf("last index of the log: %w", err)
	}
	if first > from && last >= from {
		return damage.At(s.dir, fmt.Errorf("the log begins at entry %d, entry %d is missing", first, from))
	}
	var l raft.Log
	for index := max(from, first); index <= last && index > 0; index++ {
		if err := s.GetLog(index, &l); err != nil {
			return err
		}
	}
	return nil
}

// Empty removes all entries; the next one may have any index.
func (s *Store) Empty() error {
	first, err := s.wal.FirstIndex()
	if err != nil {
		return fmt.Errorf("first index of the log: %w", err)
	}
	last, err := s.wal.LastIndex()
	if err == nil && last > 0 {
		err = s.wal.DeleteRange(first, last)
	}
	if err != nil {
		return fmt.Errorf("empty the log: %w", err)
	}
	return nil
}

// Close closes the files.
func (s *Store) Close() error { return s.wal.Close() }

// IsMonotonic tells raft that the log takes no gaps.
func (s *Store) IsMonotonic() bool { return true }

// FirstIndex implements raft.LogStore.
func (s *Store) FirstIndex() (uint64, error) { return s.wal.FirstIndex() }

// LastIndex implements raft.LogStore.
func (s *Store) LastIndex() (uint64, error) { return s.wal.LastIndex() }

// GetLog implements raft.LogStore. An entry that is not what was written is a
// *damage.Error.
func (s *Store) GetLog(index uint64, l *raft.Log) (err error) {
	defer damage.Catch(s.dir, &err)
	if err := s.wal.GetLog(index, l); err != nil {
		if errors.Is(err, wal.ErrNotFound) {
			return raft.ErrLogNotFound
		}
		return damage.At(s.dir, fmt.Errorf("read entry %d: %w", index, err))
	}
	if l.Index != index {
		return damage.At(s.dir, fmt.Errorf("entry %d stands in the place of %d", l.Index, index))
	}
	if _, err := s.codec.open(l); err != nil {
		return damage.At(s.dir, fmt.Errorf("entry %d: %w", index, err))
	}
	return nil
}

// StoreLog implements raft.LogStore.
func (s *Store) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore: one flush for all.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes, s.logs, s.refs = s.bytes[:0], s.logs[:0], s.refs[:0]
	total := 0
	for _, l := range logs {
		total += headerLen + seal.Overhead + len(l.Data)
	}
	s.bytes = slices.Grow(s.bytes, total) // records are slices of it: it must not move
	for i, l := range logs {
		start := len(s.bytes)
		s.bytes = s.codec.append(s.bytes, l, i)
		stored := *l
		stored.Data = s.bytes[start:len(s.bytes):len(s.bytes)]
		s.logs = append(s.logs, stored)
	}
	for i := range s.logs {
		s.refs = append(s.refs, &s.logs[i])
	}
	err := s.wal.StoreLogs(s.refs)
	if cap(s.bytes) > 4<<20 {
		s.bytes = nil
	}
	clear(s.logs)
	return err
}

// DeleteRange implements raft.LogStore.
func (s *Store) DeleteRange(low, high uint64) error { return s.wal.DeleteRange(low, high) }

// Set implements raft.StableStore.
func (s *Store) Set(key, value []byte) error { return s.wal.Set(key, value) }

// Get implements raft.StableStore.
func (s *Store) Get(key []byte) ([]byte, error) { return s.wal.Get(key) }

// SetUint64 implements raft.StableStore.
func (s *Store) SetUint64(key []byte, value uint64) error { return s.wal.SetUint64(key, value) }

// GetUint64 implements raft.StableStore.
func (s *Store) GetUint64(key []byte) (uint64, error) { return s.wal.GetUint64(key) }
