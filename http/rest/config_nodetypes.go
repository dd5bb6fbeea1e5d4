package rest

import (
	"sojourn/actors/node"
	"sojourn/http/wire"
)

// shownNodeType is a node type as AM lists it.
type shownNodeType struct {
	ID         string   `json:"_id"`
	Name       string   `json:"name"`
	Collection bool     `json:"collection"`
	Tags       []string `json:"tags"`
	Metadata   struct {
		Tags []string `json:"tags"`
	} `json:"metadata"`
	Help string `json:"help"`
}

func showNodeType(t *node.Type) shownNodeType {
	shown := shownNodeType{ID: t.Name, Name: t.Title, Collection: true, Tags: []string{}}
	shown.Metadata.Tags = []string{}
	return shown
}

func allNodeTypes(c *call) error {
	types := c.h.cfg.Resources.NodeTypes.Types()
	shown := make([]shownNodeType, len(types))
	for i, t := range types {
		shown[i] = showNodeType(t)
	}
	return c.answerJSON(map[string]any{"result": shown})
}

func nodeType(c *call) error {
	t, ok := c.h.cfg.Resources.NodeTypes.Type(c.nodeTypeOf())
	if !ok {
		return c.noNodeType()
	}
	return c.answerJSON(showNodeType(t))
}

// property is one attribute in a node type's JSON schema.
type property struct {
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Order       int      `json:"propertyOrder"`
	Type        string   `json:"type"`
	Items       *items   `json:"items,omitempty"`
	Patterns    patterns `json:"patternProperties,omitempty"`
	Default     any      `json:"default,omitempty"`
	Required    bool     `json:"required"`
	Example     string   `json:"exampleValue"`
	Enum        []string `json:"enum,omitempty"`
	Options     *options `json:"options,omitempty"`
}

type (
	items struct {
		Type string `json:"type"`
	}
	patterns map[string]items
	options  struct {
		Titles []string `json:"enum_titles"`
	}
)

func nodeSchema(c *call) error {
	fields, ok := c.h.cfg.Resources.NodeTypes.Schema(c.nodeTypeOf())
	if !ok {
		return c.noNodeType()
	}
	b := append(c.buf[:0], `{"type":"object","properties":{`...)
	for i, f := range fields {
		p := property{Title: f.Title, Order: 100 * (i + 1), Type: f.Type, Default: f.Default, Required: f.Required, Enum: f.Options}
		switch f.Type {
		case "array":
			p.Items = &items{"string"}
		case "object":
			p.Patterns = patterns{".*": {"string"}}
		}
		if len(f.Options) > 0 {
			p.Options = &options{f.Options}
		}
		raw, err := wire.Marshal(p)
		if err != nil {
			return err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(wire.AppendString(b, f.Name), ':'), raw...)
	}
	return c.answer(append(b, `}}`...))
}

func nodeTemplate(c *call) error {
	template, ok := c.h.cfg.Resources.NodeTypes.Template(c.nodeTypeOf())
	if !ok {
		return c.noNodeType()
	}
	return c.answerJSON(template)
}
