package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"

	"sojourn/cts/internal/seal"
)

// What raft-wal stores as an entry's data is a record:
//
//	0xC7 | version 1 | mode (0 plain, 1 sealed) | 0 | batch offset (4) | body
//
// The batch offset is the entry's place among those that were flushed
// together; it tells a torn last batch from damage before it. A plain body is
// the data and its CRC-32C (4) together with index, term and type; a sealed one
// is authenticated with them by its box.
const (
	recordMagic   = 0xC7
	recordVersion = 1
	modePlain     = 0
	modeSealed    = 1
	headerLen     = 8
	crcLen        = 4
)

var errRecord = errors.New("not the entry that was written")

type codec struct {
	box   *seal.Box
	table *crc32.Table
}

func newCodec(box *seal.Box) codec {
	return codec{box: box, table: crc32.MakeTable(crc32.Castagnoli)}
}

// place is what a record is bound to besides its data.
func place(header []byte, l *raft.Log) []byte {
	b := make([]byte, 0, headerLen+17)
	b = append(b, header...)
	b = binary.BigEndian.AppendUint64(b, l.Index)
	b = binary.BigEndian.AppendUint64(b, l.Term)
	return append(b, byte(l.Type))
}

func (c codec) append(b []byte, l *raft.Log, batchOffset int) []byte {
	start := len(b)
	mode := byte(modePlain)
	if c.box != nil {
		mode = modeSealed
	}
	b = append(b, recordMagic, recordVersion, mode, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(batchOffset)) //nolint:gosec // a batch is small
	bound := place(b[start:], l)
	if c.box != nil {
		return c.box.Seal(b, l.Data, bound)
	}
	b = append(b, l.Data...)
	return binary.BigEndian.AppendUint32(b, c.sum(bound, l.Data))
}

func (c codec) sum(bound, data []byte) uint32 {
	return crc32.Update(crc32.Checksum(bound, c.table), c.table, data)
}

// open replaces l.Data, a record, by the data it holds and returns the batch
// offset.
func (c codec) open(l *raft.Log) (int, error) {
	record := l.Data
	if len(record) < headerLen || record[0] != recordMagic {
		return 0, errRecord
	}
	if record[1] != recordVersion {
		return 0, fmt.Errorf("entry of version %d, which this release does not know", record[1])
	}
	header, body := record[:headerLen], record[headerLen:]
	offset := int(binary.BigEndian.Uint32(header[4:]))
	bound := place(header, l)
	switch record[2] {
	case modeSealed:
		if c.box == nil {
			return 0, errors.New("encrypted, and no key is configured")
		}
		plain, err := c.box.Open(nil, body, bound)
		if err != nil {
			return 0, err
		}
		l.Data = plain
	case modePlain:
		if c.box != nil {
			return 0, errors.New("not encrypted, though a key is configured")
		}
		n := len(body) - crcLen
		if n < 0 || c.sum(bound, body[:n]) != binary.BigEndian.Uint32(body[n:]) {
			return 0, errRecord
		}
		l.Data = body[:n:n]
	default:
		return 0, errRecord
	}
	return offset, nil
}
