package actors

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"sojourn/actors/journey"
	"sojourn/cts/session"
)

// body is what a record says of a journey: how it waits, or how it ended.
type body struct {
	kind bodyKind
	// step is the current step of a waiting journey, the last one of an ended
	// one. digest is of the answers that led here, so that a repeat of the same
	// request is known for what it is.
	step   uint32
	digest digest
	// expires is when the journey ends unfinished.
	expires time.Time
	// replicas is how many members its realm wanted to hold it.
	replicas int
	state    []byte // encoded, of a waiting journey
	// carried says that the client carries the state. Then sum is a keyed digest
	// of it, and state may be missing.
	carried bool
	sum     digest
	// taken says that a session is being made of the answers to the current
	// step that chosen is the digest of: no others count any more.
	taken  bool
	chosen digest
	end    *ended // of an ended one, until its reply is no longer kept
}

type bodyKind byte

const (
	waits bodyKind = 1
	// decided is an end that the token store has decided: the journey's session
	// was created there.
	decided bodyKind = 2
	// failed is any other end, also a success whose session its holder keeps or a
	// quota may have denied: the record itself decides it.
	failed bodyKind = 3
	// suspends is a journey that somebody must come back to. Its state is kept for
	// a minute, like a reply.
	suspends bodyKind = 4
)

// over reports whether the journey has ended.
func (b *body) over() bool { return b.kind == decided || b.kind == failed }

// The encoding is: version byte, kind, step (uvarint), digest (16), expires
// (varint, nanoseconds of Unix time), replicas (a byte, whose highest bit says
// that answers are taken); then the digest of those (16), if it says so, and the
// state as the rest, or one byte that says whether a reply is kept, and the reply:
// flags, its texts, then what the flags say of details, the replaced session and
// cookies (JSON). A waiting journey that its client carries is of version 2:
// before the state stands its sum (16).
const (
	bodyVersion = 1
	bodyCarried = 2
	bodyTaken   = 1 << 7
)

var errBody = errors.New("not the body of a journey's record")

func (b *body) encode() []byte {
	version := byte(bodyVersion)
	if b.carried && b.kind == waits {
		version = bodyCarried
	}
	room := 60 + int(bit(b.carried))*len(b.sum) + len(b.state)
	if b.end != nil {
		room += 8 + len(b.end.url) + len(b.end.message) + len(b.end.token)
	}
	raw := make([]byte, 0, room)
	raw = append(raw, version, byte(b.kind))
	raw = binary.AppendUvarint(raw, uint64(b.step))
	raw = append(raw, b.digest[:]...)
	raw = binary.AppendVarint(raw, b.expires.UnixNano())
	if b.taken {
		raw = append(raw, byte(b.replicas)|bodyTaken) //nolint:gosec // one of few
		raw = append(raw, b.chosen[:]...)
	} else {
		raw = append(raw, byte(b.replicas)) //nolint:gosec // one of few
	}
	switch {
	case version == bodyCarried:
		return append(append(raw, b.sum[:]...), b.state...)
	case b.kind == waits, b.kind == suspends:
		return append(raw, b.state...)
	case b.end == nil:
		return append(raw, 0)
	}
	return b.end.append(append(raw, 1))
}

// kindOf is the kind of an encoded body, zero for none.
func kindOf(raw []byte) bodyKind {
	if len(raw) < 2 {
		return 0
	}
	return bodyKind(raw[1])
}

func decodeBody(raw []byte) (body, error) {
	r := texts{rest: raw}
	version := r.byte()
	if version != bodyVersion && version != bodyCarried {
		return body{}, errBody
	}
	b := body{kind: bodyKind(r.byte()), carried: version == bodyCarried}
	step := r.uvarint()
	b.step = uint32(step) //nolint:gosec // compared below
	r.bad = r.bad || uint64(b.step) != step
	copy(b.digest[:], r.take(uint64(len(b.digest))))
	b.expires = time.Unix(0, r.varint()).UTC()
	replicas := r.byte()
	b.replicas = int(replicas &^ bodyTaken)
	if b.taken = replicas&bodyTaken != 0; b.taken {
		copy(b.chosen[:], r.take(uint64(len(b.chosen))))
	}
	switch {
	case b.carried:
		r.bad = r.bad || b.kind != waits
		copy(b.sum[:], r.take(uint64(len(b.sum))))
		fallthrough
	case b.kind == waits, b.kind == suspends:
		b.state, r.rest = r.rest, nil
	case b.kind == decided, b.kind == failed:
		if r.byte() == 1 {
			b.end = r.ended()
		}
	default:
		return body{}, errBody
	}
	if r.bad || len(r.rest) > 0 {
		return body{}, errBody
	}
	return b, nil
}

const (
	endSuccess = 1 << iota
	endNoSession
	endLockout
	endDetails
	endReplaced
	endCookies
	endTransaction
)

func (e *ended) append(raw []byte) []byte {
	var flags byte
	for i, set := range [...]bool{e.success, e.noSession, e.lockout, e.details != nil, e.replaced != "", len(e.cookies) > 0, e.transaction} {
		if set {
			flags |= 1 << i
		}
	}
	raw = appendText(appendText(appendText(append(raw, flags), e.url), e.message), string(e.token))
	if e.details != nil {
		raw = binary.AppendUvarint(raw, uint64(len(e.details)))
		for _, name := range slices.Sorted(maps.Keys(e.details)) {
			raw = appendText(appendText(raw, name), e.details[name])
		}
	}
	if e.replaced != "" {
		raw = appendText(raw, string(e.replaced))
	}
	if len(e.cookies) > 0 {
		cookies, err := json.Marshal(e.cookies)
		if err != nil {
			panic(err) // texts, numbers and flags
		}
		raw = appendText(raw, string(cookies))
	}
	return raw
}

func appendText(raw []byte, s string) []byte {
	return append(binary.AppendUvarint(raw, uint64(len(s))), s...)
}

// texts takes values off an encoding. After a fault it gives zero values.
type texts struct {
	rest []byte
	bad  bool
}

func (r *texts) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *texts) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *texts) uvarint() uint64 {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

func (r *texts) varint() int64 {
	n, used := binary.Varint(r.rest)
	if used <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

func (r *texts) text() string { return string(r.take(r.uvarint())) }

func (r *texts) ended() *ended {
	flags := r.byte()
	e := &ended{
		success: flags&endSuccess != 0, noSession: flags&endNoSession != 0, lockout: flags&endLockout != 0, transaction: flags&endTransaction != 0,
		url: r.text(), message: r.text(), token: session.TokenID(r.text()),
	}
	if flags&endDetails != 0 {
		n := r.uvarint()
		e.details = map[string]string{}
		for i := uint64(0); i < n && !r.bad; i++ {
			name := r.text()
			e.details[name] = r.text()
		}
	}
	if flags&endReplaced != 0 {
		e.replaced = session.Handle(r.text())
	}
	if flags&endCookies != 0 {
		r.bad = json.Unmarshal([]byte(r.text()), &e.cookies) != nil || len(e.cookies) == 0 || r.bad
	}
	return e
}

// fat reports whether an encoded body has a state that it need not keep.
func fat(raw []byte) bool {
	if len(raw) == 0 || raw[0] != bodyCarried {
		return false
	}
	b, err := decodeBody(raw)
	return err == nil && len(b.state) > 0
}

// waiting decodes what a waiting journey is waiting in.
func (b *body) waiting() (journey.State, error) { return journey.Decode(b.state) }
