package runs

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"sojourn/cluster/placement"
)

// maxSet bounds a founding's set: replicas are at most five.
const maxSet = 16

// FoundingGrace is how much longer than its journey a founding is kept: clocks
// differ, and a member may be at work on the journey's last request.
const FoundingGrace = 10 * time.Minute

// Founding is the decision with which members a journey begins whose first
// members are all over. The first that is stored counts.
type Founding struct {
	// Set holds the journey, the first leads.
	Set []placement.MemberID `json:"set"`
	// Expires is when the journey does.
	Expires time.Time `json:"expires"`
}

// FoundingID is the id of a journey's founding document.
func FoundingID(journey [16]byte) string { return hex.EncodeToString(journey[:]) }

// DecodeFounding reads a founding's document. Its error is ErrFormat.
func DecodeFounding(body []byte) (Founding, error) {
	var f Founding
	if err := json.Unmarshal(body, &f); err != nil {
		return Founding{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if f.Expires = f.Expires.UTC(); f.Expires.Year() > 9999 {
		return Founding{}, fmt.Errorf("%w: it expires in the year %d", ErrFormat, f.Expires.Year())
	}
	if len(f.Set) == 0 || len(f.Set) > maxSet {
		return Founding{}, fmt.Errorf("%w: a set of %d", ErrFormat, len(f.Set))
	}
	for _, id := range f.Set {
		if id == "" || len(id) > maxID {
			return Founding{}, fmt.Errorf("%w: a member's id has %d bytes", ErrFormat, len(id))
		}
	}
	return f, nil
}

// Encode writes the document, such as
//
//	{"set":["2f","3a"],"expires":"2026-11-22T03:05:00Z"}
func (f Founding) Encode() []byte {
	f.Expires = f.Expires.UTC()
	body, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("runs: texts and times do not encode: %v", err))
	}
	return body
}

// Stale reports whether nobody can ask for the founding any more.
func (f Founding) Stale(now time.Time) bool { return now.Sub(f.Expires) > FoundingGrace }
