// Package envelope is what members say to each other about journeys, as bytes.
//
// A member that a client's request reached sends it on to the member that is to
// act, and gets an Answer back; members that hold replicas of a journey agree on
// its records by Promise and Accept. The
// formats are written down in actors/DESIGN.md. They hold passwords, answers
// and tokens: nothing here prints its content, and no error quotes it.
//
// The package is pure.
package envelope

import (
	"errors"
	"fmt"
	"log/slog"

	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// Version is the first byte of a message, and Version3 that of one whose
// reference says more than members of protocol 2 know: where the journey waits,
// what its client carries, its allowlisting. A member refuses a message of a
// version that it does not know with an Answer of its own.
const (
	Version  = 1
	Version3 = 3
)

// MaxSize bounds a message, in bytes. A client's request is far smaller
// (http/rest bounds its body), and so is what a tree asks.
const MaxSize = 4 << 20

// Message is what one member asks of another: a *Start, *Resume, *Advance,
// *Promise or *Accept.
type Message interface{ message() }

// Start begins a journey that must be kept. The receiver runs the tree's start
// itself: nothing of the sender's attempt has left it.
type Start struct {
	// ID is the journey's. The same Start twice is one journey.
	ID journey.ID
	// Request is without Username and Password: the first callbacks are filled
	// where the client's request arrived.
	Request journey.StartRequest
}

// Resume answers the current step of a journey. It is what members of protocol
// 1 say and understand.
type Resume struct {
	// Digest recognises the same answers when they come again.
	Digest [16]byte
	// Find asks only a member that has the journey: one that has no record of
	// it must not replay its start.
	Find    bool
	Request journey.ResumeRequest
}

// Answer is what came of a Message. That of a Start, Resume or Advance is a
// Reply, or an error of package journey's list, of callback or identity, a
// *session.UnavailableError, ErrNotHere, a *FencedError, ErrCutOff or a
// *RefusedError; any other error keeps its text alone. A Promise that was not
// refused has Promised, an Accept Accepted, a Survey Surveyed.
type Answer struct {
	Reply journey.Reply
	Err   error
	// Record, when not nil, is not committed without the receiver: the reply
	// is good if the receiver accepts it.
	Record []byte

	Promised *Promised
	Accepted []Accepted
	Surveyed *Surveyed
}

func (*Start) message()  {}
func (*Resume) message() {}

const redacted = "[redacted]"

func (s *Start) String() string   { return fmt.Sprintf("start of journey %s %s", s.ID, redacted) }
func (s *Start) GoString() string { return s.String() }
func (r *Resume) String() string {
	return fmt.Sprintf("answers for journey %s %s", r.Request.Ref.Journey, redacted)
}
func (r *Resume) GoString() string { return r.String() }
func (Answer) String() string      { return redacted }
func (Answer) GoString() string    { return redacted }

// LogValue redacts.
func (s *Start) LogValue() slog.Value { return slog.StringValue(s.String()) }

// LogValue redacts.
func (r *Resume) LogValue() slog.Value { return slog.StringValue(r.String()) }

// LogValue redacts.
func (Answer) LogValue() slog.Value { return slog.StringValue(redacted) }

// ErrMalformed says that bytes are not a message of this version.
var ErrMalformed = errors.New("not a message about a journey")

// ErrSize says that a message is larger than MaxSize or holds values nested
// deeper than maxDepth.
var ErrSize = errors.New("a message about a journey is too large")

// VersionError says that a message is of a version that this member does not
// speak.
type VersionError struct{ Version byte }

func (e *VersionError) Error() string {
	return fmt.Sprintf("a message of version %d, not %d", e.Version, Version)
}

// The second byte of a message.
const (
	kindStart    = 1
	kindResume   = 2
	kindReply    = 3
	kindError    = 4
	kindAdvance  = 5
	kindPromise  = 6
	kindAccept   = 7
	kindPromised = 8
	kindAccepted = 9
	kindSurvey   = 10
	kindSurveyed = 11
	kindCarried  = 12
)

// Encode writes a message.
func Encode(m Message) ([]byte, error) {
	w := newWriter()
	switch m := m.(type) {
	case *Start:
		if w.more = m.Request.Transaction != nil; w.more {
			w.b[0] = Version3
		}
		w.byte(kindStart)
		w.raw(m.ID[:])
		w.start(&m.Request)
	case *Resume:
		w.says(&m.Request.Ref, nil)
		w.byte(kindResume)
		w.raw(m.Digest[:])
		w.bool(m.Find)
		w.resume(&m.Request)
	case *Advance:
		w.says(&m.Request.Ref, nil)
		w.byte(kindAdvance)
		w.raw(m.Digest[:])
		w.text(string(m.Asker))
		w.resume(&m.Request)
	case *Promise:
		w.byte(kindPromise)
		w.promise(m)
	case *Accept:
		w.byte(kindAccept)
		w.accept(m)
	case *Survey:
		w.byte(kindSurvey)
		w.text(string(m.Leaving))
	}
	return w.done()
}

// Decode reads what Encode wrote. Its errors are ErrMalformed, ErrSize and
// *VersionError. The records of an Accept are copies.
func Decode(raw []byte) (Message, error) {
	r, kind, err := open(raw)
	if err != nil {
		return nil, err
	}
	var m Message
	switch kind {
	case kindStart:
		s := &Start{}
		r.fill(s.ID[:])
		s.Request = r.start()
		m = s
	case kindResume:
		s := &Resume{}
		r.fill(s.Digest[:])
		s.Find = r.bool()
		s.Request = r.resume()
		m = s
	case kindAdvance:
		s := &Advance{}
		r.fill(s.Digest[:])
		s.Asker = placement.MemberID(r.text())
		s.Request = r.resume()
		m = s
	case kindPromise:
		m = r.promise()
	case kindAccept:
		m = r.accept()
	case kindSurvey:
		m = r.survey()
	default:
		return nil, ErrMalformed
	}
	if err := r.done(); err != nil {
		return nil, err
	}
	return m, nil
}

// Encode writes an answer. One that is too large is an error to its receiver
// too: there is always something to send.
func (a Answer) Encode() []byte {
	w := newWriter()
	switch {
	case a.Err != nil:
		w.byte(kindError)
		w.error(a.Err)
	case a.Promised != nil:
		w.byte(kindPromised)
		w.promised(a.Promised)
	case a.Accepted != nil:
		w.byte(kindAccepted)
		w.accepted(a.Accepted)
	case a.Surveyed != nil:
		w.byte(kindSurveyed)
		w.surveyed(a.Surveyed)
	case a.Record != nil:
		w.says(&a.Reply.Ref, &a.Reply)
		w.byte(kindCarried)
		w.blob(a.Record)
		w.reply(&a.Reply)
	default:
		w.says(&a.Reply.Ref, &a.Reply)
		w.byte(kindReply)
		w.reply(&a.Reply)
	}
	raw, err := w.done()
	if err != nil && a.Err == nil {
		return Answer{Err: err}.Encode()
	}
	return raw
}

// DecodeAnswer reads what Answer.Encode wrote. Its errors are those of Decode.
func DecodeAnswer(raw []byte) (Answer, error) {
	r, kind, err := open(raw)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	switch kind {
	case kindReply:
		a.Reply = r.reply()
	case kindCarried:
		if a.Record = r.blob(); a.Record == nil {
			r.fail()
		}
		a.Reply = r.reply()
	case kindError:
		a.Err = r.error()
	case kindPromised:
		a.Promised = r.promised()
	case kindAccepted:
		a.Accepted = r.accepted()
	case kindSurveyed:
		a.Surveyed = r.surveyed()
	default:
		return Answer{}, ErrMalformed
	}
	if err := r.done(); err != nil {
		return Answer{}, err
	}
	return a, nil
}

func open(raw []byte) (*reader, byte, error) {
	switch {
	case len(raw) > MaxSize:
		return nil, 0, ErrSize
	case len(raw) > 0 && raw[0] != Version && raw[0] != Version3:
		return nil, 0, &VersionError{raw[0]}
	case len(raw) < 2:
		return nil, 0, ErrMalformed
	}
	return &reader{rest: raw[2:], more: raw[0] == Version3}, raw[1], nil
}
