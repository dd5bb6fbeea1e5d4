package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Kind is what a connection is for.
type Kind byte

// The numbers are part of the wire format.
const (
	Gossip Kind = 1
	Raft   Kind = 2
	Call   Kind = 3
)

func (k Kind) String() string {
	switch k {
	case Gossip:
		return "gossip"
	case Raft:
		return "raft"
	case Call:
		return "call"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

const (
	protocolMin = 1
	protocolMax = 1

	magic      = "SJRN"
	maxBlock   = 512
	maxMember  = 64
	maxDetail  = 255
	clusterLen = 16
)

var errPreamble = errors.New("malformed preamble")

// preamble is what the dialling side says first.
type preamble struct {
	min, max byte // protocol versions
	kind     Kind
	cluster  [clusterLen]byte
	member   string
}

// answer is what the accepting side says to it. A zero verdict accepts.
type answer struct {
	verdict Refusal
	version byte
	cluster [clusterLen]byte
	member  string
	detail  string
}

func (p preamble) encode() []byte {
	b := beginBlock()
	b = append(b, p.min, p.max, byte(p.kind))
	b = append(b, p.cluster[:]...)
	b = appendText(b, p.member, maxMember)
	return endBlock(b)
}

func (a answer) encode() []byte {
	b := beginBlock()
	b = append(b, byte(a.verdict), a.version)
	b = append(b, a.cluster[:]...)
	b = appendText(b, a.member, maxMember)
	b = appendText(b, a.detail, maxDetail)
	return endBlock(b)
}

func decodePreamble(b []byte) (preamble, error) {
	var p preamble
	if len(b) < 3+clusterLen {
		return p, fmt.Errorf("%w: %d bytes", errPreamble, len(b))
	}
	p.min, p.max, p.kind = b[0], b[1], Kind(b[2])
	copy(p.cluster[:], b[3:])
	var err error
	if p.member, _, err = cutText(b[3+clusterLen:]); err != nil {
		return preamble{}, err
	}
	if p.min == 0 || p.max < p.min {
		return preamble{}, fmt.Errorf("%w: protocol versions %d to %d", errPreamble, p.min, p.max)
	}
	return p, checkMember(p.member)
}

func decodeAnswer(b []byte) (answer, error) {
	var a answer
	if len(b) < 2+clusterLen {
		return a, fmt.Errorf("%w: answer of %d bytes", errPreamble, len(b))
	}
	a.verdict, a.version = Refusal(b[0]), b[1]
	copy(a.cluster[:], b[2:])
	var err error
	rest := b[2+clusterLen:]
	if a.member, rest, err = cutText(rest); err != nil {
		return answer{}, err
	}
	if a.detail, _, err = cutText(rest); err != nil {
		return answer{}, err
	}
	return a, checkMember(a.member)
}

// checkMember refuses what is no member id: it goes into logs and certificates.
func checkMember(id string) error {
	if id == "" || len(id) > maxMember {
		return fmt.Errorf("member id of %d bytes, need 1 to %d", len(id), maxMember)
	}
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' && c != '.' {
			return fmt.Errorf("member id %q has a character other than letters, digits, -_ and dot", id)
		}
	}
	return nil
}

// readBlock reads one preamble or answer, and not a byte more: what follows
// belongs to whoever takes the connection.
func readBlock(r io.Reader) ([]byte, error) {
	var head [blockHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if !bytes.Equal(head[:len(magic)], []byte(magic)) {
		return nil, fmt.Errorf("%w: starts with %q", errPreamble, head[:len(magic)])
	}
	n := binary.BigEndian.Uint16(head[len(magic):])
	if n > maxBlock {
		return nil, fmt.Errorf("%w: %d bytes long", errPreamble, n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

const blockHead = len(magic) + 2

func beginBlock() []byte { return append(make([]byte, 0, 128), magic+"\x00\x00"...) }

func endBlock(b []byte) []byte {
	binary.BigEndian.PutUint16(b[len(magic):], uint16(len(b)-blockHead)) //nolint:gosec // at most maxBlock: the texts are cut
	return b
}

func appendText(b []byte, s string, limit int) []byte {
	s = s[:min(len(s), limit)]
	return append(append(b, byte(len(s))), s...) //nolint:gosec // limits are below 256
}

func cutText(b []byte) (s string, rest []byte, err error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, fmt.Errorf("%w: ends early", errPreamble)
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], nil
}
