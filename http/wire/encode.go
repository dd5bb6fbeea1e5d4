package wire

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"sojourn/actors/callback"
)

// Raw is a value that is JSON already; it is inserted as it stands.
type Raw []byte

// Failure is the body of every refusal: CREST's error object.
type Failure struct {
	// Code is the HTTP status, Reason its phrase.
	Code            int
	Reason, Message string
	// Detail are the members of "detail" in order; nil leaves it out. Values
	// are those that AppendValue takes.
	Detail []callback.Entry
}

// AppendFailure appends f as {"code","reason","message","detail"}.
func AppendFailure(b []byte, f Failure) []byte {
	b = append(b, `{"code":`...)
	b = strconv.AppendInt(b, int64(f.Code), 10)
	b = append(b, `,"reason":`...)
	b = AppendString(b, f.Reason)
	b = append(b, `,"message":`...)
	b = AppendString(b, f.Message)
	if f.Detail != nil {
		b = append(b, `,"detail":{`...)
		b = appendMembers(b, f.Detail)
		b = append(b, '}')
	}
	return append(b, '}')
}

// AppendFailureV1 appends f in the shape of resource version 1:
// {"errorMessage","failureUrl"}, the latter only when the detail has one.
func AppendFailureV1(b []byte, f Failure) []byte {
	b = append(b, `{"errorMessage":`...)
	b = AppendString(b, f.Message)
	for _, d := range f.Detail {
		if d.Name == "failureUrl" {
			b = append(b, `,"failureUrl":`...)
			b = AppendValue(b, d.Value)
		}
	}
	return append(b, '}')
}

// appendMembers appends "name":value pairs with commas between them.
func appendMembers(b []byte, members []callback.Entry) []byte {
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, m.Name)
		b = append(b, ':')
		b = AppendValue(b, m.Value)
	}
	return b
}

// AppendValue appends v as JSON: nil, strings, booleans, numbers, Raw, lists
// and maps of these (maps in the order of their keys). A number that JSON
// cannot say is null; any other type goes through encoding/json, and is null
// when that refuses it.
func AppendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return AppendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return appendFloat(b, v)
	case Raw:
		if len(v) == 0 {
			return append(b, "null"...)
		}
		return append(b, v...)
	case []string:
		b = append(b, '[')
		for i, s := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendString(b, s)
		}
		return append(b, ']')
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendValue(b, e)
		}
		return append(b, ']')
	case map[string]any:
		return appendMap(b, v)
	}
	other, err := json.Marshal(v)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, other...)
}

func appendMap(b []byte, m map[string]any) []byte {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, name)
		b = append(b, ':')
		b = AppendValue(b, m[name])
	}
	return append(b, '}')
}

func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(b, int64(f), 10)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Control characters and the two line
// separators that JavaScript dislikes are escaped; bytes that are no UTF-8
// become U+FFFD.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	b = appendEscaped(b, s)
	return append(b, '"')
}

// appendEscaped is AppendString without the quotes.
func appendEscaped(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[from:i]...)
			b = appendEscape(b, c)
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, s[from:i]...)
			b = append(b, "\ufffd"...)
			from = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(b, s[from:i]...)
			b = append(b, `\u202`...)
			b = append(b, hexDigits[r&0xf])
			from = i + size
		}
		i += size
	}
	return append(b, s[from:]...)
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
