package rest

import (
	"net/http"
	"strings"
	"testing"
)

func TestEmailTemplates(t *testing.T) {
	r := newRig(t)
	ask := func(method, name, body string) asked {
		return asked{method: method, path: "/realms/root/realms/alpha/realm-config/emailTemplates" + name, body: body, header: bearer(operatorToken)}
	}
	const body = `{"_id":"emailTemplate/welcome","subject":{"en":"Hi {{object.givenName}}"},"message":{"en":"<p>x</p>"},"styles":"a{}"}`
	const shown = `{"_id":"welcome","_rev":"1","_type":{"_id":"emailTemplates","name":"Email Templates","collection":true},` +
		`"message":{"en":"<p>x</p>"},"styles":"a{}","subject":{"en":"Hi {{object.givenName}}"}}`
	const missing = `{"code":404,"reason":"Not Found","message":"Not Found"}`
	r.want("none yet", ask(http.MethodGet, "/welcome", ""), 404, missing)
	r.want("make", ask(http.MethodPut, "/welcome", body), 201, shown)
	r.want("read", ask(http.MethodGet, "/welcome", ""), 200, shown)
	r.want("list", ask(http.MethodGet, "?_queryFilter=true", ""), 200,
		`{"result":[`+shown+`],"resultCount":1,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`)
	r.want("write again what was read", ask(http.MethodPut, "/welcome", shown), 200, strings.Replace(shown, `"1"`, `"2"`, 1))
	r.want("what no mail can be made of", ask(http.MethodPut, "/x", `{"subject":{"en":"x"},"message":{"en":"{{#if a}}"}}`), 400,
		`{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, Message.en: {{#if a}} is no value: only those such as {{object.givenName}} are known"}`)
	r.want("a sender with a header", ask(http.MethodPut, "/x", `{"from":"a@b.example\nBcc: c@d.example","subject":{"en":"x"},"message":{"en":"x"}}`), 400,
		`{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, From: a control character"}`)
	r.want("a name that cannot be kept", ask(http.MethodPut, "/a%5Cb", body), 400,
		`{"code":400,"reason":"Bad Request","message":"Data validation failed for the attribute, _id: a name has 1 to 128 bytes, no slash and no control character"}`)
	r.want("remove", ask(http.MethodDelete, "/welcome", ""), 200, strings.Replace(shown, `"1"`, `"2"`, 1))
	r.want("gone", ask(http.MethodDelete, "/welcome", ""), 404, missing)
}
