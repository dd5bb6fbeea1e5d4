package register

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"

	"sojourn/cluster/placement"
)

// Version is the first byte of an encoded Record. An Epoch or a Set has none:
// it stands in something that has.
const Version = 1

// ErrMalformed says that bytes are not a record, an epoch or a set of this
// version. It never quotes them.
var ErrMalformed = errors.New("not a journey's record")

// maxCounter leaves room for take-overs after any epoch that can be received.
const maxCounter = math.MaxInt64

// What stands before a member: 0 for the empty one, rawMember before sixteen
// bytes (what the thirty-two hex digits of a process's id say), n+2 before
// any other id of n bytes.
const (
	noMember   = 0
	rawMember  = 1
	textMember = 2
)

const rawSize = 16

// AppendEpoch appends e to dst: the counter as a varint, the member.
func AppendEpoch(dst []byte, e Epoch) []byte {
	return appendMember(binary.AppendUvarint(dst, e.Counter), e.Member)
}

// ParseEpoch reads what AppendEpoch wrote, and returns what comes after it.
func ParseEpoch(raw []byte) (Epoch, []byte, error) {
	p := parser{rest: raw}
	e := p.epoch()
	return e, p.rest, p.err()
}

// AppendSet appends s to dst: how many as a varint, then the members.
func AppendSet(dst []byte, s Set) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	for _, m := range s {
		dst = appendMember(dst, m)
	}
	return dst
}

// ParseSet reads what AppendSet wrote, and returns what comes after it. A set
// of more than MaxSet, or one with an empty or a doubled member, is refused;
// one of none is nil.
func ParseSet(raw []byte) (Set, []byte, error) {
	return ReadSet(raw, nil)
}

// AppendRecord appends r to dst: version, epoch, Seq, Replicas, Prev, Expires,
// one more than the body's length (0 for none), the body. Numbers are varints.
func AppendRecord(dst []byte, r *Record) []byte {
	dst = append(dst, Version)
	dst = AppendEpoch(dst, r.Epoch)
	dst = binary.AppendUvarint(dst, r.Seq)
	dst = AppendSet(dst, r.Replicas)
	dst = AppendSet(dst, r.Prev)
	dst = binary.AppendVarint(dst, r.Expires)
	if r.Body == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Body))+1)
	return append(dst, r.Body...)
}

// Names gives the id of a member for its encoding, which it does not keep: so
// all records that name a member can share one string. Member is one that
// shares none. An encoding that is none of a member gives the empty id.
type Names func(encoded []byte) placement.MemberID

// Member reads the encoding of a member's id, as Names gets it.
func Member(encoded []byte) placement.MemberID {
	p := parser{rest: encoded}
	m := p.name()
	if p.bad || len(p.rest) > 0 {
		return ""
	}
	return m
}

// ReadSet is ParseSet with the members of names.
func ReadSet(raw []byte, names Names) (Set, []byte, error) {
	p := parser{rest: raw, names: names}
	s := p.set()
	return s, p.rest, p.err()
}

// ReadRecord reads all of raw as what AppendRecord wrote. It copies nothing:
// the record's body is raw's own bytes, and its members are those of names.
func ReadRecord(raw []byte, names Names) (*Record, error) {
	p := parser{rest: raw, names: names}
	r, body := p.record()
	if r == nil || len(p.rest) > 0 {
		return nil, ErrMalformed
	}
	r.Body = body
	return r, nil
}

func appendMember(dst []byte, m placement.MemberID) []byte {
	if raw, ok := unhex(m); ok {
		return append(append(dst, rawMember), raw[:]...)
	}
	if m == "" {
		return append(dst, noMember)
	}
	dst = binary.AppendUvarint(dst, uint64(len(m))+textMember)
	return append(dst, m...)
}

// unhex reads an id of thirty-two lower-case hex digits.
func unhex(m placement.MemberID) (raw [rawSize]byte, ok bool) {
	if len(m) != 2*rawSize {
		return raw, false
	}
	for i := range raw {
		hi, lo := digit(m[2*i]), digit(m[2*i+1])
		if hi > 15 || lo > 15 {
			return raw, false
		}
		raw[i] = hi<<4 | lo
	}
	return raw, true
}

func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// parser reads from the front of rest. After a fault it reads zeros.
type parser struct {
	rest  []byte
	names Names // nil: Member
	bad   bool
}

// record returns a record without its body, and that; nil after a fault.
func (p *parser) record() (*Record, []byte) {
	if p.byte() != Version {
		return nil, nil
	}
	r := &Record{Epoch: p.epoch(), Seq: p.uvarint(), Replicas: p.set(), Prev: p.set(), Expires: p.varint()}
	var body []byte
	if n := p.uvarint(); n > 0 {
		body = p.take(n - 1)
		body = slices.Clip(body)
	}
	if p.bad {
		return nil, nil
	}
	return r, body
}

func (p *parser) err() error {
	if p.bad {
		return ErrMalformed
	}
	return nil
}

func (p *parser) take(n uint64) []byte {
	if p.bad || n > uint64(len(p.rest)) {
		p.bad = true
		return nil
	}
	out := p.rest[:n]
	p.rest = p.rest[n:]
	return out
}

func (p *parser) byte() byte {
	if b := p.take(1); b != nil {
		return b[0]
	}
	return 0
}

// uvarint refuses what is written longer than needed: a value has one form.
func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	if p.bad || n <= 0 || n > 1 && p.rest[n-1] == 0 {
		p.bad = true
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *parser) varint() int64 {
	v := p.uvarint()
	return int64(v>>1) ^ -int64(v&1) //nolint:gosec // zigzag, as binary.AppendVarint writes it
}

func (p *parser) epoch() Epoch {
	e := Epoch{Counter: p.uvarint(), Member: p.member()}
	p.bad = p.bad || e.Counter > maxCounter
	return e
}

func (p *parser) set() Set {
	n := p.uvarint()
	if n > MaxSet {
		p.bad = true
	}
	if p.bad || n == 0 {
		return nil
	}
	s := make(Set, 0, n)
	for range n {
		m := p.member()
		if p.bad || m == "" || slices.Contains(s, m) {
			p.bad = true
			return nil
		}
		s = append(s, m)
	}
	return s
}

// member reads an id; with names, it is checked once for each that is new.
func (p *parser) member() placement.MemberID {
	if p.names == nil {
		return p.name()
	}
	encoded, names := p.rest, p.names
	switch n := p.uvarint(); n {
	case noMember:
		return ""
	case rawMember:
		p.take(rawSize)
	default:
		p.take(n - textMember)
	}
	if p.bad {
		return ""
	}
	id := names(encoded[:len(encoded)-len(p.rest)])
	p.bad = id == "" // Member refused it
	return id
}

func (p *parser) name() placement.MemberID {
	switch n := p.uvarint(); n {
	case noMember:
		return ""
	case rawMember:
		raw := p.take(rawSize)
		return placement.MemberID(hex.EncodeToString(raw))
	default:
		m := placement.MemberID(p.take(n - textMember))
		if _, ok := unhex(m); ok || m == "" {
			p.bad = true // has a shorter form
		}
		return m
	}
}
