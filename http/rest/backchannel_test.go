package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"sojourn/actors/callback"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/actors/transaction"
	"sojourn/cts/session"
)

// oneTransaction keeps one transaction under one id.
type oneTransaction struct {
	id  transaction.ID
	has transaction.Transaction
}

func (o *oneTransaction) Initiate(_ context.Context, r realm.Name, q transaction.Request) (transaction.ID, error) {
	o.has = transaction.New(r, q)
	return o.id, nil
}

func (o *oneTransaction) Transaction(_ context.Context, r realm.Name, id transaction.ID) (transaction.Transaction, error) {
	if id != o.id || r != o.has.Realm {
		return transaction.Transaction{}, transaction.ErrUnknown
	}
	return o.has, nil
}

func (o *oneTransaction) Begin(_ context.Context, r realm.Name, id transaction.ID, x *session.Session) (string, journey.Transaction, error) {
	if id != o.id {
		return "", journey.Transaction{}, transaction.ErrUnknown
	}
	var err error
	o.has, err = o.has.Begin(r, x)
	return o.has.Request.Tree, journey.Transaction{Key: id.Key(), User: o.has.User(x), Known: x != nil}, err
}

// asking begins any journey with a question, and ends it in an approval.
type asking struct{ started journey.StartRequest }

func (a *asking) Start(_ context.Context, r journey.StartRequest) (journey.Reply, error) {
	a.started = r
	return journey.Reply{Realm: r.Realm, Ref: journey.Ref{Realm: r.Realm, Step: 1, Started: noon, Expires: noon.Add(1e11)}, Ask: &journey.Ask{
		Callbacks: []callback.Callback{callback.NewName("Name", "")},
	}}, nil
}

func (a *asking) Resume(_ context.Context, r journey.ResumeRequest) (journey.Reply, error) {
	return journey.Reply{Realm: r.Ref.Realm, Done: &journey.Done{Success: true, URL: "/paid", NoSession: true, Transaction: true}}, nil
}

func (a *asking) ResumeSuspended(context.Context, journey.ResumeSuspendedRequest) (journey.Reply, error) {
	return journey.Reply{}, errors.New("nothing is suspended")
}

func TestBackChannel(t *testing.T) {
	one, runs := &oneTransaction{id: transaction.ID{6: 0x40, 8: 0x80, 15: 1}}, &asking{}
	r := newRig(t, func(c *Config) { c.Transactions, c.Journeys = one, runs })
	const (
		base = "/realms/root/realms/alpha/authenticate/backchannel/"
		id   = "00000000-0000-4000-8000-000000000001"
	)
	user, _ := r.login("/alpha", "demo")
	admin, _ := r.login("/", "admin", asAdmin)
	ask := func(name, body string, token session.TokenID) asked {
		return asked{path: base + name, cookie: token, body: body}
	}
	const wanted = `{"type":"service","value":"Pay","subject":{"type":"user","name":"demo"},"data":{"amount":5},"trackingId":"order-7"}`
	for name, token := range map[string]session.TokenID{"a stranger": "", "a user": user} {
		want := 401
		if token != "" {
			want = 403
		}
		for _, what := range []string{"initialize", "info"} {
			if w := r.ask(ask(what, wanted, token)); w.Code != want {
				t.Errorf("%s, %s: %d %s", name, what, w.Code, w.Body)
			}
		}
	}
	r.want("initialize", ask("initialize", wanted, admin), 200, `{"transaction":"`+id+`",`+
		`"redirectUri":"/am/XUI/?authIndexType=transaction&authIndexValue=`+id+`&realm=%2Falpha"}`)
	info := func(state, result string) string {
		return `{"state":"` + state + `","result":"` + result + `","auditTrackingIds":["order-7"],"type":"service","value":"Pay",` +
			`"subject":{"type":"user","name":"demo"},"sessionProperties":{}}`
	}
	asks := `{"transaction":"` + id + `"}`
	r.want("info", ask("info", asks, admin), 200, info("CREATED", "UNKNOWN"))
	for name, body := range map[string]string{
		"no type": `{"value":"Pay"}`, "no tree": `{"type":"service"}`, "no name": `{"type":"service","value":"Pay","subject":{"type":"user"}}`,
		"another subject": `{"type":"service","value":"Pay","subject":{"type":"group","name":"x"}}`,
		"a session":       `{"type":"service","value":"Pay","session":"x"}`, "data": `{"type":"service","value":"Pay","data":[]}`,
		"a record's name": `{"type":"service","value":"Pay","trackingId":"a b"}`, "not JSON": `{`,
	} {
		if w := r.ask(ask("initialize", body, admin)); w.Code != 400 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, a := range map[string]asked{
		"nothing of that name": ask("other", wanted, admin), "nothing below": {path: "/authenticate/other", body: wanted, cookie: admin},
	} {
		if w := r.ask(a); w.Code != 404 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := r.ask(ask("info", `{"transaction":"`+strings.Replace(id, "1", "2", 1)+`"}`, admin)); w.Code != 400 {
		t.Errorf("an unknown one: %d %s", w.Code, w.Body)
	}

	const authenticate = "/realms/root/realms/alpha/authenticate"
	begin := authenticate + "?authIndexType=transaction&authIndexValue=" + id
	w := r.ask(asked{path: begin, cookie: user})
	if got := runs.started; w.Code != 200 || got.Tree != "Pay" || got.Transaction == nil || got.Transaction.User != "demo" || !got.Transaction.Known || !got.ForceAuth {
		t.Fatalf("begun: %d %s, %+v", w.Code, w.Body, got)
	}
	authID, _, _ := strings.Cut(strings.TrimPrefix(w.Body.String(), `{"authId":"`), `"`)
	answer := `{"authId":"` + authID + `","callbacks":[{"type":"NameCallback","input":[{"name":"IDToken1","value":"x"}]}]}`
	r.want("approved: the session stays", asked{path: authenticate, cookie: user, body: answer}, 200,
		`{"tokenId":"`+string(user)+`","successUrl":"/paid","realm":"/alpha"}`)
	r.want("approved without a session", asked{path: authenticate, body: answer}, 200, `{"successUrl":"/paid","realm":"/alpha"}`)

	advised := authenticate + "?authIndexType=composite_advice&authIndexValue=%3CAdvices%3E%3CAttributeValuePair%3E%3CAttribute%20name%3D%22TransactionConditionAdvice%22%2F%3E%3CValue%3E" +
		id + "%3C%2FValue%3E%3C%2FAttributeValuePair%3E%3C%2FAdvices%3E"
	runs.started = journey.StartRequest{}
	if w := r.ask(asked{path: advised, cookie: user}); w.Code != 200 || runs.started.Transaction == nil {
		t.Errorf("by advice: %d %s", w.Code, w.Body)
	}
	other, _ := r.login("/alpha", "other")
	r.want("as another user", asked{path: begin, cookie: other}, 401, `{"code":401,"reason":"Unauthorized","message":"the transaction is for another session"}`)
	one.has, _ = one.has.Settle(true, map[string]string{"a": "b"}, "x")
	r.want("over", asked{path: begin, cookie: user}, http.StatusBadRequest, `{"code":400,"reason":"Bad Request","message":"the transaction is not known, or is over"}`)
	r.want("info of it", ask("info", asks, admin), 200, strings.Replace(info("COMPLETED", "APPROVED"), `{}`, `{"a":"b"}`, 1))

	off := newRig(t)
	off.want("where there are none", asked{path: begin}, 400, `{"code":400,"reason":"Bad Request","message":"Authentication Type Denied"}`)
}
