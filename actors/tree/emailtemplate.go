package tree

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sojourn/actors/internal/amjson"
	"sojourn/actors/realm"
)

// emailTemplateID is what stands before a template's name in its _id, as IDM
// has it and frodo exports it.
const emailTemplateID = "emailTemplate/"

// addEmailTemplates takes templates over as they are: what is in them is
// package mail's to judge.
func (j *Journey) addEmailTemplates(raw json.RawMessage) error {
	members, err := amjson.Object(raw)
	if err != nil {
		return fmt.Errorf(": %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if _, err = amjson.Object(members[name]); err == nil && len(members[name]) > realm.MaxDocument {
			err = fmt.Errorf("larger than %d bytes", realm.MaxDocument)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", amjson.Pointer(name), err)
		}
		j.EmailTemplates[strings.TrimPrefix(name, emailTemplateID)] = members[name]
	}
	return nil
}

// encodeEmailTemplates gives them back in that form.
func (j Journey) encodeEmailTemplates() (map[string]json.RawMessage, error) {
	out := make(map[string]json.RawMessage, len(j.EmailTemplates))
	for name, raw := range j.EmailTemplates {
		members, err := amjson.Object(raw)
		if err != nil {
			return nil, fmt.Errorf("email template %s: %w", name, err)
		}
		delete(members, "_rev")
		delete(members, "_type")
		if members["_id"], err = json.Marshal(emailTemplateID + name); err != nil {
			return nil, err
		}
		if out[name], err = amjson.Marshal(members); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// EmailTemplateNames are the templates that the journey's nodes name, sorted.
func (j Journey) EmailTemplateNames() []string {
	var names []string
	for _, c := range j.Nodes {
		var name string
		if json.Unmarshal(c.Attributes["emailTemplateName"], &name) == nil && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
