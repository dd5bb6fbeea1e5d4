package wire

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scalar reads null, a boolean or a number.
func (s *scanner) scalar() (any, error) {
	if err := s.count(); err != nil {
		return nil, err
	}
	rest := s.data[s.pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("null")):
		s.pos += len("null")
		return nil, s.boundary()
	case bytes.HasPrefix(rest, []byte("true")):
		s.pos += len("true")
		return true, s.boundary()
	case bytes.HasPrefix(rest, []byte("false")):
		s.pos += len("false")
		return false, s.boundary()
	}
	return s.number()
}

// boundary refuses a word that goes on.
func (s *scanner) boundary() error {
	if s.pos < len(s.data) && (s.data[s.pos]|0x20 >= 'a' && s.data[s.pos]|0x20 <= 'z' || isDigit(s.data[s.pos])) {
		return s.fail("expected a value")
	}
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads a number by JSON's grammar. One that float64 cannot hold is
// refused.
func (s *scanner) number() (float64, error) {
	from := s.pos
	if s.at('-') {
		s.pos++
	}
	whole := s.digits()
	if whole == 0 || (whole > 1 && s.data[s.pos-whole] == '0') {
		s.pos = from
		return 0, s.fail("expected a value")
	}
	if s.at('.') {
		s.pos++
		if s.digits() == 0 {
			return 0, s.fail("expected a digit")
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if s.digits() == 0 {
			return 0, s.fail("expected a digit")
		}
	}
	text := s.data[from:s.pos]
	if len(text) > maxNumber {
		return 0, s.fail("a number is too long")
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, s.fail("a number is out of range")
	}
	return f, s.boundary()
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

func (s *scanner) digits() int {
	from := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}
	return s.pos - from
}

// text decodes the next value, which must be a string.
func (s *scanner) text() (string, error) {
	b, err := s.textBytes()
	return string(b), err
}

// textBytes is text for a caller that keeps nothing of it.
func (s *scanner) textBytes() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail("expected a string")
	}
	if err := s.count(); err != nil {
		return nil, err
	}
	return s.bytes()
}

// bytes decodes a string; without escapes the result is part of the input.
func (s *scanner) bytes() ([]byte, error) {
	inside, escaped, err := s.quoted()
	if err != nil || !escaped {
		return inside, err
	}
	return unquote(inside), nil
}

// quoted checks a string and returns what stands between its quotes, and
// whether that has escapes.
func (s *scanner) quoted() (inside []byte, escaped bool, err error) {
	s.pos++
	from := s.pos
	ascii := true
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			inside = s.data[from:s.pos:s.pos]
			if !ascii && !utf8.Valid(inside) {
				return nil, false, s.fail("a string is not UTF-8")
			}
			s.pos++
			return inside, escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < 0x20:
			return nil, false, s.fail("a control character in a string")
		default:
			if c >= utf8.RuneSelf {
				ascii = false
			}
			s.pos++
		}
	}
	return nil, false, s.fail("a string has no end")
}

// escape checks one escape; surrogates must come in pairs.
func (s *scanner) escape() error {
	rest := s.data[s.pos:]
	if len(rest) < 2 {
		return s.fail("a string has no end")
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
	default:
		return s.fail("an unknown escape")
	}
	unit, ok := hex4(rest)
	if !ok {
		return s.fail("a malformed escape")
	}
	s.pos += 6
	if !utf16.IsSurrogate(unit) {
		return nil
	}
	low, ok := hex4(rest[6:])
	if !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
		return s.fail("half a surrogate pair")
	}
	s.pos += 6
	return nil
}

// hex4 reads \uXXXX at the start of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}

// unquote decodes the escapes of a string that quoted has checked.
func unquote(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		switch b[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(b[i-1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := hex4(b[i+1:])
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, b[i])
		}
	}
	return out
}
