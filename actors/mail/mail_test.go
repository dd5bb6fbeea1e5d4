package mail_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"sojourn/actors/mail"
)

// registration is a template as frodo exports one.
const registration = `{"_id":"emailTemplate/registration","defaultLocale":"en","enabled":true,"from":"","mimeType":"text/html",
	"styles":"a{color:red}","subject":{"en":"Welcome {{object.givenName}}","fr":"Bienvenue"},
	"html":{"en":"<p>source</p>"},
	"message":{"en":"<p>{{ object.givenName }}, <a href=\"{{object.resumeURI}}\">go on</a></p>","fr":"<p>{{{object.givenName}}}</p>"}}`

func decode(t testing.TB, text string) mail.Template {
	t.Helper()
	template, err := mail.Decode(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func in(locale string) func(map[string]string) string {
	return func(texts map[string]string) string { return texts[locale] }
}

func TestMessage(t *testing.T) {
	template := decode(t, registration)
	values := map[string]any{"givenName": "Ann <b>&\"'", "resumeURI": mail.Secret("https://a.example/?x=1&y=2")}
	m := template.Message("ann@example.com", in("en"), values)
	if want := "Welcome Ann <b>&\"'"; m.Subject != want {
		t.Errorf("subject %q, want %q", m.Subject, want)
	}
	want := `<p>Ann &lt;b&gt;&amp;&#34;&#39;, <a href="https://a.example/?x=1&amp;y=2">go on</a></p>`
	if m.Body != want || !m.HTML || m.To != "ann@example.com" || m.From != "" {
		t.Errorf("message %q, HTML %v, to %q, from %q", m.Body, m.HTML, m.To, m.From)
	}
	if m = template.Message("a@b.example", in("fr"), values); m.Body != "<p>Ann &lt;b&gt;&amp;&#34;&#39;</p>" {
		t.Errorf("three braces: %q", m.Body)
	}
	plain := decode(t, `{"mimeType":"text/plain","subject":{"en":"{{object.n}} {{object.b}} {{object.l}} {{object.o.x}} {{object.none}}."},"html":{"en":"{{object.s}}"}}`)
	m = plain.Message("a@b.example", in("en"), map[string]any{
		"n": 1.5, "b": true, "l": []any{"x", 2.0}, "o": map[string]any{"x": "y"}, "s": "<a>\r\n.\r\nb",
	})
	if m.Subject != "1.5 true x, 2 y ." || m.Body != "<a> . b" {
		t.Errorf("subject %q, body %q", m.Subject, m.Body)
	}
	if text := fmt.Sprintf("%v %+v %#v %v", m, &m, m, mail.Secret("s3cret")); strings.Contains(text, "<a>") || strings.Contains(text, "s3cret") {
		t.Errorf("a message is printed: %s", text)
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, text, member string }{
		{"not an object", `[]`, "template"},
		{"texts that are none", `{"subject":{"en":1}}`, "template"},
		{"no subject", `{"message":{"en":"x"}}`, "subject"},
		{"no message", `{"subject":{"en":"x"}}`, "message"},
		{"another language", `{"mimeType":"text/markdown","subject":{"en":"x"},"message":{"en":"x"}}`, "mimeType"},
		{"a block", `{"subject":{"en":"x"},"message":{"en":"{{#if object.a}}x{{/if}}"}}`, "message.en"},
		{"a helper", `{"subject":{"en":"x"},"message":{"en":"{{upper object.a}}"}}`, "message.en"},
		{"an end missing", `{"subject":{"en":"{{object.a"},"message":{"en":"x"}}`, "subject.en"},
		{"a header in the sender", `{"from":"a@b.example\r\nBcc: c@d.example","subject":{"en":"x"},"message":{"en":"x"}}`, "from"},
		{"a sender that is none", `{"from":"nobody","subject":{"en":"x"},"message":{"en":"x"}}`, "from"},
		{"too long", `{"subject":{"en":"x"},"message":{"en":"` + strings.Repeat("a", 300_000) + `"}}`, "message.en"},
		{"too many values", `{"subject":{"en":"x"},"message":{"en":"` + strings.Repeat("{{object.a}}", 1100) + `"}}`, "message.en"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mail.Decode(json.RawMessage(tt.text))
			var fault *mail.TemplateError
			if !errors.As(err, &fault) || fault.Member != tt.member {
				t.Errorf("got %v, want a fault of %s", err, tt.member)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"ann@example.com": true, "a.b+c@sub.example.com": true, "ann@münchen.example": true,
		"": false, "ann": false, "ann@": false, "@example.com": false, "Ann <ann@example.com>": false, "<ann@example.com>": false,
		"ann@example.com, bob@example.com": false, "ann@example.com\r\nBcc: bob@example.com": false, "ann@example.com\n": false,
		" ann@example.com": false, "ann@example.com(x)": false, strings.Repeat("a", 250) + "@b.example": false,
	} {
		if err := mail.CheckAddress(text); (err == nil) != want {
			t.Errorf("CheckAddress(%q) = %v", text, err)
		}
	}
	for text, want := range map[string]bool{
		"Accounts <no-reply@example.com>": true, "no-reply@example.com": true,
		"": false, "Accounts": false, "a@b.example, c@d.example": false, "A <a@b.example>\r\nX: y": false,
	} {
		if err := mail.CheckSender(text); (err == nil) != want {
			t.Errorf("CheckSender(%q) = %v", text, err)
		}
	}
}

// Whatever a value is, it stays a text: in HTML it is what was given once the
// escapes are undone, in a header it is on one line.
func TestValuesStayTexts(t *testing.T) {
	const before, after = `<a href="`, `">x</a>`
	template := decode(t, `{"subject":{"en":"Hi {{object.v}}"},"message":{"en":"<a href=\"{{object.v}}\">x</a>"}}`)
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("<>\"'&{}\r\n\x00\u2028a")))).Draw(t, "value")
		m := template.Message("a@b.example", in("en"), map[string]any{"v": v})
		inside := strings.TrimSuffix(strings.TrimPrefix(m.Body, before), after)
		if strings.ContainsAny(inside, `<>"'`) || html.UnescapeString(inside) != v {
			t.Fatalf("%q became %q", v, m.Body)
		}
		if strings.ContainsAny(m.Subject, "\r\n\x00\u2028") || !utf8.ValidString(m.Subject) || len(m.Subject) > 500 {
			t.Fatalf("%q became the subject %q", v, m.Subject)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(registration)
	f.Add(`{"mimeType":"text/plain","subject":{"en":"{{object.a}}"},"html":{"en":"{{{object.b.c}}}"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		template, err := mail.Decode(json.RawMessage(text))
		if err != nil {
			return
		}
		m := template.Message("a@b.example", in("en"), map[string]any{"a": "<\r\n>", "givenName": "<\r\n>"})
		if strings.ContainsAny(m.Subject, "\r\n") {
			t.Fatalf("the subject is %q", m.Subject)
		}
	})
}
