package rest

import (
	"encoding/json"

	"sojourn/actors/realm"
)

// Logout webhooks are documents of a realm under a name of their own
// (am-contract section 7.7).

func showWebhook(d realm.Document) (json.RawMessage, error) {
	return withMeta(d.Body, d.ID, d.Rev, amType{ID: "webhooks", Name: "Webhook Service", Collection: true})
}

func queryWebhooks(c *call) error {
	documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindWebhook, c.realm)
	if err != nil {
		return err
	}
	bodies := make([][]byte, len(documents))
	for i, d := range documents {
		if bodies[i], err = showWebhook(d); err != nil {
			return err
		}
	}
	return c.list(bodies)
}

func readWebhook(c *call) error {
	d, err := c.h.cfg.Resources.Documents.Document(c.context(), realm.KindWebhook, c.realm, c.lastPart())
	if err != nil {
		return err
	}
	body, err := showWebhook(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}

// putWebhook stores a webhook that this member would call.
func putWebhook(c *call) error {
	name := c.lastPart()
	if err := realm.CheckWebhookName(name); err != nil {
		return err
	}
	body, err := c.readBody()
	if err != nil {
		return err
	}
	w, err := realm.DecodeWebhook(body)
	if err != nil {
		return err
	}
	if check := c.h.cfg.Resources.CheckWebhook; check != nil {
		if err := check(w); err != nil {
			return &realm.SettingError{Attribute: "url", Detail: err.Error()}
		}
	}
	stored, err := withoutMeta(body, false)
	if err != nil {
		return errNotJSON
	}
	d, made, err := c.put(realm.Document{Kind: realm.KindWebhook, Realm: c.realm, ID: name, Body: stored})
	if err != nil {
		return err
	}
	shown, err := showWebhook(d)
	if err != nil {
		return err
	}
	return c.written(shown, d.Rev, made, "")
}

// deleteWebhook removes a webhook. Sessions that name it end without telling it.
func deleteWebhook(c *call) error {
	p, err := c.precondition()
	if err != nil {
		return err
	}
	d, err := c.h.cfg.Resources.Documents.DeleteDocument(c.context(), realm.KindWebhook, c.realm, c.lastPart(), p)
	if err != nil {
		return err
	}
	body, err := showWebhook(d)
	if err != nil {
		return err
	}
	return c.document(body, d.Rev)
}
