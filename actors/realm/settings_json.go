package realm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sojourn/actors/internal/amjson"
)

// IDs of the settings documents of a realm.
const (
	DocumentAuthentication = "authentication"
	DocumentSession        = "session"
	DocumentValidation     = "validation"
)

// SettingError says that a settings document holds what it cannot hold.
type SettingError struct {
	// Document is the document's ID; Attribute is the dotted path in it
	// ("dynamic.maxIdleTime"), empty when it is not JSON.
	Document, Attribute string
	Detail              string
}

func (e *SettingError) Error() string {
	if e.Attribute == "" {
		return fmt.Sprintf("settings %s: %s", e.Document, e.Detail)
	}
	return fmt.Sprintf("settings %s: %s: %s", e.Document, e.Attribute, e.Detail)
}

// DecodeSettings reads a realm's settings from its documents, each of which may
// be nil. What is absent or null has AM's default. All faults are reported at
// once, joined, each a *SettingError that says what the attribute allows.
// Attributes that are stored without a meaning here are not judged.
func DecodeSettings(auth, session, validation json.RawMessage) (Settings, error) {
	s := DefaultSettings()
	var faults []error
	for _, d := range documents(&s, auth, session, validation) {
		faults = append(faults, d.read()...)
	}
	if len(faults) > 0 {
		return Settings{}, errors.Join(faults...)
	}
	return s, nil
}

// UnknownSettings names the attributes of the documents that AM does not have
// either, as "document: path", sorted within each. They are kept.
func UnknownSettings(auth, session, validation json.RawMessage) []string {
	var unknown []string
	s := DefaultSettings()
	for _, d := range documents(&s, auth, session, validation) {
		unknown = append(unknown, d.unknown()...)
	}
	return unknown
}

// AuthenticationDocument is what the configuration API shows of the document
// "authentication": every attribute, as stored where it has a value there, else
// as it is in s, else, where it has no meaning here, by AM's default. stored may
// be nil. Secrets are shown as null.
func AuthenticationDocument(s Settings, stored json.RawMessage) (json.RawMessage, error) {
	return document{DocumentAuthentication, stored, authentication(&s)}.show()
}

// SessionDocument is described at AuthenticationDocument.
func SessionDocument(s Settings, stored json.RawMessage) (json.RawMessage, error) {
	return document{DocumentSession, stored, session(&s)}.show()
}

// ValidationDocument is described at AuthenticationDocument.
func ValidationDocument(s Settings, stored json.RawMessage) (json.RawMessage, error) {
	return document{DocumentValidation, stored, validation(&s)}.show()
}

// document is a settings document and what its attributes mean.
type document struct {
	id         string
	raw        json.RawMessage
	attributes []attribute
}

func documents(s *Settings, auth, sess, valid json.RawMessage) []document {
	return []document{
		{DocumentAuthentication, auth, authentication(s)},
		{DocumentSession, sess, session(s)},
		{DocumentValidation, valid, validation(s)},
	}
}

func (d document) fault(attribute string, err error) error {
	return &SettingError{d.id, attribute, err.Error()}
}

// members takes the document apart: the attributes at the top, and those of
// the groups that it should have.
func (d document) members() (top map[string]json.RawMessage, groups map[string]map[string]json.RawMessage, err error) {
	groups = map[string]map[string]json.RawMessage{}
	if len(d.raw) == 0 {
		return nil, groups, nil
	}
	if err := amjson.Check(d.raw, MaxDocument); err != nil {
		return nil, nil, d.fault("", err)
	}
	if top, err = amjson.Object(d.raw); err != nil {
		return nil, nil, d.fault("", err)
	}
	var faults []error
	for _, a := range d.attributes {
		if _, seen := groups[a.group]; seen || a.group == "" {
			continue
		}
		if groups[a.group], err = amjson.Object(top[a.group]); err != nil {
			faults = append(faults, d.fault(a.group, err))
		}
	}
	return top, groups, errors.Join(faults...)
}

func (d document) read() []error {
	top, groups, err := d.members()
	if err != nil {
		return []error{err}
	}
	groups[""] = top
	var faults []error
	for _, a := range d.attributes {
		raw := groups[a.group][a.name]
		if amjson.Absent(raw) {
			continue
		}
		if err := a.read(raw); err != nil {
			faults = append(faults, d.fault(a.path(), err))
		}
	}
	return faults
}

func (d document) unknown() []string {
	top, groups, err := d.members()
	if err != nil {
		return nil
	}
	known := map[string]bool{"_id": true, "_rev": true, "_type": true}
	for _, a := range d.attributes {
		known[a.path()] = true
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(top)) {
		if _, group := groups[name]; !group && !known[name] {
			names = append(names, d.id+": "+name)
		}
		for _, inner := range slices.Sorted(maps.Keys(groups[name])) {
			if path := name + "." + inner; !known[path] {
				names = append(names, d.id+": "+path)
			}
		}
	}
	return names
}

func (d document) show() (json.RawMessage, error) {
	top, groups, err := d.members()
	if err != nil {
		return nil, err
	}
	out := values(top)
	for group, members := range groups {
		out[group] = values(members)
	}
	for _, a := range d.attributes {
		to := out
		if a.group != "" {
			inner, ok := out[a.group].(map[string]any)
			if !ok {
				inner = map[string]any{}
				out[a.group] = inner
			}
			to = inner
		}
		if _, ok := to[a.name]; !ok || a.secret {
			to[a.name] = a.show()
		}
	}
	return amjson.Marshal(out)
}

// values are the members that are there.
func values(members map[string]json.RawMessage) map[string]any {
	out := make(map[string]any, len(members))
	for name, raw := range members {
		if !amjson.Absent(raw) {
			out[name] = raw
		}
	}
	return out
}
