package rest

import (
	"encoding/json"

	"sojourn/actors/mail"
	"sojourn/actors/realm"
)

// Email templates are documents of a realm in the form that IDM, which keeps
// them beside AM, gives them. They have a path of our own: AM has none.

func showEmailTemplate(d realm.Document) (json.RawMessage, error) {
	return withMeta(d.Body, d.ID, d.Rev, amType{ID: "emailTemplates", Name: "Email Templates", Collection: true})
}

func queryEmailTemplates(c *call) error {
	documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindEmailTemplate, c.realm)
	if err != nil {
		return err
	}
	bodies := make([][]byte, len(documents))
	for i, d := range documents {
		if bodies[i], err = showEmailTemplate(d); err != nil {
			return err
		}
	}
	return c.list(bodies)
}

func readEmailTemplate(c *call) error {
	d, err := c.h.cfg.Resources.Documents.Document(c.context(), realm.KindEmailTemplate, c.realm, c.lastPart())
	if err != nil {
		return err
	}
	body, err := showEmailTemplate(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}

// putEmailTemplate stores a template that a mail can be made of.
func putEmailTemplate(c *call) error {
	name := c.lastPart()
	if err := mail.CheckName(name); err != nil {
		return err
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if _, err := mail.Decode(body); err != nil {
		return err
	}
	stored, err := withoutMeta(body, false)
	if err != nil {
		return errNotJSON
	}
	d, made, err := c.put(realm.Document{Kind: realm.KindEmailTemplate, Realm: c.realm, ID: name, Body: stored})
	if err != nil {
		return err
	}
	shown, err := showEmailTemplate(d)
	if err != nil {
		return err
	}
	return c.written(shown, d.Rev, made, "")
}

func deleteEmailTemplate(c *call) error {
	p, err := c.precondition()
	if err != nil {
		return err
	}
	d, err := c.h.cfg.Resources.Documents.DeleteDocument(c.context(), realm.KindEmailTemplate, c.realm, c.lastPart(), p)
	if err != nil {
		return err
	}
	body, err := showEmailTemplate(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}
