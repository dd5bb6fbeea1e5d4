package session

import "time"

// EventKind says what became of a session.
type EventKind byte

// Kinds of events.
const (
	EventCreated EventKind = iota + 1 // it is there now
	EventEnded                        // it is not there any more; Reason says why
	EventChanged                      // its properties are others
)

// String is the kind's name in logs.
func (k EventKind) String() string {
	switch k {
	case EventCreated:
		return "created"
	case EventEnded:
		return "ended"
	case EventChanged:
		return "changed"
	}
	return ""
}

// Event is a change of a session as a member of the cluster learns of it. Every
// member learns of every change once while it runs, in the same order; one that
// was away or starts anew may miss some and may learn of some again.
type Event struct {
	Kind EventKind
	// Session as it was left: without its exact latest access. Of a session that
	// was kept by its holder and is denied, only the ID is known, and ClientSide set.
	Session Session
	// Reason is zero unless Kind is EventEnded.
	Reason Reason
	// Changed names the properties that are others, in order, when Kind is
	// EventChanged.
	Changed []string
	// Index is the index in the replicated log of what made the change. All
	// members know a change by the same index, and those of one index in the same
	// order.
	Index uint64
	// At is when that was decided, by the clock of the member that did; of changed
	// properties, when the member that is told learned of it.
	At time.Time
	// Local says that the member that is told leads, so that of all members it is
	// the one that acts for the cluster, such as by sending webhooks. When the
	// leader has just changed, no member or two may be told so.
	Local bool
}
