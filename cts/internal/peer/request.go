package peer

import (
	"encoding/binary"
	"fmt"

	"sojourn/cts/command"
	"sojourn/cts/internal/octets"
	"sojourn/cts/session"
)

// AppendRequest writes a request. It fails with command.ErrTooLarge when an
// operation carries more than the store takes.
func AppendRequest(b []byte, r Request) ([]byte, error) {
	b = append(b, version, r.requestKind())
	switch r := r.(type) {
	case Write:
		return appendOperation(b, r.Operation)
	case Term:
		b = binary.BigEndian.AppendUint64(b, r.Term)
		return appendDuration(b, r.Life), nil
	case Renew:
		b = binary.BigEndian.AppendUint64(b, r.Applied)
		b = appendDuration(b, r.Life)
		return octets.AppendText(b, r.From), nil
	case Barrier:
		b = binary.BigEndian.AppendUint64(b, r.Applied)
		b = binary.AppendUvarint(b, uint64(len(r.Tombstones)))
		for _, t := range r.Tombstones {
			b = append(b, t.ID[:]...)
			b = binary.BigEndian.AppendUint64(b, t.Index)
		}
		return b, nil
	case Promise:
		b = octets.AppendText(b, r.Candidate)
		b = binary.BigEndian.AppendUint64(b, r.Expect)
		return appendTexts(b, r.Have), nil
	case Status:
		return b, nil
	default:
		panic(fmt.Sprintf("peer: request of type %T", r))
	}
}

// DecodeRequest reads a request. It keeps no reference to data.
func DecodeRequest(data []byte) (Request, error) {
	r, kind := open(data)
	request := r.request(kind)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("request %d: %w", kind, err)
	}
	return request, nil
}

func (r *reader) request(kind byte) Request {
	switch kind {
	case kindWrite:
		return Write{Operation: r.operation()}
	case kindTerm:
		return Term{Term: r.Uint64(), Life: r.duration()}
	case kindRenew:
		return Renew{Applied: r.Uint64(), Life: r.duration(), From: r.Text()}
	case kindBarrier:
		barrier := Barrier{Applied: r.Uint64()}
		for range r.Count(MaxTombstones, 24) {
			barrier.Tombstones = append(barrier.Tombstones, Tombstone{ID: session.ID(r.ID()), Index: r.Uint64()})
		}
		return barrier
	case kindPromise:
		return Promise{Candidate: r.Text(), Expect: r.Uint64(), Have: r.texts()}
	case kindStatus:
		return Status{}
	default:
		r.Fail("unknown kind")
		return nil
	}
}

// command reads what is left as one command.
func (r *reader) command() command.Command {
	if r.Err() != nil {
		return nil
	}
	c, err := command.Decode(r.End())
	if err != nil {
		r.Fail("%v", err)
	}
	return c
}

// as reads what is left as a command of one type.
func as[T command.Command](r *reader) (t T) {
	c := r.command()
	t, ok := c.(T)
	if !ok {
		r.Fail("a command of type %T", c)
	}
	return t
}
