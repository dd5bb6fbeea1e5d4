package amjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Absent reports whether a value is missing or null, which AM treats alike.
func Absent(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || bytes.Equal(raw, []byte("null"))
}

// Shape names what a JSON value is, for messages.
func Shape(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	case 't', 'f':
		return "a flag"
	case 'n':
		return "null"
	}
	return "a number"
}

// Object reads an object's members; none of an absent value.
func Object(raw json.RawMessage) (map[string]json.RawMessage, error) {
	if Absent(raw) {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil, fmt.Errorf("an object is needed, not %s", Shape(raw))
	}
	return members, nil
}

// Text reads a text; numbers and flags stand for the text they are written as.
func Text(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	switch Shape(raw) {
	case "a text":
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	case "a flag", "a number":
		return string(raw), nil
	}
	return "", fmt.Errorf("a text is needed, not %s", Shape(raw))
}

// Flag reads true or false; the texts "true" and "false" count.
func Flag(raw json.RawMessage) (bool, error) {
	text, err := Text(raw)
	if err == nil {
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, errors.New("true or false is needed")
}

// Whole reads a whole number between low and high; a text of digits counts, and
// so does a list with one such text, as AM stores numbers.
func Whole(raw json.RawMessage, low, high int64) (int64, error) {
	var one []json.RawMessage
	if json.Unmarshal(raw, &one) == nil && len(one) == 1 {
		raw = one[0]
	}
	text, err := Text(raw)
	if err == nil {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err == nil && n >= low && n <= high {
			return n, nil
		}
	}
	return 0, fmt.Errorf("a whole number from %d to %d is needed", low, high)
}

// Texts reads a list of texts; a single value is a list of one.
func Texts(raw json.RawMessage) ([]string, error) {
	if Absent(raw) {
		return nil, nil
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		items = []json.RawMessage{raw}
	}
	texts := make([]string, len(items))
	for i, item := range items {
		text, err := Text(item)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}

// MaxCount is the largest number that AM takes for a duration, whatever its
// unit. In minutes it is more than a time.Duration can hold, so the longest
// one, in whole units, stands for it and for all above it.
const MaxCount = math.MaxInt32

// Duration is count units of time.
func Duration(count int64, unit time.Duration) time.Duration {
	return time.Duration(min(count, int64(math.MaxInt64/unit))) * unit
}

// Count is d in whole units, rounded up; MaxCount for the longest duration.
func Count(d, unit time.Duration) int64 {
	n := int64(d / unit)
	if n >= int64(math.MaxInt64/unit) {
		return MaxCount
	}
	if d%unit > 0 {
		n++
	}
	return n
}

// Marshal writes v on one line, as it is: "<" and "&" are not escaped, for
// these texts go into files and JSON bodies, never into a page.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
