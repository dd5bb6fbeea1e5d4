package wire

import "time"

// The kinds of SessionChange, as their event's name in a stream. ChangeOpen is no
// event: it is how a client says that the stream is open.
const (
	ChangeOpen    = "open"
	ChangeEnded   = "ended"
	ChangeChanged = "changed"
	// ChangeMissed says that there were others that are not known: who needs to
	// know has to ask for the sessions anew.
	ChangeMissed = "missed"
	// ChangeOver says that the stream ends, and Reason why.
	ChangeOver = "over"
)

// SessionChange is one event of a stream of notifications. It says of which
// session by what opens nothing: handle and audit id.
type SessionChange struct {
	// Kind is the event's name and Place its id, by which a stream is resumed.
	// Neither stands in the data.
	Kind  string `json:"-"`
	Place string `json:"-"`
	// Reason is why a session ended, by AM's name (LOGOUT, ...), or why the
	// stream is over.
	Reason string `json:"reason,omitempty"`
	// Handle is known of every session, the rest not of one that its holder kept.
	Handle      string `json:"sessionHandle,omitempty"`
	TrackingID  string `json:"trackingId,omitempty"`
	Realm       string `json:"realm,omitempty"`
	Username    string `json:"username,omitempty"`
	UniversalID string `json:"universalId,omitempty"`
	// Properties are the names of those that have changed.
	Properties []string   `json:"properties,omitempty"`
	Time       *time.Time `json:"timestamp,omitempty"`
}

// AppendSessionChange appends c as an event of a text/event-stream.
func AppendSessionChange(b []byte, c SessionChange) ([]byte, error) {
	data, err := Marshal(c)
	if err != nil {
		return b, err
	}
	b = append(append(b, "event: "...), c.Kind...)
	if c.Place != "" {
		b = append(append(b, "\nid: "...), c.Place...)
	}
	b = append(append(b, "\ndata: "...), data...) // JSON has no line breaks
	return append(b, "\n\n"...), nil
}
