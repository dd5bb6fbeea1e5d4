package webhook

import (
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

func aSession(properties map[string]string) session.Session {
	return session.Session{
		Principal: session.Principal{Realm: "/alpha", Username: "bjensen", UniversalID: "id=bjensen,ou=user,o=alpha"},
		AuthLevel: 5, Properties: properties,
	}
}

func TestRender(t *testing.T) {
	x := aSession(map[string]string{"AMCtxId": "ctx-1", "path": "a/b?c=d&e", "evil": "x\r\nHost: other", "quote": `"},{"`})
	for _, tt := range []struct {
		name    string
		webhook realm.Webhook
		want    call
	}{
		{
			"nothing to replace",
			realm.Webhook{URL: "https://h/p", Body: "ended"},
			call{url: "https://h/p", body: "ended"},
		},
		{
			"properties, stored and derived, and the reason",
			realm.Webhook{URL: "https://h/p", Body: "${AMCtxId} ${UserId} ${AuthLevel} ${WebhookEventType}"},
			call{url: "https://h/p", body: "ctx-1 bjensen 5 LOGOUT"},
		},
		{
			"what is unknown stays",
			realm.Webhook{URL: "https://h/p", Body: "${nothing} ${ ${AMCtxId} $${AMCtxId} ${AMCtxId"},
			call{url: "https://h/p", body: "${nothing} ${ ctx-1 $ctx-1 ${AMCtxId"},
		},
		{
			"a value in a path and a query",
			realm.Webhook{URL: "https://h/${path}?q=${path}&r=${evil}"},
			call{url: "https://h/a%2Fb%3Fc%3Dd%26e?q=a%2Fb%3Fc%3Dd%26e&r=x%0D%0AHost%3A%20other"},
		},
		{
			"a value in JSON",
			realm.Webhook{URL: "https://h/p", Body: `{"q":"${quote}","l":${AuthLevel}}`},
			call{url: "https://h/p", body: `{"q":"\"},{\"","l":5}`},
		},
		{
			"a value in a form",
			realm.Webhook{URL: "https://h/p", Body: "q=${path}", Headers: map[string]string{"content-type": "application/x-www-form-urlencoded"}},
			call{url: "https://h/p", body: "q=a%2Fb%3Fc%3Dd%26e"},
		},
		{
			"a value in a header",
			realm.Webhook{URL: "https://h/p", Headers: map[string]string{"X-Who": "${evil}"}},
			call{url: "https://h/p", header: map[string][]string{"X-Who": {"x  Host: other"}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := render(tt.webhook, x, session.Logout)
			if err != nil || got.url != tt.want.url || got.body != tt.want.body {
				t.Errorf("rendered %+v, %v; want %+v", got, err, tt.want)
			}
			for name, want := range tt.want.header {
				if got.header.Get(name) != want[0] {
					t.Errorf("%s is %q, want %q", name, got.header.Get(name), want[0])
				}
			}
		})
	}
	large := realm.Webhook{URL: "https://h/p", Body: strings.Repeat("${long}", 100)}
	if _, err := render(large, aSession(map[string]string{"long": strings.Repeat("x", 4<<10)}), session.Logout); err == nil {
		t.Error("a call of 400 KiB is made")
	}
}

func TestContentType(t *testing.T) {
	for body, want := range map[string]string{
		` {"a":1}`: "application/json", "[1]": "application/json", "": "text/plain; charset=utf-8", "a=b": "text/plain; charset=utf-8",
	} {
		c, err := render(realm.Webhook{URL: "https://h/", Body: body}, aSession(nil), session.Logout)
		if err != nil || c.header.Get("Content-Type") != want {
			t.Errorf("%q is sent as %q, %v", body, c.header.Get("Content-Type"), err)
		}
	}
}

// Whatever is in a session, its values stay values: the host is the webhook's, the
// query has as many parameters as in the webhook, JSON has as many members, and a
// header line is one.
func TestValuesStayValues(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.String().Draw(rt, "value")
		x := aSession(map[string]string{"p": value})
		c, err := render(realm.Webhook{
			URL: "https://host.example/a/${p}/b?q=${p}&r=1", Body: `{"p":"${p}","n":1}`, Headers: map[string]string{"X-P": "${p}"},
		}, x, session.Destroyed)
		if err != nil {
			rt.Fatal(err)
		}
		u, err := url.Parse(c.url)
		if err != nil || u.Host != "host.example" || len(u.Query()) != 2 || u.Query().Get("q") != value || u.Path != "/a/"+value+"/b" {
			rt.Fatalf("the URL is %q, %v", c.url, err)
		}
		var body map[string]any
		if err := json.Unmarshal([]byte(c.body), &body); err != nil || len(body) != 2 || body["p"] != strings.ToValidUTF8(value, "\ufffd") {
			rt.Fatalf("the body is %q, %v", c.body, err)
		}
		if strings.ContainsAny(c.header.Get("X-P"), "\r\n\x00") || len(c.header) != 2 {
			rt.Fatalf("the header is %q", c.header)
		}
	})
}

// Expanding is what the slow twin does, which replaces one known name after the
// other in a text whose values hold no variable.
func TestExpandIsReplacement(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := rapid.MapOf(rapid.StringMatching(`[a-c.]{1,3}`), rapid.StringMatching(`[x-z]*`)).Draw(rt, "values")
		template := rapid.StringMatching(`([a-c.$]|\$\{[a-c.]{1,3}\}){0,20}`).Draw(rt, "template")
		want := template
		for name, value := range maps.All(values) {
			want = strings.ReplaceAll(want, "${"+name+"}", value)
		}
		if got := expand(template, values, func(v string) string { return v }); got != want {
			rt.Fatalf("%q became %q, want %q", template, got, want)
		}
	})
}
