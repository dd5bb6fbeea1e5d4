package rest

import (
	"net/url"
	"strings"
)

// query is a query string whose escapes have been checked. Reading one
// parameter allocates nothing unless the value is escaped.
type query string

// parseQuery checks size, number of parameters and escapes.
func parseQuery(raw string) (query, error) {
	if len(raw) > maxQuery {
		return "", fault{status: 414, message: "The query string is too long"}
	}
	if raw == "" {
		return "", nil
	}
	if strings.Count(raw, "&") >= maxParams {
		return "", fault{status: 400, message: "Too many query parameters"}
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			continue
		}
		if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
			return "", fault{status: 400, message: "The query string has a malformed escape"}
		}
	}
	return query(raw), nil
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// get returns the first value of a parameter, empty when there is none. Names
// are compared with case, as AM does.
func (q query) get(name string) string {
	value, _ := q.find(name)
	return value
}

// find is get that tells an empty parameter from a missing one.
func (q query) find(name string) (string, bool) {
	for rest := string(q); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, value, _ := strings.Cut(pair, "=")
		if key == name || (strings.ContainsAny(key, "%+") && unescape(key) == name) {
			return unescape(value), true
		}
	}
	return "", false
}

// all returns the parameters that are not left out, each with its values in
// order; nil when there is none.
func (q query) all(leftOut func(name string) bool) map[string][]string {
	var values map[string][]string
	for rest := string(q); rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if key = unescape(key); leftOut(key) {
			continue
		}
		if values == nil {
			values = make(map[string][]string, strings.Count(rest, "&")+1)
		}
		values[key] = append(values[key], unescape(value))
	}
	return values
}

func unescape(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return "" // parseQuery has refused malformed escapes
	}
	return strings.ToValidUTF8(plain, "\ufffd")
}
