package rest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"sojourn/actors/realm"
)

func TestWebhooks(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Resources.CheckWebhook = func(w realm.Webhook) error {
			if strings.HasPrefix(w.URL, "http:") {
				return errors.New("this host needs TLS")
			}
			return nil
		}
	})
	ask := func(method, name, body string) asked {
		return asked{method: method, path: "/realms/root/realms/alpha/realm-config/webhooks" + name, body: body, header: bearer(operatorToken)}
	}
	const body = `{"url":"https://h/p","body":"${WebhookEventType}","headers":{"X-Key":"k"}}`
	const shown = `{"_id":"End of it","_rev":"1","_type":{"_id":"webhooks","name":"Webhook Service","collection":true},` +
		`"body":"${WebhookEventType}","headers":{"X-Key":"k"},"url":"https://h/p"}`
	r.want("none yet", ask(http.MethodGet, "/End%20of%20it", ""), 404, `{"code":404,"reason":"Not Found","message":"Not Found"}`)
	r.want("make", ask(http.MethodPut, "/End%20of%20it", body), 201, shown)
	r.want("read", ask(http.MethodGet, "/End%20of%20it", ""), 200, shown)
	r.want("list", ask(http.MethodGet, "?_queryFilter=true", ""), 200,
		`{"result":[`+shown+`],"resultCount":1,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`)
	r.want("write again what was read", ask(http.MethodPut, "/End%20of%20it", shown), 200, strings.Replace(shown, `"1"`, `"2"`, 1))
	r.want("a URL that is none", ask(http.MethodPut, "/w", `{"url":"${x}"}`), 400,
		`{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, Url: neither http nor https"}`)
	r.want("one that is not called", ask(http.MethodPut, "/w", `{"url":"http://h/"}`), 400,
		`{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, Url: this host needs TLS"}`)
	r.want("a name that cannot be kept", ask(http.MethodPut, "/a%7Cb", body), 400,
		`{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, _id: a name has 1 to 128 bytes, none of them \"|\" or \"/\""}`)
	r.want("remove", ask(http.MethodDelete, "/End%20of%20it", ""), 200, strings.Replace(shown, `"1"`, `"2"`, 1))
	r.want("gone", ask(http.MethodDelete, "/End%20of%20it", ""), 404, `{"code":404,"reason":"Not Found","message":"Not Found"}`)
}

// A realm that is deleted takes its webhooks along.
func TestWebhooksGoWithTheirRealm(t *testing.T) {
	r := newRig(t)
	made := r.ask(asked{path: "/global-config/realms?_action=create", body: `{"name":"beta","parentPath":"/"}`, header: bearer(operatorToken)})
	if made.Code != 201 {
		t.Fatal(made.Code, made.Body)
	}
	d := realm.Document{Kind: realm.KindWebhook, Realm: "/beta", ID: "w", Body: []byte(`{"url":"https://h/"}`)}
	if _, _, err := r.docs.PutDocument(t.Context(), d, realm.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if w := r.ask(asked{method: http.MethodDelete, path: "/global-config/realms/" + realmID("/beta"), header: bearer(operatorToken)}); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	if _, err := r.docs.Document(t.Context(), realm.KindWebhook, "/beta", "w"); !errors.Is(err, realm.ErrNoDocument) {
		t.Errorf("a realm is gone, and its webhook is %v", err)
	}
}
