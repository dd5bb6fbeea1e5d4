package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"sojourn/cluster/placement"
)

// The bounds of what a member tells of itself. Together they keep a record
// within memberlist's 512 bytes, whatever the fields hold.
const (
	maxID      = 64
	maxName    = 63
	maxStore   = 64
	maxAddress = 160
	maxExpect  = 255

	recordVersion = 1
	recordFixed   = 1 + 1 + 2 + 2 + 1 + 16 + 8
	maxRecord     = recordFixed + 4 + maxName + maxStore + 2*maxAddress
)

const (
	flagDraining = 1 << iota
	flagLeaving
	flagStarting
)

// record is what one member tells the others of itself: the member, less its
// id, which is memberlist's name for it, and what only membership needs.
type record struct {
	member placement.Member
	// oldest is the oldest protocol that the member speaks; Protocol in member
	// is the newest.
	oldest int
	// started is when the process joined, by its own clock: of two members
	// with one address or one data folder the later one is the live one.
	started time.Time
	// leaving is set by Leave alone: a member may drain for minutes and die
	// all the same.
	leaving bool
}

// errRecord is wrapped by whatever is wrong with a record.
var errRecord = errors.New("bad metadata")

// encode writes, in this order: version 1, flags (bit 0 draining, bit 1
// leaving, bit 2 starting), oldest and newest protocol (2 bytes each, big-endian), expect (1),
// cluster id (16), start in microseconds since 1970 (8, big-endian), then
// store, name, address and HTTP address, each behind its length in one byte.
func (r record) encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	m := r.member
	var flags byte
	if m.Draining {
		flags |= flagDraining
	}
	if r.leaving {
		flags |= flagLeaving
	}
	if m.Starting {
		flags |= flagStarting
	}
	b := make([]byte, 0, maxRecord)
	b = append(b, recordVersion, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(r.oldest))   //nolint:gosec // check bounds it
	b = binary.BigEndian.AppendUint16(b, uint16(m.Protocol)) //nolint:gosec // check bounds it
	b = append(b, byte(m.Expect))                            //nolint:gosec // check bounds it
	b = append(b, m.Cluster[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.started.UnixMicro())) //nolint:gosec // check bounds it
	for _, s := range []string{m.Store, m.Name, m.Address, m.HTTP} {
		b = append(b, byte(len(s))) //nolint:gosec // check bounds it
		b = append(b, s...)
	}
	return b, nil
}

// decodeRecord reads what encode wrote. Bytes behind the last field are left
// to later versions that only add fields.
func decodeRecord(id string, b []byte) (record, error) {
	if len(b) < recordFixed {
		return record{}, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	if b[0] != recordVersion {
		return record{}, fmt.Errorf("%w: version %d", errRecord, b[0])
	}
	r := record{
		oldest:  int(binary.BigEndian.Uint16(b[2:])),
		leaving: b[1]&flagLeaving != 0,
		started: time.UnixMicro(int64(binary.BigEndian.Uint64(b[23:]))), //nolint:gosec // check refuses what overflows
		member: placement.Member{
			ID:       placement.MemberID(id),
			Draining: b[1]&flagDraining != 0,
			Starting: b[1]&flagStarting != 0,
			Protocol: int(binary.BigEndian.Uint16(b[4:])),
			Expect:   int(b[6]),
			Cluster:  [16]byte(b[7:23]),
		},
	}
	b = b[recordFixed:]
	for _, s := range []*string{&r.member.Store, &r.member.Name, &r.member.Address, &r.member.HTTP} {
		if len(b) == 0 || len(b)-1 < int(b[0]) {
			return record{}, fmt.Errorf("%w: cut short", errRecord)
		}
		end := 1 + int(b[0])
		*s, b = string(b[1:end]), b[end:]
	}
	return r, r.check()
}

// check is the same for what is sent and for what is received.
func (r record) check() error {
	m := r.member
	for _, f := range []struct {
		name, value string
		limit       int
	}{{"id", string(m.ID), maxID}, {"name", m.Name, maxName}, {"store", m.Store, maxStore}, {"address", m.Address, maxAddress}, {"http address", m.HTTP, maxAddress}} {
		if err := checkText(f.value, f.limit); err != nil {
			return fmt.Errorf("%w: %s %w", errRecord, f.name, err)
		}
	}
	if m.ID == "" {
		return fmt.Errorf("%w: no id", errRecord)
	}
	if err := checkAddress(m.Address); err != nil {
		return fmt.Errorf("%w: address: %w", errRecord, err)
	}
	if m.HTTP != "" {
		if err := checkAddress(m.HTTP); err != nil {
			return fmt.Errorf("%w: http address: %w", errRecord, err)
		}
	}
	if m.Expect < 0 || m.Expect > maxExpect {
		return fmt.Errorf("%w: expect %d", errRecord, m.Expect)
	}
	if r.oldest < 1 || r.oldest > m.Protocol || m.Protocol > 1<<16-1 {
		return fmt.Errorf("%w: protocol %d to %d", errRecord, r.oldest, m.Protocol)
	}
	if r.started.UnixMicro() < 0 {
		return fmt.Errorf("%w: started before 1970", errRecord)
	}
	return nil
}

// checkText refuses what would break a log line or the size of a record.
func checkText(s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("has %d bytes, at most %d", len(s), limit)
	}
	if !utf8.ValidString(s) {
		return errors.New("is not UTF-8")
	}
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return fmt.Errorf("has %q in it", c)
		}
	}
	return nil
}

// checkAddress wants HOST:PORT with both of them.
func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has no port of 1 to 65535", s)
	}
	if host == "" {
		return fmt.Errorf("%q has no host", s)
	}
	return nil
}
