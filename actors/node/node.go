// Package node holds the node types of trees and the registry that knows them.
//
// A node is a pure function: it is given the state of the journey, the answers
// to what it asked, and the result of an effect it wanted, and returns exactly
// one Action. It does no I/O, reads no clock and no random source but those in
// its Context, and keeps nothing between calls: what it must remember it puts
// into State. The engine (actors/journey) decides when it is called:
//
//   - first with neither answers nor result;
//   - after Ask, again with the answers to the callbacks it sent;
//   - after Do, again with the effect's result (and the answers it had).
//
// One file holds one type. The checklist for adding one is in actors/DESIGN.md.
package node

import (
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

// Node is one configured instance of a Type. It is immutable and used by many
// journeys at once.
type Node interface {
	// Process runs the node. An error ends the journey as failed with AM's
	// "Login failure" and is told to the operator; an ErrorMessage's text is
	// told to the client. An error of actors/callback means that the answers
	// were malformed: the step is refused and the journey stays where it was.
	Process(c *Context) (Action, error)
}

// Action is what a node decided: one of Goto, Ask, Do.
type Action interface{ action() }

// Goto leaves the node by an outcome.
type Goto struct{ Outcome tree.Outcome }

// Ask sends callbacks and waits. Header, Description and Stage are shown by
// the client beside them; empty ones are left out.
type Ask struct {
	Callbacks                  []callback.Callback
	Header, Description, Stage string
}

// Do asks the shell for an effect. The node is called again with its Result.
type Do struct{ Effect Effect }

// Suspend stops the journey until somebody comes back with its suspended id
// (Context.SuspendedID), at any member and in any browser, once: the node is
// then called again with Resumed set. The client is shown Message and submits
// nothing.
type Suspend struct {
	Message string
	// Duration is how long the journey can be resumed; zero leaves it to the
	// realm (Settings.SuspendDuration). It never outlasts the journey.
	Duration time.Duration
}

func (Goto) action()    {}
func (Ask) action()     {}
func (Do) action()      {}
func (Suspend) action() {}

// Outcomes that many nodes share.
const (
	Next  tree.Outcome = "outcome"
	True  tree.Outcome = "true"
	False tree.Outcome = "false"
)

// Truth is the outcome "true" or "false".
func Truth(b bool) Goto {
	if b {
		return Goto{True}
	}
	return Goto{False}
}

// ErrorMessage ends a journey as failed with a text for the client
// (Action.withErrorMessage in AM).
type ErrorMessage struct{ Text string } //nolint:errname // AM's word for it

func (e *ErrorMessage) Error() string { return e.Text }

// ErrMissingInput says that a required key was not in the state.
var ErrMissingInput = errors.New("required input is not in the journey's state")

// Context is all that a node sees of its journey during one call.
type Context struct {
	ID       tree.NodeID
	Realm    realm.Name
	Settings *realm.Settings
	Now      time.Time
	// Rand gives unpredictable bytes. Reading it makes the journey one that
	// must be kept from its start on (see Type.Pure).
	Rand    io.Reader
	Request *Request
	State   *State
	Ending  *Ending // what the end of the journey will carry
	// Limit is the time that the journey has from its start to its end: what a
	// node set, else the tree's, else the realm's.
	Limit time.Duration

	// Resumed says that a suspended journey has come back to the node that
	// suspended it.
	Resumed bool
	// SuspendedID is the id by which the journey can be resumed if this node
	// suspends it: 27 characters of base64url, drawn at the first call and the
	// same in all calls until the node is left. ResumeURI is the page that does
	// so. Who knows either can go on with the journey. Both are nil for a node
	// whose Type does not say that it Suspends.
	SuspendedID func() (string, error)
	ResumeURI   func() (string, error)

	// Answers are to the callbacks that this node sent, in their order; nil on
	// a first call. Result is that of the last Do; nil otherwise.
	Answers []callback.Answer
	Result  Result
}

// Request is what a node may know of the HTTP request being answered.
type Request struct {
	// Locales are the client's languages, best first: the locale parameter,
	// else Accept-Language.
	Locales []string `json:"locales,omitempty"`
	// Parameters are the query parameters of the request that started the
	// journey, overlaid with those of this one.
	Parameters map[string][]string `json:"parameters,omitempty"`
	// Headers of this request, by canonical name. Never kept.
	Headers map[string][]string `json:"-"`
	// ClientIP is the peer's address, or the one a trusted proxy names.
	ClientIP string `json:"-"`
	// Session holds the properties of the session that this request carries,
	// nil without one. Never kept.
	Session map[string]string `json:"-"`
}

// Ending gathers what nodes say about the end of the journey. It is part of
// the journey's state, and inner trees write to the same one. Its maps and
// lists are replaced, never changed in place: an Ending that was copied stays
// as it was.
type Ending struct {
	// Properties go into the session; an empty value removes one.
	Properties map[string]string `json:"properties,omitempty"`
	// MaxSession and MaxIdle override tree and realm; the last node wins.
	MaxSession time.Duration `json:"maxSession,omitempty"`
	MaxIdle    time.Duration `json:"maxIdle,omitempty"`
	// MaxDuration, when set, is the journey's own time limit from its start.
	MaxDuration time.Duration `json:"maxDuration,omitempty"`
	// SuccessDetails and FailureDetails are merged into the final answer;
	// SuccessProperties name session properties to merge, key to property.
	SuccessDetails    map[string]string `json:"successDetails,omitempty"`
	SuccessProperties map[string]string `json:"successProperties,omitempty"`
	FailureDetails    map[string]string `json:"failureDetails,omitempty"`
	FailureMessage    string            `json:"failureMessage,omitempty"`
	// ErrorDetails and ErrorMessage do the same when an error ends the journey.
	ErrorDetails map[string]string `json:"errorDetails,omitempty"`
	ErrorMessage string            `json:"errorMessage,omitempty"`
	// Cookies are set by the next reply that is not a failure, Persist are the
	// persistent ones that a success makes.
	Cookies []Cookie  `json:"cookies,omitempty"`
	Persist []Persist `json:"persist,omitempty"`
	// ClearRetries are the nodes whose counters on the user a success resets.
	ClearRetries []string `json:"clearRetries,omitempty"`
	// UniversalID and User name whom a node identified.
	User        string `json:"user,omitempty"`
	UniversalID string `json:"universalId,omitempty"`
	// NodeTypes are the names added to AM's NodeType session property.
	NodeTypes []string `json:"nodeTypes,omitempty"`
}

// SetProperty notes a session property; an empty value removes it.
func (e *Ending) SetProperty(name, value string) {
	e.Properties = joined(e.Properties, map[string]string{name: value})
}

// clearRetries notes that success resets the counter of a node.
func (e *Ending) clearRetries(id string) {
	if !slices.Contains(e.ClearRetries, id) {
		e.ClearRetries = append(slices.Clone(e.ClearRetries), id)
	}
}

// joined is a new map with the entries of both; those of over win.
func joined(under, over map[string]string) map[string]string {
	if len(under)+len(over) == 0 {
		return nil
	}
	all := make(map[string]string, len(under)+len(over))
	maps.Copy(all, under)
	maps.Copy(all, over)
	return all
}
