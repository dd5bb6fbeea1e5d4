package rest

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// term is one comparison of a _queryFilter.
type term struct {
	field string
	op    filterOp
	value string
}

// filterOp is a comparison.
type filterOp string

// The comparisons that filters may use.
const (
	opEquals   filterOp = "eq"
	opContains filterOp = "co"
	opStarts   filterOp = "sw"
)

// Limits of a filter.
const (
	maxFilter = 4 << 10 // bytes
	maxTerms  = 8
)

// filter reads the _queryFilter parameter, or _queryId=* of older clients.
// The result is what a match must fulfil altogether: nothing for "true".
func (c *call) filter() ([]term, error) {
	text, given := c.query.find("_queryFilter")
	if !given && (c.query.get("_queryId") == "*" || c.query.get("_queryID") == "*") {
		return nil, nil
	}
	if !given {
		return nil, fault{status: http.StatusBadRequest, message: "The _queryFilter parameter is missing"}
	}
	terms, ok := parseFilter(text)
	if !ok {
		return nil, fault{status: http.StatusBadRequest, message: "The _queryFilter is not understood: " + shorten(text)}
	}
	return terms, nil
}

// parseFilter reads the part of CREST's filter language that the API serves:
// "true", or comparisons of a field with a quoted text, joined by "and".
func parseFilter(text string) ([]term, bool) {
	if len(text) > maxFilter || !utf8.ValidString(text) {
		return nil, false
	}
	rest := strings.TrimSpace(text)
	if rest == "true" {
		return nil, true
	}
	var terms []term
	for {
		t, after, ok := parseTerm(rest)
		if !ok || len(terms) == maxTerms {
			return nil, false
		}
		terms = append(terms, t)
		rest = strings.TrimLeft(after, " ")
		if rest == "" {
			return terms, true
		}
		if rest == after { // "and" must not stick to what it follows
			return nil, false
		}
		var joined bool
		if rest, joined = strings.CutPrefix(rest, "and "); !joined {
			return nil, false
		}
		rest = strings.TrimLeft(rest, " ")
	}
}

func parseTerm(text string) (t term, rest string, ok bool) {
	field, rest, ok := strings.Cut(text, " ")
	if !ok {
		return term{}, "", false
	}
	t.field = strings.TrimPrefix(field, "/")
	if !isFieldName(t.field) {
		return term{}, "", false
	}
	op, rest, ok := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if !ok {
		return term{}, "", false
	}
	switch t.op = filterOp(op); t.op {
	case opEquals, opContains, opStarts:
	default:
		return term{}, "", false
	}
	t.value, rest, ok = parseQuoted(strings.TrimLeft(rest, " "))
	return t, rest, ok
}

func isFieldName(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return text != ""
}

// parseQuoted reads a text in double or single quotes; a backslash takes the
// next character as it is.
func parseQuoted(text string) (value, rest string, ok bool) {
	if text == "" || (text[0] != '"' && text[0] != '\'') {
		return "", "", false
	}
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return b.String(), text[i+1:], true
		case c < ' ':
			return "", "", false
		case c == '\\':
			if i++; i == len(text) || text[i] < ' ' {
				return "", "", false
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// fits reports whether what field gives for each term's field fulfils it.
// Names compare without case, as a directory does.
func fits(terms []term, field func(name string) []string) bool {
	for _, t := range terms {
		if !t.fitsAny(field(t.field)) {
			return false
		}
	}
	return true
}

func (t term) fitsAny(values []string) bool {
	want := strings.ToLower(t.value)
	for _, value := range values {
		value = strings.ToLower(value)
		switch t.op {
		case opEquals:
			if value == want {
				return true
			}
		case opContains:
			if strings.Contains(value, want) {
				return true
			}
		case opStarts:
			if strings.HasPrefix(value, want) {
				return true
			}
		}
	}
	return false
}
