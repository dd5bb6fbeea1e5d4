package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"sojourn/cts/command"
)

// Meta is what the state machine keeps about itself, written with every
// transaction.
//
//	version 1 | applied (8) | term (8) | count (8) | sum (8) | config index (8) | configuration
type Meta struct {
	Applied, Term uint64
	Totals        command.Totals
	// Config is the latest committed configuration, as raft encodes it, and
	// ConfigIndex its place in the log.
	ConfigIndex uint64
	Config      []byte
}

const (
	metaVersion = 1
	metaLen     = 1 + 5*8
)

func (m Meta) encode() []byte {
	b := make([]byte, 0, metaLen+len(m.Config))
	b = append(b, metaVersion)
	b = binary.BigEndian.AppendUint64(b, m.Applied)
	b = binary.BigEndian.AppendUint64(b, m.Term)
	b = binary.BigEndian.AppendUint64(b, m.Totals.Count)
	b = binary.BigEndian.AppendUint64(b, m.Totals.Sum)
	b = binary.BigEndian.AppendUint64(b, m.ConfigIndex)
	return append(b, m.Config...)
}

func decodeMeta(b []byte) (Meta, error) {
	if len(b) < metaLen {
		return Meta{}, errors.New("the store's own record is cut short")
	}
	if b[0] != metaVersion {
		return Meta{}, &command.VersionError{What: "the store's own record", Version: b[0]}
	}
	return Meta{
		Applied: binary.BigEndian.Uint64(b[1:]),
		Term:    binary.BigEndian.Uint64(b[9:]),
		Totals: command.Totals{
			Count: binary.BigEndian.Uint64(b[17:]),
			Sum:   binary.BigEndian.Uint64(b[25:]),
		},
		ConfigIndex: binary.BigEndian.Uint64(b[33:]),
		Config:      append([]byte(nil), b[metaLen:]...),
	}, nil
}

// Add counts one key and its value in; remove takes them out. A sum of hashes has no order, so it can be kept
// key by key and checked in one scan.
func Add(t *command.Totals, key, value []byte) {
	t.Count++
	t.Sum += hash(key, value)
}

func remove(t *command.Totals, key, value []byte) {
	t.Count--
	t.Sum -= hash(key, value)
}

func hash(key, value []byte) uint64 {
	const odd = 0x9E3779B97F4A7C15
	h := bits.RotateLeft64(xxhash.Sum64(key), 31)*odd ^ xxhash.Sum64(value)
	h = (h ^ h>>32) * odd
	return h ^ h>>29
}

func (m Meta) String() string {
	return fmt.Sprintf("entry %d: %d keys, sum %016x", m.Applied, m.Totals.Count, m.Totals.Sum)
}
