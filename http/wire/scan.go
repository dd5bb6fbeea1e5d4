package wire

import (
	"bytes"
	"strconv"
)

// Limits on every JSON text that is decoded here. Size is bounded by whoever
// reads the bytes.
const (
	MaxDepth  = 32     // nesting of objects and lists
	MaxKeys   = 256    // members of one object
	MaxValues = 20_000 // values in all
	maxNumber = 64     // bytes of one number
)

// SyntaxError says why a text is not the JSON that was expected. Its text is
// for the sender: it tells the place and the fault, nothing of the content.
type SyntaxError struct {
	Offset  int // bytes before the fault
	Problem string
}

func (e *SyntaxError) Error() string {
	return "Invalid JSON at byte " + strconv.Itoa(e.Offset) + ": " + e.Problem
}

// Members calls each for every member of the one object that text is, in
// order. name is decoded, value is the member's JSON; both are valid only
// during the call. The whole text is checked, at every level: a key that
// stands twice in one object, bytes that are no UTF-8 and anything after the
// object are a *SyntaxError.
func Members(text []byte, each func(name, value []byte) error) error {
	s := scanner{data: text}
	err := s.object(func(name []byte) error {
		value, err := s.raw()
		if err != nil {
			return err
		}
		return each(name, value)
	})
	if err != nil {
		return err
	}
	return s.end()
}

// Elements is Members for a list.
func Elements(text []byte, each func(value []byte) error) error {
	s := scanner{data: text}
	err := s.list(func() error {
		value, err := s.raw()
		if err != nil {
			return err
		}
		return each(value)
	})
	if err != nil {
		return err
	}
	return s.end()
}

// Text decodes a JSON string.
func Text(value []byte) (string, error) {
	s := scanner{data: value}
	text, err := s.text()
	if err != nil {
		return "", err
	}
	return text, s.end()
}

// Value decodes any JSON value: string, bool, float64, nil, []any or
// map[string]any.
func Value(text []byte) (any, error) {
	s := scanner{data: text}
	v, err := s.value()
	if err != nil {
		return nil, err
	}
	return v, s.end()
}

// JSONOrText is how AM inserts a configured detail into an answer: as Raw when
// the text is JSON, else as the string that it is.
func JSONOrText(text string) any {
	s := scanner{data: []byte(text)}
	if err := s.skip(); err != nil || s.end() != nil {
		return text
	}
	return Raw(bytes.TrimSpace(s.data))
}

// scanner reads one JSON text once, from front to back.
type scanner struct {
	data   []byte
	pos    int
	depth  int
	values int
	// keys are those of the objects that are open, outermost first.
	keys [][]byte
}

func (s *scanner) fail(problem string) error {
	return &SyntaxError{Offset: s.pos, Problem: problem}
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) end() error {
	if s.peek() != 0 || s.pos < len(s.data) {
		return s.fail("text after the end")
	}
	return nil
}

func (s *scanner) open(bracket byte, what string) error {
	if s.peek() != bracket {
		return s.fail("expected " + what)
	}
	if s.depth++; s.depth > MaxDepth {
		return s.fail("nested too deep")
	}
	s.pos++
	return s.count()
}

func (s *scanner) count() error {
	if s.values++; s.values > MaxValues {
		return s.fail("too many values")
	}
	return nil
}

// object reads an object; member must consume the value of the key it is
// given.
func (s *scanner) object(member func(name []byte) error) error {
	if err := s.open('{', "an object"); err != nil {
		return err
	}
	base := len(s.keys)
	if s.peek() == '}' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		name, err := s.key(base)
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			s.depth--
			s.keys = s.keys[:base]
			return nil
		default:
			return s.fail("expected a comma or the end of the object")
		}
	}
}

// key reads a member's name and its colon. It refuses a name that the object,
// whose keys start at base, has already.
func (s *scanner) key(base int) ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail("expected a key")
	}
	name, err := s.bytes()
	if err != nil {
		return nil, err
	}
	for _, earlier := range s.keys[base:] {
		if bytes.Equal(earlier, name) {
			return nil, s.fail("a key stands twice in one object")
		}
	}
	if len(s.keys)-base >= MaxKeys {
		return nil, s.fail("too many keys in one object")
	}
	if s.keys == nil {
		s.keys = make([][]byte, 0, 16)
	}
	s.keys = append(s.keys, name)
	if s.peek() != ':' {
		return nil, s.fail("expected a colon")
	}
	s.pos++
	return name, nil
}

// list reads a list; element must consume each value.
func (s *scanner) list(element func() error) error {
	if err := s.open('[', "a list"); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			s.depth--
			return nil
		default:
			return s.fail("expected a comma or the end of the list")
		}
	}
}

// raw checks the next value and returns it as it stands.
func (s *scanner) raw() ([]byte, error) {
	s.peek()
	from := s.pos
	if err := s.skip(); err != nil {
		return nil, err
	}
	return s.data[from:s.pos:s.pos], nil
}

// skip checks the next value.
func (s *scanner) skip() error {
	switch s.peek() {
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case '[':
		return s.list(s.skip)
	case '"':
		if err := s.count(); err != nil {
			return err
		}
		_, _, err := s.quoted()
		return err
	case 'n', 't', 'f':
		_, err := s.scalar()
		return err
	}
	if err := s.count(); err != nil {
		return err
	}
	_, err := s.number()
	return err
}

// value decodes the next value.
func (s *scanner) value() (any, error) {
	switch s.peek() {
	case '{':
		m := map[string]any{}
		err := s.object(func(name []byte) error {
			v, err := s.value()
			m[string(name)] = v
			return err
		})
		return m, err
	case '[':
		list := []any{}
		err := s.list(func() error {
			v, err := s.value()
			list = append(list, v)
			return err
		})
		return list, err
	case '"':
		return s.text()
	}
	return s.scalar()
}
