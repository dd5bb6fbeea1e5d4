package mail

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Template is a mail without its values. In its texts "{{object.name}}" stands
// for a value; there is nothing else of the template language, in particular no
// way to put a value in unescaped.
type Template struct {
	Enabled bool
	// From is empty for the sender's own.
	From string
	// DefaultLocale is the language for readers whose own is not there.
	DefaultLocale string
	// Subjects and Bodies are by language.
	Subjects, Bodies map[string]string
	HTML             bool
}

// TemplateError says what is wrong with a template, and where.
type TemplateError struct{ Member, Detail string }

func (e *TemplateError) Error() string { return "email template: " + e.Member + ": " + e.Detail }

// CheckName says what a template cannot be called.
func CheckName(name string) error {
	if name == "" || len(name) > maxName || !printable(name) || strings.ContainsAny(name, "/\\") {
		return &TemplateError{"_id", fmt.Sprintf("a name has 1 to %d bytes, no slash and no control character", maxName)}
	}
	return nil
}

// Decode reads a template in the form in which IDM shows it and frodo exports
// it. Members that mean nothing here, such as styles, are passed over. Every
// error is a *TemplateError.
func Decode(raw json.RawMessage) (Template, error) {
	var t struct {
		Enabled       *bool             `json:"enabled"`
		From          string            `json:"from"`
		DefaultLocale string            `json:"defaultLocale"`
		MimeType      string            `json:"mimeType"`
		Subject       map[string]string `json:"subject"`
		Message       map[string]string `json:"message"`
		HTML          map[string]string `json:"html"`
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return Template{}, &TemplateError{"template", "subject, message and html are objects of texts by language, enabled is true or false"}
	}
	// message is html with the styles written into it; older templates have no
	// html, and some new ones no message.
	out := Template{
		Enabled: t.Enabled == nil || *t.Enabled, From: strings.TrimSpace(t.From), DefaultLocale: t.DefaultLocale,
		Subjects: t.Subject, Bodies: t.Message, HTML: cmp.Or(t.MimeType, "text/html") == "text/html",
	}
	if len(out.Bodies) == 0 {
		out.Bodies = t.HTML
	}
	return out, out.check(t.MimeType)
}

func (t Template) check(mimeType string) error {
	if t.From != "" {
		if err := CheckSender(t.From); err != nil {
			return &TemplateError{"from", err.Error()}
		}
	}
	if !t.HTML && mimeType != "text/plain" {
		return &TemplateError{"mimeType", "it is text/html or text/plain"}
	}
	for _, m := range []struct {
		name  string
		texts map[string]string
	}{{"subject", t.Subjects}, {"message", t.Bodies}} {
		if len(m.texts) == 0 || len(m.texts) > maxTexts {
			return &TemplateError{m.name, fmt.Sprintf("it needs 1 to %d languages", maxTexts)}
		}
		for _, locale := range slices.Sorted(maps.Keys(m.texts)) {
			if err := checkText(m.texts[locale]); err != nil {
				return &TemplateError{m.name + "." + cut(locale, 20), err.Error()}
			}
		}
	}
	return nil
}

func checkText(text string) error {
	if len(text) > maxTemplate {
		return fmt.Errorf("more than %d bytes", maxTemplate)
	}
	variables := 0
	return expand(text, func(string) {}, func(string) { variables++ }, &variables)
}

// expand takes a text apart: what stands between variables, and their names.
func expand(text string, literal, variable func(string), count *int) error {
	for {
		before, rest, more := strings.Cut(text, "{{")
		literal(before)
		if !more {
			return nil
		}
		braces := "}}"
		if strings.HasPrefix(rest, "{") { // unescaped elsewhere; here it is as any other
			rest, braces = rest[1:], "}}}"
		}
		name, after, closed := strings.Cut(rest, braces)
		name = strings.TrimSpace(name)
		if !closed || !isPath(name) {
			return fmt.Errorf("{{%s}} is no value: only those such as {{object.givenName}} are known", cut(name, 50))
		}
		if *count > maxVariables {
			return fmt.Errorf("more than %d values", maxVariables)
		}
		variable(name)
		text = after
	}
}

// isPath reports whether a name is one of a value: words with dots between
// them.
func isPath(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return false
		}
	}
	return true
}

// Secret is a value that prints as [redacted], such as a link that lets its
// holder in.
type Secret string

func (Secret) String() string   { return redacted }
func (Secret) GoString() string { return redacted }

// Message makes a mail to an address, which has been checked. choose picks the
// best text for the reader, and values are what "object" means: texts, numbers,
// truth values, lists and objects of those. What is not there is empty. A value
// can neither begin a header nor an element.
func (t Template) Message(to string, choose func(texts map[string]string) string, values map[string]any) Message {
	root := map[string]any{"object": values}
	m := Message{To: to, From: t.From, HTML: t.HTML}
	m.Subject = line(fill(choose(t.Subjects), root, func(v string) string { return v }))
	if t.HTML {
		m.Body = fill(choose(t.Bodies), root, html.EscapeString)
	} else {
		m.Body = fill(choose(t.Bodies), root, line)
	}
	return m
}

func fill(text string, root map[string]any, escape func(string) string) string {
	var b strings.Builder
	count := 0
	// A template is checked when it is decoded; what cannot be read is left out.
	_ = expand(text, func(s string) { b.WriteString(s) }, func(path string) {
		b.WriteString(escape(cut(shown(lookup(root, path)), maxValue)))
	}, &count)
	return b.String()
}

func lookup(at any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[part]
	}
	return at
}

// shown is a value as a reader sees it.
func shown(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case Secret:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		parts := make([]string, 0, min(len(v), maxTexts))
		for _, part := range v[:min(len(v), maxTexts)] {
			parts = append(parts, shown(part))
		}
		return strings.Join(parts, ", ")
	}
	return ""
}
