package rest

import (
	"encoding/json"
	"errors"
	"fmt"

	"sojourn/actors/realm"
	"sojourn/http/wire"
)

// settingsType is how AM names a settings document.
func settingsType(id string) any {
	switch id {
	case realm.DocumentSession:
		return amType{ID: "session", Name: "Session"}
	case realm.DocumentProperties:
		return amType{ID: "amSessionPropertyWhitelist", Name: "Session Property Whitelist Service"}
	case realm.DocumentValidation:
		return amType{ID: "validation", Name: "Validation Service"}
	case realm.DocumentPlatform:
		return amType{ID: "platform", Name: "Platform"}
	case realm.DocumentREST:
		return amType{ID: "rest", Name: "REST APIs"}
	case realm.DocumentSojourn:
		return amType{ID: "sojourn", Name: "Sojourn"}
	case realm.DocumentServerSession, realm.DocumentServerSecurity, realm.DocumentServerAdvanced:
		return nil // AM names none
	}
	return amType{ID: "EMPTY", Name: "Core"}
}

// isService reports whether a settings document is one of AM's services.
func isService(id string) bool {
	return realm.DocumentPlace(id) == "services/"+id
}

// settingsOperations serve the settings documents of realms, or of the whole
// deployment.
func settingsOperations(global bool) []operation {
	documents := realm.Documents()
	if global {
		documents = realm.GlobalDocuments()
	}
	operations := []operation{
		{method: "POST", path: "services", action: "nextdescendents", run: func(c *call) error { return c.allServices(documents, global) }},
	}
	for _, id := range documents {
		at := settingsAt{id, global}
		operations = append(operations,
			operation{method: "GET", path: realm.DocumentPlace(id), run: at.read},
			operation{method: "PUT", path: realm.DocumentPlace(id), run: at.put},
			operation{method: "DELETE", path: realm.DocumentPlace(id), run: at.reset})
		if isService(id) {
			operations = append(operations, operation{method: "POST", path: realm.DocumentPlace(id), action: "nextdescendents", run: noDescendents})
		}
	}
	if !global {
		operations = append(operations, operation{method: "GET", path: "sojourn/settings", run: inForce})
	}
	return operations
}

// settingsAt is one settings document of a realm, or of the whole deployment.
type settingsAt struct {
	id     string
	global bool
}

func (at settingsAt) document(c *call) realm.Document {
	if at.global {
		return realm.Document{Kind: realm.KindGlobal, Realm: realm.Root, ID: at.id}
	}
	return realm.Document{Kind: realm.KindSettings, Realm: c.realm, ID: at.id}
}

// name is the document's _id: AM shows one in lists, and for properties.
func (at settingsAt) name() string {
	if settingsType(at.id) == nil {
		return "null/properties/" + at.id[len("server-"):]
	}
	return ""
}

// show is the document with every attribute, stored or not. One that is not
// stored has a revision all the same.
func (at settingsAt) show(c *call, as string) (body json.RawMessage, rev string, err error) {
	stored := at.document(c)
	d, err := c.h.cfg.Resources.Documents.Document(c.context(), stored.Kind, stored.Realm, at.id)
	if err != nil && !errors.Is(err, realm.ErrNoDocument) {
		return nil, "", err
	}
	layers, err := c.layers(stored.Realm)
	if err != nil {
		return nil, "", err
	}
	var whole json.RawMessage
	if at.global {
		whole, err = layers.GlobalDocument(at.id)
	} else {
		whole, err = layers.Document(at.id)
	}
	if err != nil {
		return nil, "", err
	}
	if rev = d.Rev; rev == "" {
		rev = wire.Rev(whole)
	}
	body, err = withMeta(whole, as, rev, settingsType(at.id))
	return body, rev, err
}

// layers are what the settings of a realm are made of now.
func (c *call) layers(r realm.Name) (realm.Layers, error) {
	layers := realm.Layers{Process: c.h.cfg.Process}
	var err error
	if layers.Global, err = c.settingsBodies(realm.KindGlobal, realm.Root); err != nil {
		return layers, err
	}
	layers.Own, err = c.settingsBodies(realm.KindSettings, r)
	return layers, err
}

func (c *call) settingsBodies(kind realm.DocumentKind, r realm.Name) (map[string]json.RawMessage, error) {
	documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), kind, r)
	bodies := make(map[string]json.RawMessage, len(documents))
	for _, d := range documents {
		bodies[d.ID] = d.Body
	}
	return bodies, err
}

func (at settingsAt) read(c *call) error {
	body, rev, err := at.show(c, at.name())
	if err != nil {
		return err
	}
	return c.document(body, rev)
}

// put replaces the document. It is refused when a realm's settings would be at
// fault with it. AM's secrets in it are not stored.
func (at settingsAt) put(c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	if err := at.judge(c, body); err != nil {
		return err
	}
	d := at.document(c)
	if d.Body, err = withoutMeta(body, false); err != nil {
		return errNotJSON
	}
	if d.Body, err = at.withoutSecrets(c, d.Body); err != nil {
		return err
	}
	if _, _, err := c.put(d); err != nil {
		return err
	}
	return at.answer(c)
}

// withoutSecrets is the document without what would never be shown: AM's secrets,
// which mean nothing here and would be legible to whoever has the store or a
// backup.
func (at settingsAt) withoutSecrets(c *call, body json.RawMessage) (json.RawMessage, error) {
	layers, alone := realm.Layers{Process: c.h.cfg.Process}, map[string]json.RawMessage{at.id: body}
	var shown json.RawMessage
	var err error
	if at.global {
		layers.Global = alone
		shown, err = layers.GlobalDocument(at.id)
	} else {
		layers.Own = alone
		shown, err = layers.Document(at.id)
	}
	if err != nil {
		return nil, err
	}
	return withoutHidden(body, shown)
}

// withoutHidden leaves out the members that are shown as null, at any depth.
func withoutHidden(stored, shown json.RawMessage) (json.RawMessage, error) {
	var members, seen map[string]json.RawMessage
	if json.Unmarshal(stored, &members) != nil || json.Unmarshal(shown, &seen) != nil {
		return stored, nil // no object
	}
	for name, value := range members {
		as, there := seen[name]
		if string(as) == "null" {
			delete(members, name)
			continue
		}
		if !there {
			continue
		}
		var err error
		if members[name], err = withoutHidden(value, as); err != nil {
			return nil, err
		}
	}
	return wire.Marshal(members)
}

// reset removes the document: what is weaker holds again.
func (at settingsAt) reset(c *call) error {
	if err := at.judge(c, nil); err != nil {
		return err
	}
	p, err := c.precondition()
	if err != nil {
		return err
	}
	d := at.document(c)
	if _, err := c.h.cfg.Resources.Documents.DeleteDocument(c.context(), d.Kind, d.Realm, d.ID, p); err != nil {
		return err
	}
	return at.answer(c)
}

func (at settingsAt) answer(c *call) error {
	shown, rev, err := at.show(c, at.name())
	if err != nil {
		return err
	}
	return c.written(shown, rev, false, "")
}

// judge returns the first fault that settings would have with another body in
// the document's place, and do not have as they are. A document of the whole
// deployment is judged with each realm's own.
func (at settingsAt) judge(c *call, body json.RawMessage) error {
	realms := []realm.Name{c.realm}
	if at.global {
		documents, err := c.h.cfg.Resources.Documents.Documents(c.context(), realm.KindRealm, realm.Root)
		if err != nil {
			return err
		}
		realms = []realm.Name{realm.Root}
		for _, d := range documents {
			realms = append(realms, realm.Name(d.ID))
		}
	}
	for _, r := range realms {
		now, err := c.layers(r)
		if err != nil {
			return err
		}
		_, before := now.Settings()
		in := now.Own
		if at.global {
			in = now.Global
		}
		in[at.id] = body
		_, after := now.Settings()
		if fault := added(settingFaults(before), settingFaults(after)); fault != nil {
			if r != c.realm {
				fault.Detail += fmt.Sprintf(" (settings of realm %s)", r)
			}
			return fault
		}
	}
	return nil
}

// settingFaults takes joined errors apart.
func settingFaults(err error) []*realm.SettingError {
	var (
		one  *realm.SettingError
		many interface{ Unwrap() []error }
	)
	switch {
	case errors.As(err, &many):
		var all []*realm.SettingError
		for _, e := range many.Unwrap() {
			all = append(all, settingFaults(e)...)
		}
		return all
	case errors.As(err, &one):
		return []*realm.SettingError{one}
	}
	return nil
}

// added is the first fault that was not there before.
func added(before, after []*realm.SettingError) *realm.SettingError {
	known := map[realm.SettingError]bool{}
	for _, fault := range before {
		known[*fault] = true
	}
	for _, fault := range after {
		if !known[*fault] {
			return fault
		}
	}
	return nil
}

// allServices lists the services that there are, as frodo asks for them.
func (c *call) allServices(documents []string, global bool) error {
	var bodies [][]byte
	for _, id := range documents {
		if !isService(id) {
			continue
		}
		body, _, err := (settingsAt{id, global}).show(c, id)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	return c.results(bodies)
}

// noDescendents answers for a service: none has anything below it.
func noDescendents(c *call) error { return c.results(nil) }

// inForce lists the settings of a realm as they are now.
func inForce(c *call) error {
	layers, err := c.layers(c.realm)
	if err != nil {
		return err
	}
	all, err := layers.InForce()
	if err != nil {
		return err
	}
	bodies := make([][]byte, len(all))
	for i, s := range all {
		body, err := wire.Marshal(wire.SettingInForce{
			ID: s.Document + "." + s.Path, Document: s.Document, Setting: s.Path, Value: s.Value, Origin: string(s.Origin),
		})
		if err != nil {
			return err
		}
		bodies[i] = body
	}
	return c.list(bodies)
}
