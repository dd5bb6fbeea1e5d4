package actors

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"sojourn/actors/mail"
	"sojourn/actors/node"
	"sojourn/actors/realm"
)

// Mailer takes mails to be sent.
type Mailer interface {
	// Send takes a mail over; it does not wait until the mail has arrived, so
	// that nobody can tell by the time who was written to. The error is a
	// *session.UnavailableError when too many mails wait.
	Send(m mail.Message) error
}

// sendMail makes a mail of a realm's template and hands it over. A step that is
// run again sends the mail again, under the same id: mail programs take the two
// for one, and so does a member that has just sent it.
func (e *effects) sendMail(ctx context.Context, once Once, r realm.Name, s node.SendMail) (node.Result, error) {
	if e.mailer == nil {
		return node.MailSent{Fault: "no mail server is configured (mail.host)"}, nil
	}
	template, err := e.template(ctx, r, s.Template)
	fault, refused := errors.AsType[*templateError](err)
	switch {
	case refused:
		return node.MailSent{Fault: fault.Error()}, nil
	case err != nil:
		return nil, err
	case mail.CheckAddress(s.To) != nil:
		return node.MailSent{}, nil
	}
	locales := append(append([]string(nil), s.Locales...), template.DefaultLocale)
	m := template.Message(s.To, func(texts map[string]string) string { return node.Localise(texts, locales, "") }, s.Values)
	id := once.mark("mail", string(r), s.Template, s.To)
	m.ID = hex.EncodeToString(id[:])
	if err := e.mailer.Send(m); err != nil {
		return nil, err
	}
	return node.MailSent{OK: true}, nil
}

// templateError says why a realm has no such template.
type templateError struct{ text string }

func (f *templateError) Error() string { return f.text }

// template reads a realm's template: it is asked for rarely, and small.
func (e *effects) template(ctx context.Context, r realm.Name, name string) (mail.Template, error) {
	d, err := e.documents.Document(ctx, realm.KindEmailTemplate, r, name)
	if errors.Is(err, realm.ErrNoDocument) {
		return mail.Template{}, &templateError{fmt.Sprintf("the realm has no template %q", name)}
	}
	if err != nil {
		return mail.Template{}, err
	}
	t, err := mail.Decode(d.Body)
	switch {
	case err != nil:
		return t, &templateError{fmt.Sprintf("template %q: %v", name, err)}
	case !t.Enabled:
		return t, &templateError{fmt.Sprintf("template %q is switched off", name)}
	}
	return t, nil
}
