package peer

import (
	"encoding/binary"
	"fmt"

	"sojourn/cts/command"
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
		return appendText(b, r.From), nil
	case Barrier:
		b = binary.BigEndian.AppendUint64(b, r.Applied)
		b = binary.AppendUvarint(b, uint64(len(r.Tombstones)))
		for _, t := range r.Tombstones {
			b = append(b, t.ID[:]...)
			b = binary.BigEndian.AppendUint64(b, t.Index)
		}
		return b, nil
	case Promise:
		b = appendText(b, r.Candidate)
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
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("request %d: %w", kind, err)
	}
	return request, nil
}

func (r *reader) request(kind byte) Request {
	switch kind {
	case kindWrite:
		return Write{Operation: r.operation()}
	case kindTerm:
		return Term{Term: r.uint64(), Life: r.duration()}
	case kindRenew:
		return Renew{Applied: r.uint64(), Life: r.duration(), From: r.text()}
	case kindBarrier:
		barrier := Barrier{Applied: r.uint64()}
		for range r.count(MaxTombstones, 24) {
			barrier.Tombstones = append(barrier.Tombstones, Tombstone{ID: r.id(), Index: r.uint64()})
		}
		return barrier
	case kindPromise:
		return Promise{Candidate: r.text(), Expect: r.uint64(), Have: r.texts()}
	case kindStatus:
		return Status{}
	default:
		r.fail("unknown kind")
		return nil
	}
}

// command reads what is left as one command.
func (r *reader) command() command.Command {
	if r.err != nil {
		return nil
	}
	c, err := command.Decode(r.end())
	if err != nil {
		r.fail("%v", err)
	}
	return c
}

// as reads what is left as a command of one type.
func as[T command.Command](r *reader) (t T) {
	c := r.command()
	t, ok := c.(T)
	if !ok {
		r.fail("a command of type %T", c)
	}
	return t
}
