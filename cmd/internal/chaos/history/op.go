package history

import "time"

// Kind is what a client asked for.
type Kind uint8

// Begin asks for a journey's first page and leaves no trace. Login is the
// request that makes a session: the last step of a journey, or the only one.
const (
	Begin Kind = iota
	Login
	Validate
	Logout
)

// Kinds lists all kinds, in order.
func Kinds() []Kind { return []Kind{Begin, Login, Validate, Logout} }

func (k Kind) String() string { return [...]string{"begin", "login", "validate", "logout"}[k] }

// Outcome is what the client learnt.
type Outcome uint8

// Of these, Unavailable, Cut, Timeout and Wrong leave open whether the request
// was carried out: a member that gives up waiting may have written before.
const (
	OK           Outcome = iota
	Gone                 // "there is no such session"
	Unauthorized         // 401 or 403
	Unavailable          // 503 with a time to come back
	Refused              // no connection was made: certainly not done
	Cut                  // the connection broke
	Timeout              // no answer within the client's time
	Wrong                // any other answer: 500, 503 without a time, not JSON
)

// Outcomes lists all outcomes, in order.
func Outcomes() []Outcome {
	return []Outcome{OK, Gone, Unauthorized, Unavailable, Refused, Cut, Timeout, Wrong}
}

func (o Outcome) String() string {
	return [...]string{"ok", "gone", "unauthorized", "unavailable", "refused", "cut", "timeout", "wrong"}[o]
}

// answered says that a member said something about the session.
func (o Outcome) answered() bool { return o == OK || o == Gone || o == Unauthorized }

// denied says that the client was turned away for good.
func (o Outcome) denied() bool { return o == Gone || o == Unauthorized }

// Op is one request and its answer.
type Op struct {
	Kind    Kind
	Outcome Outcome
	// Final marks the reads after the load, when all faults have healed. They
	// count for what is lost or undead, not for gaps and latencies.
	Final bool
	// Watch marks the reads of a watcher, which asks one member alone whatever
	// its state. They count as final ones do, and while the faults last.
	Watch bool
	// Member is the index of the member that was asked.
	Member int
	// Session numbers the sessions from 1. It belongs to a journey from its
	// last step on, so that attempts to send that step again share it. 0 for
	// Begin.
	Session int
	// Token is a fingerprint of the token that a Login was given; 0 for none.
	Token uint64
	// Start and End are on one monotonic clock, from before sending to after
	// the whole answer.
	Start, End time.Duration
}
