package wire

import (
	"bytes"
	"slices"
	"strconv"

	"sojourn/actors/callback"
)

// MaxCallbacks and MaxEntries bound a step: callbacks, and inputs (or outputs)
// of one of them.
const (
	MaxCallbacks = 256
	MaxEntries   = 64
)

// Step is the answer that asks for more, and also the request that answers it:
// a client sends the step back with its inputs filled in.
type Step struct {
	AuthID    SignedAuthID
	Callbacks []callback.Callback
	// Empty texts are left out.
	Stage, Header, Description string
}

// AppendStep appends s: authId, callbacks, then the texts that are set.
func AppendStep(b []byte, s Step) []byte {
	b = append(b, `{"authId":`...)
	b = AppendString(b, string(s.AuthID))
	b = append(b, `,"callbacks":[`...)
	for i, c := range s.Callbacks {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCallback(b, c, i+1)
	}
	b = append(b, ']')
	b = appendText(b, `,"stage":`, s.Stage)
	b = appendText(b, `,"header":`, s.Header)
	b = appendText(b, `,"description":`, s.Description)
	return append(b, '}')
}

func appendText(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	return AppendString(append(b, key...), text)
}

// appendCallback appends the callback at position n, counted from 1. A
// callback without inputs has no "input".
func appendCallback(b []byte, c callback.Callback, n int) []byte {
	b = append(b, `{"type":`...)
	b = AppendString(b, string(c.Type))
	b = append(b, `,"output":[`...)
	for i, e := range c.Output {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = AppendString(b, e.Name)
		b = append(b, `,"value":`...)
		b = AppendValue(b, e.Value)
		b = append(b, '}')
	}
	b = append(b, ']')
	if len(c.Input) > 0 {
		b = append(b, `,"input":[`...)
		for i, e := range c.Input {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"name":"`+inputPrefix...)
			b = strconv.AppendInt(b, int64(n), 10)
			b = appendEscaped(b, e.Name)
			b = append(b, `","value":`...)
			b = AppendValue(b, e.Value)
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	if c.Numbered {
		b = append(b, `,"_id":`...)
		b = strconv.AppendInt(b, int64(c.ID), 10)
	}
	return append(b, '}')
}

// inputPrefix starts the name of every input; the callback's position follows.
const inputPrefix = "IDToken"

// Continuation is a request that answers a step, as a server reads it.
type Continuation struct {
	// AuthID is empty when the request has none.
	AuthID SignedAuthID
	// Answers are nil when the request has no callbacks.
	Answers []callback.Answer
	// Empty is set for no body at all and for {}: the request starts a journey.
	Empty bool
}

// DecodeContinuation reads the body of an authenticate request. What a client
// echoes beside authId, types and input values is checked to be JSON and
// otherwise passed over. Every error is a *SyntaxError.
func DecodeContinuation(body []byte) (Continuation, error) {
	s := scanner{data: body}
	if s.peek() == 0 && s.pos == len(body) {
		return Continuation{Empty: true}, nil
	}
	c := Continuation{Empty: true}
	err := s.object(func(name []byte) error {
		c.Empty = false
		var err error
		switch string(name) {
		case "authId":
			if s.null() {
				return nil
			}
			var text string
			text, err = s.text()
			c.AuthID = SignedAuthID(text)
		case "callbacks":
			if s.null() {
				return nil
			}
			c.Answers, err = s.answers()
		default:
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return Continuation{}, err
	}
	if err := s.end(); err != nil {
		return Continuation{}, err
	}
	return c, nil
}

// null consumes a null.
func (s *scanner) null() bool {
	if s.peek() == 'n' && bytes.HasPrefix(s.data[s.pos:], []byte("null")) {
		s.pos += len("null")
		return true
	}
	return false
}

func (s *scanner) answers() ([]callback.Answer, error) {
	answers := make([]callback.Answer, 0, 4)
	err := s.list(func() error {
		if len(answers) == MaxCallbacks {
			return s.fail("too many callbacks")
		}
		a, err := s.answer()
		answers = append(answers, a)
		return err
	})
	return answers, err
}

func (s *scanner) answer() (callback.Answer, error) {
	var a callback.Answer
	err := s.object(func(name []byte) error {
		switch string(name) {
		case "type":
			text, err := s.textBytes()
			a.Type = typeOf(text)
			return err
		case "input":
			if s.null() {
				return nil
			}
			return s.list(func() error {
				if len(a.Values) == MaxEntries {
					return s.fail("too many inputs")
				}
				value, err := s.input()
				a.Values = append(a.Values, value)
				return err
			})
		}
		return s.skip()
	})
	return a, err
}

// typeOf is the type that a client names, without a copy of the two that every
// login has.
func typeOf(name []byte) callback.Type {
	switch string(name) {
	case string(callback.Name):
		return callback.Name
	case string(callback.Password):
		return callback.Password
	}
	return callback.Type(name)
}

// input reads {"name","value"} for its value.
func (s *scanner) input() (value any, err error) {
	err = s.object(func(name []byte) error {
		switch string(name) {
		case "name":
			_, err := s.textBytes()
			return err
		case "value":
			var err error
			value, err = s.value()
			return err
		}
		return s.skip()
	})
	return value, err
}

// entry reads {"name","value"}.
func (s *scanner) entry() (callback.Entry, error) {
	var e callback.Entry
	err := s.object(func(name []byte) error {
		var err error
		switch string(name) {
		case "name":
			e.Name, err = s.text()
		case "value":
			e.Value, err = s.value()
		default:
			err = s.skip()
		}
		return err
	})
	return e, err
}

// callback reads a callback as a client does, with everything it says. n is
// its position, counted from 1.
func (s *scanner) callback(n int) (callback.Callback, error) {
	prefix := inputPrefix + strconv.Itoa(n)
	var c callback.Callback
	err := s.object(func(name []byte) error {
		var err error
		switch string(name) {
		case "type":
			var text string
			text, err = s.text()
			c.Type = callback.Type(text)
		case "output":
			c.Output, err = s.entries()
		case "input":
			if c.Input, err = s.entries(); err != nil {
				return err
			}
			for i, e := range c.Input {
				suffix, ok := bytes.CutPrefix([]byte(e.Name), []byte(prefix))
				if !ok {
					return s.fail("an input is not named " + prefix)
				}
				c.Input[i].Name = string(suffix)
			}
		case "_id":
			var v any
			v, err = s.value()
			id, ok := v.(float64)
			if err == nil && (!ok || id != float64(int(id))) {
				return s.fail("an _id is not a whole number")
			}
			c.ID, c.Numbered = int(id), true
		default:
			err = s.skip()
		}
		return err
	})
	return c, err
}

func (s *scanner) entries() ([]callback.Entry, error) {
	var entries []callback.Entry
	err := s.list(func() error {
		if len(entries) == MaxEntries {
			return s.fail("too many entries in one callback")
		}
		e, err := s.entry()
		entries = append(entries, e)
		return err
	})
	return slices.Clip(entries), err
}
