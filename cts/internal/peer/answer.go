package peer

import (
	"encoding/binary"
	"fmt"
	"time"

	"sojourn/cts/command"
)

// AppendAnswer writes an answer.
func AppendAnswer(b []byte, a Answer) ([]byte, error) {
	b = append(b, version, a.answerKind())
	switch a := a.(type) {
	case Result:
		return appendResult(b, a)
	case TermIs:
		b = binary.BigEndian.AppendUint64(b, a.Term)
		b = binary.BigEndian.AppendUint64(b, a.Config)
		return appendDuration(b, a.Quiet), nil
	case Lease:
		b = binary.BigEndian.AppendUint64(b, a.Term)
		return binary.BigEndian.AppendUint64(b, a.Need), nil
	case Done:
		return b, nil
	case Condition:
		return appendCondition(b, a), nil
	case *Failure:
		b = append(b, byte(a.Code))
		b = appendBool(b, a.Unknown)
		b = appendDuration(b, a.RetryAfter)
		return appendText(b, a.Text), nil
	default:
		panic(fmt.Sprintf("peer: answer of type %T", a))
	}
}

// DecodeAnswer reads an answer. It keeps no reference to data.
func DecodeAnswer(data []byte) (Answer, error) {
	r, kind := open(data)
	answer := r.answer(kind)
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("answer %d: %w", kind, err)
	}
	return answer, nil
}

func (r *reader) answer(kind byte) Answer {
	switch kind {
	case kindResult:
		return r.result()
	case kindTermIs:
		return TermIs{Term: r.uint64(), Config: r.uint64(), Quiet: r.duration()}
	case kindLease:
		return Lease{Term: r.uint64(), Need: r.uint64()}
	case kindDone:
		return Done{}
	case kindCondition:
		return r.condition()
	case kindFailure:
		return &Failure{Code: Code(r.byte()), Unknown: r.bool(), RetryAfter: r.duration(), Text: r.text()}
	default:
		r.fail("unknown kind")
		return nil
	}
}

// Durations are nanoseconds and never negative.
func appendDuration(b []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(max(d, 0))) //nolint:gosec // not negative
}

func (r *reader) duration() time.Duration {
	n := r.uint64()
	if n > 1<<63-1 {
		r.fail("a negative duration")
		return 0
	}
	return time.Duration(n)
}

// appendResult writes index (8), existed (1), found, and of session, document
// and identity whether there is one (1) and the command that stores it.
func appendResult(b []byte, a Result) ([]byte, error) {
	b = binary.BigEndian.AppendUint64(b, a.Index)
	b = appendBool(b, a.Existed)
	b = binary.AppendUvarint(b, uint64(len(a.Found)))
	for _, found := range a.Found {
		b = appendBool(b, found)
	}
	var parts [3]command.Command
	if a.Session != nil {
		parts[0] = command.PutSession{Session: *a.Session}
	}
	if a.Document != nil {
		parts[1] = command.PutDocument{Document: *a.Document}
	}
	if a.Identity != nil {
		parts[2] = command.PutIdentity{Identity: *a.Identity}
	}
	for _, c := range parts {
		b = appendBool(b, c != nil)
		if c == nil {
			continue
		}
		text, err := command.Append(nil, c)
		if err != nil {
			return b, err
		}
		b = appendText(b, text)
	}
	return b, nil
}

func (r *reader) result() Result {
	a := Result{Index: r.uint64(), Existed: r.bool()}
	for range r.count(command.MaxDelete, 1) {
		a.Found = append(a.Found, r.bool())
	}
	if c, ok := part[command.PutSession](r); ok {
		a.Session = &c.Session
	}
	if c, ok := part[command.PutDocument](r); ok {
		a.Document = &c.Document
	}
	if c, ok := part[command.PutIdentity](r); ok {
		a.Identity = &c.Identity
	}
	return a
}

func part[T command.Command](r *reader) (c T, ok bool) {
	if !r.bool() {
		return c, false
	}
	one := reader{rest: r.bytes()}
	c = as[T](&one)
	if one.err != nil {
		r.fail("%v", one.err)
	}
	return c, r.err == nil
}

func appendCondition(b []byte, a Condition) []byte {
	b = appendText(b, a.Store)
	b = appendText(b, a.Name)
	b = binary.BigEndian.AppendUint64(b, a.Term)
	b = appendText(b, a.Leader)
	b = binary.BigEndian.AppendUint64(b, a.Applied)
	b = appendDuration(b, a.Lease)
	return appendTexts(b, a.Sees)
}

func (r *reader) condition() Condition {
	return Condition{
		Store: r.text(), Name: r.text(), Term: r.uint64(), Leader: r.text(), Applied: r.uint64(), Lease: r.duration(),
		Sees: r.texts(),
	}
}
