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
	// DocumentSojourn has what AM has no setting for.
	DocumentSojourn = "sojourn"
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

// DecodeSettings reads a realm's settings from its documents by their IDs, each
// of which may be absent. What is absent or null has the default, AM's where AM
// has the setting. All faults are reported at once, joined, each a *SettingError
// that says what the attribute allows. Attributes that are stored without a
// meaning here are not judged.
func DecodeSettings(stored map[string]json.RawMessage) (Settings, error) {
	s := DefaultSettings()
	var faults []error
	for _, d := range documents(&s, stored) {
		faults = append(faults, d.read()...)
	}
	if len(faults) > 0 {
		return Settings{}, errors.Join(faults...)
	}
	return s, nil
}

// UnknownSettings names the attributes of the documents that nobody knows, AM
// included, as "document: path", sorted within each. They are kept.
func UnknownSettings(stored map[string]json.RawMessage) []string {
	var unknown []string
	s := DefaultSettings()
	for _, d := range documents(&s, stored) {
		unknown = append(unknown, d.unknown()...)
	}
	return unknown
}

// SettingsDocument is what the configuration API shows of a settings document:
// every attribute, as stored where it has a value there, else as it is in s,
// else, where it has no meaning here, by AM's default. stored may be nil. Secrets
// are shown as null. There is nothing to show under an id that is none of ours.
func SettingsDocument(id string, s Settings, stored json.RawMessage) (json.RawMessage, error) {
	for _, d := range documents(&s, map[string]json.RawMessage{id: stored}) {
		if d.id == id {
			return d.show()
		}
	}
	return nil, ErrNoDocument
}

// document is a settings document and what its attributes mean.
type document struct {
	id         string
	raw        json.RawMessage
	attributes []attribute
}

func documents(s *Settings, stored map[string]json.RawMessage) []document {
	return []document{
		{DocumentAuthentication, stored[DocumentAuthentication], authentication(s)},
		{DocumentSession, stored[DocumentSession], session(s)},
		{DocumentValidation, stored[DocumentValidation], validation(s)},
		{DocumentSojourn, stored[DocumentSojourn], own(s)},
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
