package realm

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestDecodeWebhook(t *testing.T) {
	good := `{"url":"https://h.example:8443/p/${AMCtxId}?q=${x}","body":"${WebhookEventType}","headers":{"X-Key":"k ${x}","Content-Type":"text/plain"},"_id":"w"}`
	w, err := DecodeWebhook(json.RawMessage(good))
	if err != nil || w.URL != "https://h.example:8443/p/${AMCtxId}?q=${x}" || w.Body != "${WebhookEventType}" || len(w.Headers) != 2 {
		t.Errorf("decoded %+v, %v", w, err)
	}
	long := strings.Repeat("x", 64<<10)
	for name, body := range map[string]string{
		"not an object":                     `[]`,
		"no URL":                            `{"body":"x"}`,
		"a relative URL":                    `{"url":"/p"}`,
		"another scheme":                    `{"url":"file:///etc/passwd"}`,
		"no host":                           `{"url":"https:///p"}`,
		"a port alone":                      `{"url":"https://:80/p"}`,
		"a variable as host":                `{"url":"https://${host}/p"}`,
		"a variable in the host":            `{"url":"https://a${host}.example/p"}`,
		"a variable as port":                `{"url":"https://h:${port}/p"}`,
		"a variable as scheme":              `{"url":"${scheme}://h/p"}`,
		"a user":                            `{"url":"https://u:p@h/p"}`,
		"a fragment":                        `{"url":"https://h/p#f"}`,
		"a backslash":                       `{"url":"https://h\\@other/p"}`,
		"a space":                           `{"url":"https://h/ p"}`,
		"a line's end":                      `{"url":"https://h/\r\np"}`,
		"a long URL":                        `{"url":"https://h/` + long[:2<<10] + `"}`,
		"a long body":                       `{"url":"https://h/","body":"x` + long + `"}`,
		"a header that is none":             `{"url":"https://h/","headers":{"X Key":"k"}}`,
		"a header without a name":           `{"url":"https://h/","headers":{"":"k"}}`,
		"a header of two lines":             `{"url":"https://h/","headers":{"X-Key":"k\r\nHost: other"}}`,
		"a long header":                     `{"url":"https://h/","headers":{"X-Key":"` + long[:4<<10] + `"}}`,
		"the host as header":                `{"url":"https://h/","headers":{"hOST":"other"}}`,
		"the length as header":              `{"url":"https://h/","headers":{"Content-Length":"1"}}`,
		"a header of the proxy":             `{"url":"https://h/","headers":{"Proxy-Authorization":"x"}}`,
		"headers that are no texts":         `{"url":"https://h/","headers":{"X-Key":1}}`,
		"more headers than any may have":    `{"url":"https://h/","headers":{` + manyHeaders() + `}}`,
		"a body that is an object":          `{"url":"https://h/","body":{}}`,
		"a URL that escapes what is needed": `{"url":"https://h%20/"}`,
	} {
		var setting *SettingError
		if w, err := DecodeWebhook(json.RawMessage(body)); !errors.As(err, &setting) {
			t.Errorf("%s: %+v, %v", name, w, err)
		}
	}
}

func manyHeaders() string {
	var all []string
	for i := range maxWebhookHeaders + 1 {
		all = append(all, `"X-`+strings.Repeat("y", i)+`":"k"`)
	}
	return strings.Join(all, ",")
}

func TestWebhookNames(t *testing.T) {
	for name, good := range map[string]bool{
		"one": true, "Two words": true, "öne-2": true, "": false, "a|b": false, "a/b": false, "a\nb": false, strings.Repeat("x", 129): false,
	} {
		if err := CheckWebhookName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What is read has a host that is written out, whatever its text.
func FuzzDecodeWebhook(f *testing.F) {
	f.Add(`{"url":"https://h/${p}","body":"","headers":{"X":"y"}}`)
	f.Add(`{"url":"http://[::1]:80/"}`)
	f.Fuzz(func(t *testing.T, text string) {
		w, err := DecodeWebhook(json.RawMessage(text))
		if err != nil {
			return
		}
		authority, _, _ := strings.Cut(strings.SplitN(w.URL, "://", 2)[1], "/")
		authority, _, _ = strings.Cut(authority, "?")
		if strings.ContainsAny(authority, "$@\\ ") || authority == "" {
			t.Errorf("%q calls %q", w.URL, authority)
		}
	})
}
