package actors

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/mail"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// outbox is a Mailer that keeps what it is given.
type outbox struct {
	mu    sync.Mutex
	mails []mail.Message
	err   error
}

func (o *outbox) Send(m mail.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.mails = append(o.mails, m)
	}
	return o.err
}

func TestSendMail(t *testing.T) {
	docs, box := &memoryDocuments{}, &outbox{}
	docs.put(realm.KindEmailTemplate, "welcome", `{"defaultLocale":"fr","from":"A <a@b.example>",
		"subject":{"en":"Hello {{object.givenName}}","fr":"Bonjour"},"message":{"en":"<p>{{object.link}}</p>","fr":"<p>bonjour</p>"}}`)
	docs.put(realm.KindEmailTemplate, "off", `{"enabled":false,"subject":{"en":"x"},"message":{"en":"x"}}`)
	docs.put(realm.KindEmailTemplate, "broken", `{"subject":{"en":"x"},"message":{"en":"{{#if x}}"}}`)
	e := &effects{mailer: box, documents: docs, logger: slog.New(slog.DiscardHandler)}
	once := Once{Journey: journey.ID{1}, Step: 2, Digest: digest{3}, Until: time.Now().Add(time.Minute)}
	send := func(o Once, s node.SendMail) (node.MailSent, error) {
		result, err := e.run(t.Context(), o, realm.Root, s)
		sent, _ := result.(node.MailSent)
		return sent, err
	}
	to := func(template, address string, locales ...string) node.SendMail {
		return node.SendMail{To: address, Template: template, Locales: locales, Values: map[string]any{"givenName": "Ann", "link": mail.Secret("https://x/?a&b")}}
	}

	for _, locale := range []string{"en-GB", "de"} {
		if sent, err := send(once, to("welcome", "ann@example.com", locale)); err != nil || !sent.OK {
			t.Fatalf("%s: %+v, %v", locale, sent, err)
		}
	}
	english, french := box.mails[0], box.mails[1]
	if english.Subject != "Hello Ann" || english.Body != "<p>https://x/?a&amp;b</p>" || english.From != "A <a@b.example>" || french.Body != "<p>bonjour</p>" {
		t.Errorf("sent %q %q %q, %q", english.Subject, english.Body, english.From, french.Body)
	}
	if english.ID == "" || english.ID != french.ID {
		t.Errorf("the same mail of a step that was run again is %q, then %q", english.ID, french.ID)
	}
	others := []Once{{Journey: journey.ID{2}, Step: 2, Digest: digest{3}}, {Journey: journey.ID{1}, Step: 3, Digest: digest{3}}, {Journey: journey.ID{1}, Step: 2, Digest: digest{4}}}
	for _, o := range others {
		if _, err := send(o, to("welcome", "ann@example.com", "en")); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[string]bool{}
	for _, m := range box.mails {
		ids[m.ID] = true
	}
	if len(ids) != 1+len(others) {
		t.Errorf("%d names for %d mails", len(ids), 1+len(others))
	}

	before := len(box.mails)
	for name, c := range map[string]struct {
		mail  node.SendMail
		fault string
	}{
		"no template":             {to("nothing", "ann@example.com"), "no template"},
		"switched off":            {to("off", "ann@example.com"), "switched off"},
		"broken":                  {to("broken", "ann@example.com"), "is no value"},
		"no address":              {to("welcome", "ann"), ""},
		"a header in the address": {to("welcome", "ann@example.com\r\nBcc: bob@example.com"), ""},
		"two addresses":           {to("welcome", "ann@example.com, bob@example.com"), ""},
	} {
		sent, err := send(once, c.mail)
		if err != nil || sent.OK || (c.fault == "") != (sent.Fault == "") || !strings.Contains(sent.Fault, c.fault) {
			t.Errorf("%s: %+v, %v", name, sent, err)
		}
	}
	if len(box.mails) != before {
		t.Error("one of these was sent")
	}
	var away *session.UnavailableError
	box.err = &session.UnavailableError{Reason: "full"}
	if _, err := send(once, to("welcome", "ann@example.com")); !errors.As(err, &away) {
		t.Errorf("a full queue: %v", err)
	}
	e.mailer = nil
	if sent, err := send(once, to("welcome", "ann@example.com")); err != nil || !strings.Contains(sent.Fault, "mail.host") {
		t.Errorf("without a server: %+v, %v", sent, err)
	}
	e.mailer, e.documents = box, failingDocuments{docs}
	if _, err := send(once, to("welcome", "ann@example.com")); !errors.As(err, &away) {
		t.Errorf("the store is away: %v", err)
	}
	if len(box.mails) != before {
		t.Error("a mail was sent in spite of that")
	}
}

// failingDocuments is a store that is away.
type failingDocuments struct{ *memoryDocuments }

func (failingDocuments) Document(context.Context, realm.DocumentKind, realm.Name, string) (realm.Document, error) {
	return realm.Document{}, &session.UnavailableError{Reason: "no quorum"}
}
