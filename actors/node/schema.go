package node

import (
	"slices"
)

// Field is one attribute in a type's schema.
type Field struct {
	Name, Title string
	// Type is JSON schema's word for it: string, boolean, integer, array (of
	// strings, but for a page's nodes) or object (text by key).
	Type string
	// Default is the value of an attribute that is not given, in a form that
	// can be written as JSON; nil when there is none to show.
	Default  any
	Required bool
	// Options, when set, are the only values.
	Options []string
}

// Schema says how a type is configured, in the order in which an editor shows
// the attributes; false when there is no such type.
func (r *Registry) Schema(name string) ([]Field, bool) {
	t, ok := r.Type(name)
	if !ok {
		return nil, false
	}
	fields := make([]Field, len(t.Properties))
	for i, p := range t.Properties {
		fields[i] = Field{
			Name:     p.Name,
			Title:    p.Title,
			Type:     p.Kind.schemaType(),
			Default:  p.shown(),
			Required: p.Required,
			Options:  slices.Clone(p.Options),
		}
	}
	return fields, true
}

// Template is a configuration to start from: every attribute that has a
// default. It is false when there is no such type.
func (r *Registry) Template(name string) (map[string]any, bool) {
	t, ok := r.Type(name)
	if !ok {
		return nil, false
	}
	template := make(map[string]any, len(t.Properties))
	for _, p := range t.Properties {
		if value := p.shown(); value != nil {
			template[p.Name] = value
		}
	}
	return template, true
}

// shown is the default as an editor shows it: lists and maps are there though
// empty, texts and numbers without a default are not.
func (p Property) shown() any {
	switch {
	case p.Default != nil:
		return p.Default
	case p.Kind == Flag:
		return false
	case p.Kind == List:
		return []string{}
	case p.Kind == Dict, p.Kind == Localised:
		return map[string]string{}
	}
	return nil
}

func (k Kind) schemaType() string {
	switch k {
	case Flag:
		return "boolean"
	case Whole:
		return "integer"
	case List, Raw:
		return "array"
	case Dict, Localised:
		return "object"
	case Text:
	}
	return "string"
}
