package journey

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

// State is a journey between two steps. It is a plain value: encode it, send
// it, compare it. Start and Advance return a new one and leave the old as it
// was. Only a State that waits for the client can be encoded; one that waits
// for an effect holds the answers that led there, which never leave memory.
type State struct {
	Tree    string    `json:"tree"`
	Version Version   `json:"version"`
	Started time.Time `json:"started"`
	// Step counts the asks so far: the first is 1.
	Step uint32 `json:"step"`
	// Frames are the trees being run, the outermost first, each with the node
	// it is at.
	Frames []Frame     `json:"frames"`
	Values node.State  `json:"values"`
	Ending node.Ending `json:"ending,omitzero"`
	// Asked is what the client was asked last.
	Asked Ask `json:"asked"`
	// Paged says which callbacks of Asked belong to which child of a page.
	Paged *Paged `json:"paged,omitempty"`
	// Request keeps what nodes may know of the first request.
	Request node.Request `json:"request,omitzero"`
	// NoSession is the client's wish to end without a session.
	NoSession bool `json:"noSession,omitempty"`
	// Suspended is set while the journey is suspended, Resumed once it has been.
	Suspended *Suspension `json:"suspended,omitempty"`
	Resumed   bool        `json:"resumed,omitempty"`
	// Transaction is what the journey authorises, nil for nothing.
	Transaction *Transaction `json:"transaction,omitempty"`

	// Traced is set once a node ran that is not a function of definition and
	// request: from then on the journey must be kept.
	Traced bool `json:"-"`

	answers []callback.Answer
	partial *partial
	closing *closing
	// known is the identity that an effect of this request showed last.
	known *node.Found
	// resumed is set while the journey is at the node that had suspended it.
	resumed bool
}

// Frame is one tree of a running journey.
type Frame struct {
	Tree string      `json:"tree"`
	Node tree.NodeID `json:"node"`
}

// Paged numbers the callbacks of a page while it is shown.
type Paged struct {
	// Children holds, for each callback of Asked, the index of the child that
	// sent it. Next is the first number not used yet.
	Children []int `json:"children"`
	Next     int   `json:"next"`
}

// stateVersion is the first byte of an encoded State.
const stateVersion = 1

var errBusy = errors.New("a journey that waits for an effect cannot be encoded")

// ErrState says that bytes are not an encoded State of a known version.
var ErrState = errors.New("not a journey state")

// Encode writes a State that waits for the client: a version byte, then JSON.
func (s State) Encode() ([]byte, error) {
	if s.answers != nil || s.partial != nil || s.closing != nil {
		return nil, errBusy
	}
	body, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode journey state: %w", err)
	}
	return append([]byte{stateVersion}, body...), nil
}

// Decode reads what Encode wrote.
func Decode(raw []byte) (State, error) {
	if len(raw) == 0 || raw[0] != stateVersion {
		return State{}, ErrState
	}
	var s State
	if err := json.Unmarshal(raw[1:], &s); err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrState, err)
	}
	s.Traced = true
	return s, nil
}

// Deadline is when the journey ends unfinished: the limit that a node set,
// else the tree's, else the realm's (am-contract section 2.4), counted from
// its start.
func (s State) Deadline(p *Plan, settings *realm.Settings) time.Time {
	return s.Started.Add(s.limit(p.Of(s), settings))
}

func (s State) limit(p *Plan, settings *realm.Settings) time.Duration {
	return first(s.Ending.MaxDuration, p.maxDuration, settings.JourneyMaxDuration)
}

// top is the innermost frame.
func (s *State) top() *Frame { return &s.Frames[len(s.Frames)-1] }

// settle moves what later nodes need of the transient scope to the secure one
// and drops the rest: it is called whenever a reply goes to the client.
func (s *State) settle(p *Plan) {
	for key, value := range s.Values.Transient {
		for _, f := range s.Frames {
			if v, ok := p.programs[f.Tree].vertices[f.Node]; ok && v.keep.has(key) {
				s.Values.Secure = put(s.Values.Secure, key, value)
				break
			}
		}
	}
	s.Values.Transient = nil
}

// put returns values with key set. A container of attributes is laid over the
// one that is there.
func put(values node.Values, key string, value any) node.Values {
	out := make(node.Values, len(values)+1)
	maps.Copy(out, values)
	if kept, ok := out[key].(map[string]any); ok && key == node.KeyAttributes {
		if newer, ok := value.(map[string]any); ok {
			merged := maps.Clone(kept)
			maps.Copy(merged, newer)
			value = merged
		}
	}
	out[key] = value
	return out
}
