package peer

import (
	"encoding/binary"
	"fmt"
	"time"

	"sojourn/cts/command"
	"sojourn/cts/internal/octets"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// AppendAnswer writes an answer.
func AppendAnswer(b []byte, a Answer) ([]byte, error) {
	b = append(b, version, a.answerKind())
	switch a := a.(type) {
	case Result:
		switch {
		case a.Token != nil:
			return appendToken(b, a)
		case len(a.Ended) > 0:
			return appendEnded(b, a)
		default:
			return appendResult(b, a)
		}
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
		b = octets.AppendBool(b, a.Unknown)
		b = appendDuration(b, a.RetryAfter)
		return octets.AppendText(b, a.Text), nil
	default:
		panic(fmt.Sprintf("peer: answer of type %T", a))
	}
}

// DecodeAnswer reads an answer. It keeps no reference to data.
func DecodeAnswer(data []byte) (Answer, error) {
	r, kind := open(data)
	answer := r.answer(kind)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("answer %d: %w", kind, err)
	}
	return answer, nil
}

func (r *reader) answer(kind byte) Answer {
	switch kind {
	case kindResult:
		return r.result()
	case kindEnded:
		return r.ended()
	case kindTokenIs:
		return r.tokenResult()
	case kindTermIs:
		return TermIs{Term: r.Uint64(), Config: r.Uint64(), Quiet: r.duration()}
	case kindLease:
		return Lease{Term: r.Uint64(), Need: r.Uint64()}
	case kindDone:
		return Done{}
	case kindCondition:
		return r.condition()
	case kindFailure:
		return &Failure{Code: Code(r.Byte()), Unknown: r.Bool(), RetryAfter: r.duration(), Text: r.Text()}
	default:
		r.Fail("unknown kind")
		return nil
	}
}

// Durations are nanoseconds and never negative.
func appendDuration(b []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(max(d, 0))) //nolint:gosec // not negative
}

func (r *reader) duration() time.Duration {
	n := r.Uint64()
	if n > 1<<63-1 {
		r.Fail("a negative duration")
		return 0
	}
	return time.Duration(n)
}

// appendResult writes index (8), existed (1), found, and of session, document
// and identity whether there is one (1) and the command that stores it.
func appendResult(b []byte, a Result) ([]byte, error) {
	b = binary.BigEndian.AppendUint64(b, a.Index)
	b = octets.AppendBool(b, a.Existed)
	b = binary.AppendUvarint(b, uint64(len(a.Found)))
	for _, found := range a.Found {
		b = octets.AppendBool(b, found)
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
		b = octets.AppendBool(b, c != nil)
		if c == nil {
			continue
		}
		text, err := command.Append(nil, c)
		if err != nil {
			return b, err
		}
		b = octets.AppendText(b, text)
	}
	return b, nil
}

func (r *reader) result() Result {
	a := Result{Index: r.Uint64(), Existed: r.Bool()}
	for range r.Count(command.MaxDelete, 1) {
		a.Found = append(a.Found, r.Bool())
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

// appendEnded writes the sessions that have ended, each as the command that
// stores it, and then the rest of the Result.
func appendEnded(b []byte, a Result) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(a.Ended)))
	for _, x := range a.Ended {
		text, err := command.Append(nil, command.PutSession{Session: x})
		if err != nil {
			return b, err
		}
		b = octets.AppendText(b, text)
	}
	return appendResult(b, a)
}

func (r *reader) ended() Result {
	var ended []session.Session
	for range r.Count(command.MaxDelete, 3) {
		one := on(r.Bytes())
		ended = append(ended, as[command.PutSession](&one).Session)
		if one.Err() != nil {
			r.Fail("%v", one.Err())
		}
	}
	if len(ended) == 0 {
		r.Fail("no sessions that have ended")
	}
	a := r.result()
	a.Ended = ended
	return a
}

// appendToken writes won (1), kind (1), id, seq (8), index (8), end (8) and body
// of the token in a Result.
func appendToken(b []byte, a Result) ([]byte, error) {
	t := a.Token
	b = octets.AppendBool(b, a.Won)
	b = append(b, byte(t.Kind))
	b = append(b, t.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, t.Seq)
	b = binary.BigEndian.AppendUint64(b, t.Index)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Expires.UnixNano())) //nolint:gosec // two's complement, read back the same way
	return octets.AppendText(b, t.Body), nil
}

func (r *reader) tokenResult() Result {
	a := Result{Won: r.Bool()}
	t := token.Token{Kind: token.Kind(r.Byte()), ID: r.ID(), Seq: r.Uint64(), Index: r.Uint64()}
	t.Expires = time.Unix(0, int64(r.Uint64())).UTC() //nolint:gosec // as it was written
	if body := r.Bytes(); len(body) > 0 {
		t.Body = append(t.Body, body...)
	}
	a.Token = &t
	return a
}

func part[T command.Command](r *reader) (c T, ok bool) {
	if !r.Bool() {
		return c, false
	}
	one := on(r.Bytes())
	c = as[T](&one)
	if one.Err() != nil {
		r.Fail("%v", one.Err())
	}
	return c, r.Err() == nil
}

func appendCondition(b []byte, a Condition) []byte {
	b = octets.AppendText(b, a.Store)
	b = octets.AppendText(b, a.Name)
	b = binary.BigEndian.AppendUint64(b, a.Term)
	b = octets.AppendText(b, a.Leader)
	b = binary.BigEndian.AppendUint64(b, a.Applied)
	b = appendDuration(b, a.Lease)
	return appendTexts(b, a.Sees)
}

func (r *reader) condition() Condition {
	return Condition{
		Store: r.Text(), Name: r.Text(), Term: r.Uint64(), Leader: r.Text(), Applied: r.Uint64(), Lease: r.duration(),
		Sees: r.texts(),
	}
}
