package webhook

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// eventType is the variable that says why the session ended.
const eventType = "WebhookEventType"

// maxCall bounds a call's URL, header and body together once their variables are
// replaced, in bytes.
const maxCall = 256 << 10

// errLarge says that a call is larger than any may be.
var errLarge = errors.New("more than 256 KiB once the session's properties are put in")

// call is a webhook with its variables replaced.
type call struct {
	url    string
	header http.Header
	body   string
}

// render puts the properties of a session that ended into a webhook. What is no
// property stays as it stands.
func render(w realm.Webhook, x session.Session, r session.Reason) (call, error) {
	values := x.AllProperties()
	values[eventType] = r.String()
	out := call{url: expand(w.URL, values, inURL), header: http.Header{}}
	size := len(out.url)
	for name, value := range w.Headers {
		value = expand(value, values, inHeader)
		out.header.Set(name, value)
		size += len(name) + len(value)
	}
	if out.header.Get("Content-Type") == "" {
		out.header.Set("Content-Type", guess(w.Body))
	}
	out.body = expand(w.Body, values, escapeOf(out.header.Get("Content-Type")))
	if size+len(out.body) > maxCall {
		return call{}, errLarge
	}
	return out, nil
}

// guess is the type of a body whose webhook does not say it.
func guess(body string) string {
	if text := strings.TrimSpace(body); strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// escapeOf is how a value is written into a body of a type, so that it stays one
// value there.
func escapeOf(contentType string) func(string) string {
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
	case kind == "application/json", strings.HasSuffix(kind, "+json"):
		return inJSON
	case kind == "application/x-www-form-urlencoded":
		return inURL
	}
	return func(value string) string { return value }
}

// expand replaces "${name}" by the value of that name, escaped.
func expand(template string, values map[string]string, escape func(string) string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		value, known := values[name]
		if !closed || !known {
			b.WriteString("${")
			template = rest
			continue
		}
		b.WriteString(escape(value))
		template = after
	}
}

// inURL escapes all but what is never special, so that a value may stand in a
// path as well as in a query.
func inURL(value string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if (c|0x20 >= 'a' && c|0x20 <= 'z') || (c >= '0' && c <= '9') || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&0xf])
	}
	return b.String()
}

// inHeader makes a value one line.
func inHeader(value string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, value)
}

// inJSON escapes a value for the inside of a JSON string.
func inJSON(value string) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("a string does not encode: " + err.Error())
	}
	return string(raw[1 : len(raw)-1])
}
