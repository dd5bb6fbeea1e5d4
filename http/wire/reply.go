package wire

import (
	"log/slog"
	"slices"

	"sojourn/actors/callback"
)

const redacted = "[redacted]"

// TokenID is the session token that a success carries. It prints as
// [redacted].
type TokenID string

func (TokenID) String() string       { return redacted }
func (TokenID) GoString() string     { return redacted }
func (TokenID) LogValue() slog.Value { return slog.StringValue(redacted) }

// Success is the answer that ends a journey well.
type Success struct {
	// TokenID is left out when NoSession is set; otherwise it may be empty.
	TokenID           TokenID
	NoSession         bool
	SuccessURL, Realm string
	// Details are further members of the answer. One that is named as a
	// member above is dropped: a configured detail never replaces a token.
	Details []callback.Entry
}

// AppendSuccess appends s as {"tokenId","successUrl","realm",details…}.
func AppendSuccess(b []byte, s Success) []byte {
	b = append(b, '{')
	if !s.NoSession {
		b = append(b, `"tokenId":`...)
		b = AppendString(b, string(s.TokenID))
		b = append(b, ',')
	}
	b = append(b, `"successUrl":`...)
	b = AppendString(b, s.SuccessURL)
	b = append(b, `,"realm":`...)
	b = AppendString(b, s.Realm)
	for i, d := range s.Details {
		if reserved(d.Name) || slices.ContainsFunc(s.Details[:i], func(e callback.Entry) bool { return e.Name == d.Name }) {
			continue
		}
		b = append(b, ',')
		b = appendMembers(b, s.Details[i:i+1])
	}
	return append(b, '}')
}

// reserved names mean something to a client that reads an answer: a detail
// with such a name would make a success look like something else.
func reserved(name string) bool {
	switch name {
	case "tokenId", "successUrl", "realm", "authId", "code":
		return true
	}
	return false
}

// Reply is an authenticate answer as a client reads it: exactly one is set.
type Reply struct {
	Step    *Step
	Success *Success
	Failure *Failure
}

// DecodeReply reads the body of an authenticate answer as AM's clients do: with
// an authId it is a step, with a code (or version 1's errorMessage) a failure,
// else a success. Every error is a *SyntaxError.
func DecodeReply(body []byte) (Reply, error) {
	var (
		step           Step
		success        = Success{NoSession: true}
		failure        Failure
		isStep, failed bool
	)
	s := scanner{data: body}
	err := s.object(func(name []byte) error {
		var err error
		switch string(name) {
		case "authId":
			isStep = true
			var text string
			text, err = s.text()
			step.AuthID = SignedAuthID(text)
		case "callbacks":
			err = s.list(func() error {
				if len(step.Callbacks) == MaxCallbacks {
					return s.fail("too many callbacks")
				}
				c, err := s.callback(len(step.Callbacks) + 1)
				step.Callbacks = append(step.Callbacks, c)
				return err
			})
		case "stage":
			step.Stage, err = s.text()
		case "header":
			step.Header, err = s.text()
		case "description":
			step.Description, err = s.text()
		case "tokenId":
			success.NoSession = false
			var text string
			text, err = s.text()
			success.TokenID = TokenID(text)
		case "successUrl":
			success.SuccessURL, err = s.text()
		case "realm":
			success.Realm, err = s.text()
		case "code":
			failed = true
			failure.Code, err = s.whole()
		case "reason":
			failure.Reason, err = s.text()
		case "message", "errorMessage":
			failed = failed || string(name) == "errorMessage"
			failure.Message, err = s.text()
			success.Details = append(success.Details, callback.Entry{Name: "message", Value: failure.Message})
		case "detail":
			failure.Detail, err = s.members()
		default:
			var v any
			v, err = s.value()
			success.Details = append(success.Details, callback.Entry{Name: string(name), Value: v})
		}
		return err
	})
	if err == nil {
		err = s.end()
	}
	switch {
	case err != nil:
		return Reply{}, err
	case isStep:
		return Reply{Step: &step}, nil
	case failed:
		return Reply{Failure: &failure}, nil
	}
	return Reply{Success: &success}, nil
}

// whole reads a number without a fraction.
func (s *scanner) whole() (int, error) {
	s.peek()
	if err := s.count(); err != nil {
		return 0, err
	}
	f, err := s.number()
	if err == nil && f != float64(int32(f)) {
		err = s.fail("expected a whole number")
	}
	return int(f), err
}

// members reads an object into entries, in its order.
func (s *scanner) members() ([]callback.Entry, error) {
	entries := []callback.Entry{}
	err := s.object(func(name []byte) error {
		v, err := s.value()
		entries = append(entries, callback.Entry{Name: string(name), Value: v})
		return err
	})
	return entries, err
}
