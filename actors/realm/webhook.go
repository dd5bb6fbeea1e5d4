package realm

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Webhook is whom to tell that a session has ended (am-contract section 7.7).
// In all of its texts "${name}" stands for a property of that session.
type Webhook struct {
	// URL is http or https. Its scheme and host have no variables: what is in a
	// session never decides who is called.
	URL string
	// Body is sent as it is once its variables are replaced.
	Body string
	// Headers are sent besides those that the request needs.
	Headers map[string]string
}

// Limits of a webhook. Sizes are bytes.
const (
	maxWebhookURL     = 2 << 10
	maxWebhookBody    = 64 << 10
	maxWebhookHeaders = 32
	maxWebhookHeader  = 4 << 10 // name and value
	maxWebhookName    = 128
)

// CheckWebhookName says what a webhook cannot be called: sessions keep the names
// of theirs in one property, with "|" between them.
func CheckWebhookName(name string) error {
	if name == "" || len(name) > maxWebhookName || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == '|' || c == '/' || c == 0x7f }) {
		return &SettingError{Attribute: "_id", Detail: fmt.Sprintf("a name has 1 to %d bytes, none of them \"|\" or \"/\"", maxWebhookName)}
	}
	return nil
}

// DecodeWebhook reads a document of KindWebhook. Members that it does not know
// are passed over. Every error is a *SettingError.
func DecodeWebhook(raw json.RawMessage) (Webhook, error) {
	var w struct {
		URL     string            `json:"url"`
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return Webhook{}, &SettingError{Attribute: "webhook", Detail: "url and body are texts, headers an object of texts"}
	}
	if err := checkWebhookURL(w.URL); err != nil {
		return Webhook{}, err
	}
	if len(w.Body) > maxWebhookBody {
		return Webhook{}, &SettingError{Attribute: "body", Detail: fmt.Sprintf("more than %d bytes", maxWebhookBody)}
	}
	if len(w.Headers) > maxWebhookHeaders {
		return Webhook{}, &SettingError{Attribute: "headers", Detail: fmt.Sprintf("more than %d", maxWebhookHeaders)}
	}
	for name, value := range w.Headers {
		if err := checkWebhookHeader(name, value); err != nil {
			return Webhook{}, err
		}
	}
	return Webhook{URL: w.URL, Body: w.Body, Headers: w.Headers}, nil
}

// checkWebhookURL refuses what would leave open who is called, or would be read
// in two ways.
func checkWebhookURL(text string) error {
	wrong := func(detail string) error { return &SettingError{Attribute: "url", Detail: detail} }
	if len(text) > maxWebhookURL {
		return wrong(fmt.Sprintf("more than %d bytes", maxWebhookURL))
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) {
		return wrong("a space, a backslash or a control character")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return wrong("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return wrong("neither http nor https")
	case u.Hostname() == "" || u.User != nil || u.Fragment != "" || strings.Contains(u.Host, "$"):
		return wrong("it needs a host without variables, and no user or fragment")
	}
	return nil
}

func checkWebhookHeader(name, value string) error {
	wrong := func(detail string) error { return &SettingError{Attribute: "headers", Detail: detail} }
	for i := range len(name) {
		c := name[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return wrong("a name is not one of HTTP")
		}
	}
	switch lower := strings.ToLower(name); {
	case name == "" || len(name)+len(value) > maxWebhookHeader:
		return wrong(fmt.Sprintf("an empty name, or more than %d bytes", maxWebhookHeader))
	case forbiddenHeader(lower):
		return wrong(lower + " belongs to the connection")
	case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
		return wrong("a control character in the value of " + lower)
	}
	return nil
}

// forbiddenHeader says which header lines are about the connection or the framing
// of the request, not about its content.
func forbiddenHeader(lower string) bool {
	switch lower {
	case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect":
		return true
	}
	return strings.HasPrefix(lower, "proxy-")
}
