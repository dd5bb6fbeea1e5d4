// Package callback holds the questions that a journey puts to its client, and
// the client's answers, as values.
//
// A callback is a type, some outputs (what the client shows) and some inputs
// (what the client fills in). The wire form, {"type","output","input","_id"}
// with inputs named IDToken1, IDToken2validateOnly and so on, belongs to
// http/wire; here an input knows only the suffix that follows "IDToken<n>".
// Source of names, types and defaults: am-contract section 3.
package callback

import (
	"errors"
	"fmt"
)

// Type is a callback's name on the wire.
type Type string

// The callback types that journeys of this server send.
const (
	Name             Type = "NameCallback"
	Password         Type = "PasswordCallback"
	TextInput        Type = "TextInputCallback"
	TextOutput       Type = "TextOutputCallback"
	HiddenValue      Type = "HiddenValueCallback"
	Choice           Type = "ChoiceCallback"
	Confirmation     Type = "ConfirmationCallback"
	PollingWait      Type = "PollingWaitCallback"
	Metadata         Type = "MetadataCallback"
	Redirect         Type = "RedirectCallback"
	SuspendedText    Type = "SuspendedTextOutputCallback"
	StringAttribute  Type = "StringAttributeInputCallback"
	NumberAttribute  Type = "NumberAttributeInputCallback"
	BooleanAttribute Type = "BooleanAttributeInputCallback"
	CreateUsername   Type = "ValidatedCreateUsernameCallback"
	CreatePassword   Type = "ValidatedCreatePasswordCallback"
)

// Entry is one named value of a callback. As an output, Name is the wire name
// ("prompt"). As an input it is the suffix after "IDToken<n>", empty for the
// plain one; Value is then what the client sees before it fills it in.
// Values are JSON values: string, bool, int, float64, nil, []any,
// []string, map[string]any.
type Entry struct {
	Name  string `json:"n,omitempty"`
	Value any    `json:"v"`
}

// Callback is one question. The zero value asks nothing.
type Callback struct {
	Type   Type    `json:"t"`
	Output []Entry `json:"o,omitempty"`
	Input  []Entry `json:"i,omitempty"`
	// ID is the number a page gave it; meaningful only when Numbered.
	ID       int  `json:"id,omitempty"`
	Numbered bool `json:"n,omitempty"`
}

// Answer is what a client made of one callback: its type as the client named
// it, and the values of its inputs by position, as decoded from JSON.
type Answer struct {
	Type   Type
	Values []any
}

// What can be wrong with the answers to a step. Their texts are AM's and reach
// the client (am-contract section 1.7).
var (
	ErrCount = errors.New("Incorrect number of callbacks found in JSON response") //nolint:staticcheck // AM's text, sent as it stands
	ErrType  = errors.New("Required callback not found in JSON response")         //nolint:staticcheck // AM's text, sent as it stands
	ErrInput = errors.New("JSON Callback does not include a input field")         //nolint:staticcheck // AM's text, sent as it stands
)

// ValueError says that an input holds a value that its callback cannot mean,
// such as a choice outside the list.
type ValueError struct {
	Type   Type
	Detail string
}

func (e *ValueError) Error() string { return fmt.Sprintf("%s: %s", e.Type, e.Detail) }

// Match checks that answers fit what was asked: the same number, the same type
// at each position, a value for each input. Values themselves are judged by
// the node that reads them.
func Match(asked []Callback, answers []Answer) error {
	if len(asked) != len(answers) {
		return ErrCount
	}
	for i, a := range answers {
		if a.Type != asked[i].Type {
			return ErrType
		}
		if len(a.Values) < len(asked[i].Input) {
			return ErrInput
		}
	}
	return nil
}

// Interactive reports whether the callback has something to fill in.
func (c Callback) Interactive() bool { return len(c.Input) > 0 }

// Out returns the named output, nil when there is none.
func (c Callback) Out(name string) any {
	for _, e := range c.Output {
		if e.Name == name {
			return e.Value
		}
	}
	return nil
}
