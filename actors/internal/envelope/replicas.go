package envelope

import (
	"fmt"
	"log/slog"

	"sojourn/actors/internal/register"
	"sojourn/actors/journey"
	"sojourn/cluster/placement"
)

// The messages below are between members that hold replicas of journeys, which
// speak protocol 2. The records in them are as register.AppendRecord wrote them.

// Advance answers the current step of a journey. The receiver leads the
// journey, or takes it over: whoever is asked acts.
type Advance struct {
	// Digest recognises the same answers when they come again.
	Digest [16]byte
	// Asker is the sender, if it may be given the record to accept with the
	// reply; empty if not.
	Asker   placement.MemberID
	Request journey.ResumeRequest
}

// Promise asks the receiver to accept no record of an epoch before this one.
type Promise struct {
	ID    journey.ID
	Epoch register.Epoch
	// Expires is when the journey ends, in seconds of Unix time: what was
	// promised need not be remembered for much longer.
	Expires int64
}

// Accept asks the receiver to keep records, each as if it came alone.
type Accept struct{ Copies []Copy }

// Copy is one journey's record.
type Copy struct {
	ID     journey.ID
	Record []byte
}

// Promised answers a Promise.
type Promised struct {
	// OK says that it was promised. Epoch is the newest promise, this one or
	// the one in its way.
	OK    bool
	Epoch register.Epoch
	// Over says that the journey is over for good, whatever others know.
	Over bool
	// Record is what the receiver keeps, nil for nothing.
	Record []byte
}

// Accepted answers one Copy of an Accept, in its place.
type Accepted struct {
	OK bool
	// Epoch, when not OK, is the promise in the way.
	Epoch register.Epoch
	// Over says that the journey is over for good.
	Over bool
	// Full says that the receiver keeps as many journeys as it may, and this is
	// not one of them.
	Full bool
}

func (*Advance) message() {}
func (*Promise) message() {}
func (*Accept) message()  {}

func (a *Advance) String() string {
	return fmt.Sprintf("answers for journey %s %s", a.Request.Ref.Journey, redacted)
}
func (a *Advance) GoString() string { return a.String() }
func (a *Accept) String() string {
	return fmt.Sprintf("records of %d journeys %s", len(a.Copies), redacted)
}
func (a *Accept) GoString() string { return a.String() }

// LogValue redacts.
func (a *Advance) LogValue() slog.Value { return slog.StringValue(a.String()) }

// LogValue redacts.
func (a *Accept) LogValue() slog.Value { return slog.StringValue(a.String()) }

// maxCopies bounds the records of one Accept.
const maxCopies = 1 << 14

func (w *writer) promise(p *Promise) {
	w.raw(p.ID[:])
	w.b = register.AppendEpoch(w.b, p.Epoch)
	w.varint(p.Expires)
}

func (r *reader) promise() *Promise {
	p := &Promise{}
	r.fill(p.ID[:])
	p.Epoch, p.Expires = r.epoch(), r.varint()
	return p
}

func (w *writer) accept(a *Accept) {
	w.uvarint(uint64(len(a.Copies)))
	for i := range a.Copies {
		w.raw(a.Copies[i].ID[:])
		w.blob(a.Copies[i].Record)
	}
}

func (r *reader) accept() *Accept {
	n := r.uvarint()
	if n > maxCopies || n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	a := &Accept{Copies: make([]Copy, 0, room(int(n)))} //nolint:gosec // bounded by the lines above
	for range n {
		var c Copy
		r.fill(c.ID[:])
		c.Record = r.blob()
		if r.bad {
			break
		}
		a.Copies = append(a.Copies, c)
	}
	return a
}

const (
	flagOK = 1 << iota
	flagOver
	flagFull
)

func flags(list ...bool) (b byte) {
	for i, set := range list {
		if set {
			b |= 1 << i
		}
	}
	return b
}

func (w *writer) promised(p *Promised) {
	w.byte(flags(p.OK, p.Over))
	w.b = register.AppendEpoch(w.b, p.Epoch)
	w.blob(p.Record)
}

func (r *reader) promised() *Promised {
	b := r.byte()
	if b > flagOK|flagOver {
		r.fail()
	}
	return &Promised{OK: b&flagOK != 0, Over: b&flagOver != 0, Epoch: r.epoch(), Record: r.blob()}
}

func (w *writer) accepted(list []Accepted) {
	w.uvarint(uint64(len(list)))
	for _, a := range list {
		w.byte(flags(a.OK, a.Over, a.Full))
		if !a.OK {
			w.b = register.AppendEpoch(w.b, a.Epoch)
		}
	}
}

func (r *reader) accepted() []Accepted {
	n := r.uvarint()
	if n > maxCopies || n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	list := make([]Accepted, 0, n)
	for range n {
		b := r.byte()
		if b > flagOK|flagOver|flagFull {
			r.fail()
		}
		a := Accepted{OK: b&flagOK != 0, Over: b&flagOver != 0, Full: b&flagFull != 0}
		if !a.OK {
			a.Epoch = r.epoch()
		}
		if r.bad {
			break
		}
		list = append(list, a)
	}
	return list
}

func (r *reader) epoch() register.Epoch {
	e, rest, err := register.ParseEpoch(r.rest)
	if r.rest = rest; err != nil {
		r.fail()
	}
	return e
}
