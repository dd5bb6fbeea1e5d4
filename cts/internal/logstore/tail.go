package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"sojourn/cts/internal/damage"
)

// Layout of a raft-wal segment: a header, then frames of 8 bytes (kind, three
// zeros, length) and their payload, padded to 8.
const (
	segmentHeader = 32
	frameHeader   = 8
	frameEntry    = 1
)

// checkTail looks into the last file of the log for entries behind the end that
// raft-wal found. A crash tears the last batch only: each is flushed before the
// next is written. So an entry of a batch that began after the next index shows
// that something before it, flushed and perhaps acknowledged, was lost.
func (s *Store) checkTail(path string) error {
	last, err := s.wal.LastIndex()
	if err != nil {
		return fmt.Errorf("last index of the log: %w", err)
	}
	data, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
	if err != nil {
		return damage.At(path, err)
	}
	for offset := segmentHeader; offset+frameHeader <= len(data); {
		l, size, ok := s.frame(data[offset:])
		if !ok {
			offset += frameHeader
			offset += skipZeros(data[offset:])
			continue
		}
		offset += size
		if l.Index <= last {
			continue
		}
		batch, err := s.codec.open(l)
		if err == nil && l.Index-uint64(batch) > last+1 { //nolint:gosec // an offset in a batch
			return damage.At(path, fmt.Errorf("entry %d is readable, but what lies between it and entry %d is not",
				l.Index, last))
		}
	}
	return nil
}

// frame reads an entry frame at the start of data.
func (s *Store) frame(data []byte) (l *raft.Log, size int, ok bool) {
	if data[0] != frameEntry || data[1] != 0 || data[2] != 0 || data[3] != 0 {
		return nil, 0, false
	}
	n := int(binary.LittleEndian.Uint32(data[4:]))
	if n == 0 || n > len(data)-frameHeader {
		return nil, 0, false
	}
	l, ok = decode(data[frameHeader : frameHeader+n])
	if !ok {
		return nil, 0, false
	}
	if len(l.Data) < headerLen || l.Data[0] != recordMagic {
		return nil, 0, false
	}
	return l, frameHeader + (n+7)/8*8, true
}

// decode reads an entry as raft-wal wrote it. Its decoder may panic on other
// bytes.
func decode(payload []byte) (l *raft.Log, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	l = new(raft.Log)
	return l, new(wal.BinaryCodec).Decode(payload, l) == nil
}

// skipZeros returns how much of data is whole zero pages.
func skipZeros(data []byte) int {
	var zeros [4096]byte
	n := 0
	for len(data)-n >= len(zeros) && bytes.Equal(data[n:n+len(zeros)], zeros[:]) {
		n += len(zeros)
	}
	return n
}

// HasEntries reports whether there is anything in a log folder, without
// opening it.
func HasEntries(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, metaFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
