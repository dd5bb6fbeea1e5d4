package rest

import (
	"encoding/json"
	"errors"

	"sojourn/actors/realm"
	"sojourn/http/wire"
)

// settingsType is how AM names a settings document.
func settingsType(id string) amType {
	switch id {
	case realm.DocumentSession:
		return amType{ID: "session", Name: "Session"}
	case realm.DocumentValidation:
		return amType{ID: "validation", Name: "Validation Service"}
	case realm.DocumentSojourn:
		return amType{ID: "sojourn", Name: "Sojourn"}
	}
	return amType{ID: "EMPTY", Name: "Core"}
}

// showSettings is a settings document with every attribute, stored or default.
// One that is not stored has a revision all the same. as is its _id: AM names a
// service in lists alone.
func (c *call) showSettings(id, as string) (body json.RawMessage, rev string, err error) {
	d, err := c.h.cfg.Resources.Documents.Document(c.context(), realm.KindSettings, c.realm, id)
	if err != nil && !errors.Is(err, realm.ErrNoDocument) {
		return nil, "", err
	}
	// What is not stored has the default, whatever this member applies now.
	whole, err := realm.SettingsDocument(id, realm.DefaultSettings(), d.Body)
	if err != nil {
		return nil, "", err
	}
	if rev = d.Rev; rev == "" {
		rev = wire.Rev(whole)
	}
	body, err = withMeta(whole, as, rev, settingsType(id))
	return body, rev, err
}

// services are the settings documents that are served as services.
func services() []string {
	return []string{realm.DocumentSession, realm.DocumentValidation, realm.DocumentSojourn}
}

func readSettings(id string) func(*call) error {
	return func(c *call) error {
		body, rev, err := c.showSettings(id, "")
		if err != nil {
			return err
		}
		return c.document(body, rev)
	}
}

// putSettings replaces a settings document. It is refused when the realm could
// not be read with it.
func putSettings(id string) func(*call) error {
	return func(c *call) error {
		body, err := c.readBody()
		if err != nil {
			return err
		}
		if _, err := realm.DecodeSettings(map[string]json.RawMessage{id: body}); err != nil {
			return err
		}
		stored, err := withoutMeta(body, false)
		if err != nil {
			return errNotJSON
		}
		if _, _, err := c.put(realm.Document{Kind: realm.KindSettings, Realm: c.realm, ID: id, Body: stored}); err != nil {
			return err
		}
		shown, rev, err := c.showSettings(id, "")
		if err != nil {
			return err
		}
		return c.written(shown, rev, false, "")
	}
}

// allServices lists the services that a realm has.
func allServices(c *call) error {
	var bodies [][]byte
	for _, id := range services() {
		body, _, err := c.showSettings(id, id)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	return c.results(bodies)
}

// noDescendents answers for a service: none has anything below it.
func noDescendents(c *call) error { return c.results(nil) }
