package session

import "time"

// Denial says that a session that its holder keeps, inside its token, is not
// valid any more. A denial says nothing of sessions that the token store keeps.
type Denial struct {
	ID ID
	// Until is when the session would have ended by itself: the denial is not
	// needed any more then, and is dropped within minutes.
	Until time.Time
}
