// Package feed hands the changes of sessions, as a member learns of them, to those
// who listen there.
//
// Changes stand in a ring of bounded length that all listeners share; a listener
// is a place in it. So telling costs the same whoever listens, no listener holds
// up another, and one that is so slow that the ring has turned is told that it has
// missed something. Since all members learn of the same changes in the same order,
// a place at one of them is a place at any other.
package feed

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"sojourn/cts/session"
)

// Place is where a change stands among all: by its index in the replicated log,
// and among those of the same index.
type Place struct {
	Index uint64
	Nth   uint32
}

func (p Place) before(o Place) bool { return p.Index < o.Index || p.Index == o.Index && p.Nth < o.Nth }

// String writes a place as ParsePlace reads it: "1042.0".
func (p Place) String() string { return fmt.Sprintf("%d.%d", p.Index, p.Nth) }

// ParsePlace reads a place; ok is false for what is none.
func ParsePlace(text string) (p Place, ok bool) {
	index, nth, found := strings.Cut(text, ".")
	a, err := strconv.ParseUint(index, 10, 64)
	b, err2 := strconv.ParseUint(nth, 10, 32)
	p = Place{a, uint32(b)}
	return p, found && err == nil && err2 == nil && p.String() == text
}

// Change is an event with its place.
type Change struct {
	session.Event
	Place Place
}

// What ends or interrupts listening.
var (
	// ErrMissed says that there were changes that the listener cannot have any
	// more. It may go on listening from now.
	ErrMissed = errors.New("changes of sessions were missed")
	// ErrClosed says that the member stops.
	ErrClosed = errors.New("the feed is closed")
)

// Feed is safe for concurrent use.
type Feed struct {
	kept int // the ring's length, made when the first change comes

	mu     sync.Mutex
	ring   []Change
	count  uint64 // of all changes; change n stands at n modulo the ring's length
	floor  uint64 // changes before this one are not known, whatever the ring has
	closed bool
	more   chan struct{} // closed at the next change; nil while nobody waits for it
}

// New returns a feed that keeps so many changes, at least one.
func New(kept int) *Feed {
	return &Feed{kept: max(kept, 1)}
}

// Publish tells all listeners of a change. It does not block. Changes come in the
// order of their indexes.
func (f *Feed) Publish(e session.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if f.ring == nil {
		f.ring = make([]Change, f.kept)
	}
	at := Place{Index: e.Index}
	if f.count > f.floor {
		if last := f.at(f.count - 1).Place; last.Index == e.Index {
			at.Nth = last.Nth + 1
		}
	}
	*f.at(f.count) = Change{e, at}
	f.count++
	f.wake()
}

// wake lets all who wait look again.
func (f *Feed) wake() {
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

// Missed says that there were changes that nobody was told of: this member was
// given the state of another as a whole.
func (f *Feed) Missed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.count++ // which no listener can have
	f.floor = f.count
	f.wake()
}

// at is the place in the ring of change n.
func (f *Feed) at(n uint64) *Change { return &f.ring[n%uint64(f.kept)] } //nolint:gosec // at least one

// oldest is the number of the first change that is still in the ring.
func (f *Feed) oldest() uint64 { return max(f.count-min(f.count, uint64(f.kept)), f.floor) } //nolint:gosec // as above

// Close ends all listening.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.wake()
}

// Listener is a place in a feed. It is used by one goroutine.
type Listener struct {
	feed *Feed
	next uint64 // the number of the change that comes next
	// Who resumes knows the changes up to a place already.
	resumed bool
	after   Place
}

// Listen begins with the next change.
func (f *Feed) Listen() *Listener {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Listener{feed: f, next: f.count}
}

// Resume begins with the change after a place. Its error is ErrMissed when it is
// not known whether there were others in between, also because the place is ahead
// of all that is known here: it may be of a log that is no more, and nothing up to
// it would ever be told. The listener then begins with the next change.
func (f *Feed) Resume(after Place) (*Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &Listener{feed: f, next: f.oldest(), resumed: true, after: after}
	if l.next == f.count || after.before(f.at(l.next).Place) || f.at(f.count-1).Place.Index < after.Index {
		l.next, l.resumed = f.count, false
		return l, ErrMissed
	}
	for l.next < f.count && !after.before(f.at(l.next).Place) {
		l.next++
	}
	return l, nil
}

// Next waits for the next change. After ErrMissed the listener goes on with the
// oldest change that is kept; ErrClosed and the error of ctx are the last.
func (l *Listener) Next(ctx context.Context) (Change, error) {
	for {
		c, more, err := l.take()
		switch {
		case err != nil:
			return Change{}, err
		case more == nil && l.resumed && !l.after.before(c.Place):
			continue
		case more == nil:
			return c, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Change{}, context.Cause(ctx)
		}
	}
}

// take returns the next change, or what is closed when there is one.
func (l *Listener) take() (Change, <-chan struct{}, error) {
	f := l.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if oldest := f.oldest(); l.next < oldest {
		l.next = oldest
		return Change{}, nil, ErrMissed
	}
	switch {
	case l.next < f.count:
		c := *f.at(l.next)
		l.next++
		return c, nil, nil
	case f.closed:
		return Change{}, nil, ErrClosed
	}
	if f.more == nil {
		f.more = make(chan struct{})
	}
	return Change{}, f.more, nil
}
