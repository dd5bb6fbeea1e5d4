// Package amjson reads the JSON of AM's configuration as real files have it:
// strict about what a JSON text is, lenient about how AM's exporters wrote a
// number, a flag or a list.
package amjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth bounds how deep a text may nest.
const MaxDepth = 64

// Error says what is wrong with a text, and where.
type Error struct {
	// Path is a JSON pointer to the place (RFC 6901), empty for the whole text.
	Path   string
	Detail string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Detail
	}
	return e.Path + ": " + e.Detail
}

// Check refuses, with an *Error, what is not exactly one JSON value in UTF-8 of
// at most limit bytes, or holds a key twice in one object, or is deeper than
// MaxDepth. encoding/json alone would take the last of two equal keys, which
// lets two readers see two different documents in one file.
func Check(raw []byte, limit int) error {
	if len(raw) > limit {
		return &Error{Detail: fmt.Sprintf("larger than %d bytes", limit)}
	}
	if !utf8.Valid(raw) {
		return &Error{Detail: "not valid UTF-8"}
	}
	c := checker{Decoder: json.NewDecoder(bytes.NewReader(raw))}
	c.UseNumber()
	if err := c.value(); err != nil {
		return err
	}
	if _, err := c.Token(); !errors.Is(err, io.EOF) {
		return &Error{Detail: fmt.Sprintf("more data follows the JSON value at byte %d", c.InputOffset())}
	}
	return nil
}

type checker struct {
	*json.Decoder
	path []string
}

func (c *checker) value() error {
	token, err := c.token()
	if err != nil {
		return err
	}
	if len(c.path) >= MaxDepth {
		if _, ok := token.(json.Delim); ok {
			return c.fault("deeper than %d levels", MaxDepth)
		}
	}
	switch token {
	case json.Delim('{'):
		return c.object()
	case json.Delim('['):
		return c.list()
	}
	return nil
}

func (c *checker) object() error {
	seen := map[string]struct{}{}
	for c.More() {
		token, err := c.token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if _, twice := seen[key]; twice {
			return c.fault("the key %q stands there twice", key)
		}
		seen[key] = struct{}{}
		if err := c.within(key); err != nil {
			return err
		}
	}
	_, err := c.token()
	return err
}

func (c *checker) list() error {
	for i := 0; c.More(); i++ {
		if err := c.within(strconv.Itoa(i)); err != nil {
			return err
		}
	}
	_, err := c.token()
	return err
}

func (c *checker) within(name string) error {
	c.path = append(c.path, name)
	err := c.value()
	c.path = c.path[:len(c.path)-1]
	return err
}

func (c *checker) token() (json.Token, error) {
	token, err := c.Token()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, c.fault("the text ends too early")
	case err != nil:
		return nil, c.fault("not valid JSON at byte %d: %v", c.InputOffset(), err)
	}
	return token, nil
}

func (c *checker) fault(format string, args ...any) error {
	return &Error{Path: Pointer(c.path...), Detail: fmt.Sprintf(format, args...)}
}

// Pointer writes a JSON pointer.
func Pointer(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	return b.String()
}
