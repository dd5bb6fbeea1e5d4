package history

import "time"

// Step is one request of a journey and its answer.
//
// A journey asks a fixed number of questions, and each reply shows the answers
// that the journey took last. So a client that gives other answers each time
// sees at the next reply whether a step of its was lost or run twice.
type Step struct {
	// Journey numbers the journeys from 1. Requests to begin one that got no
	// answer share the number of the one that did.
	Journey int
	// Number says which question is answered, from 1 to Of; 0 begins the
	// journey. Of is how many questions the journey asks.
	Number, Of int
	// Gave is a fingerprint of the answers: the same when they are sent again,
	// another for others. 0 for a beginning.
	Gave    uint64
	Outcome Outcome
	// Reply is what an OK brought.
	Reply Reply
	// Watch marks the requests of a watcher, which sends acknowledged answers once
	// more, to one member alone whatever its state.
	Watch bool
	// Member is the index of the member that was asked.
	Member int
	// Start and End are on the clock of [Op].
	Start, End time.Duration
}

// Reply is what a client can tell from the answer to a step.
type Reply struct {
	Page Page
	// Shown is the fingerprint of the answers that the page shows, 0 for none;
	// that of the token when the journey ended in a session.
	Shown uint64
}

// Page is what a journey shows.
type Page uint8

// The last question is asked by a page of its own, so that a journey that counts
// a step twice asks it too early.
const (
	More Page = iota
	Last
	Session
)

func (p Page) String() string { return [...]string{"more", "last", "session"}[p] }

// due is the page that an answer to this question brings.
func (s Step) due() Page {
	switch s.Number {
	case s.Of:
		return Session
	case s.Of - 1:
		return Last
	}
	return More
}

// told reports whether a reply says what is true when these answers are the last
// that were taken.
func (s Step) told() bool {
	return s.Reply.Page == s.due() && (s.Reply.Page == Session || s.Reply.Shown == s.Gave)
}

// open reports whether it is not known if the request was carried out.
func (o Outcome) open() bool {
	return o == Unavailable || o == Cut || o == Timeout || o == Wrong
}
