package tree

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"sojourn/actors/internal/amjson"
)

// Meta says where an export comes from; each empty field is left out.
type Meta struct {
	Origin, OriginVersion string // the exporting server's base URL and AM version
	ExportedBy            string
	Date                  time.Time
	Tool, ToolVersion     string
}

// EncodeExport writes journeys as "frodo journey export" does for several of
// them, the form that frodo and DecodeExport take back. Titles and outcomes of
// the nodes come from types.
func EncodeExport(journeys []Journey, meta Meta, types Types) ([]byte, error) {
	trees := make(map[string]json.RawMessage, len(journeys))
	for _, j := range journeys {
		raw, err := j.encode(types)
		if err != nil {
			return nil, fmt.Errorf("export journey %q: %w", j.Tree.Name, err)
		}
		trees[j.Tree.Name] = raw
	}
	return amjson.Marshal(map[string]any{"meta": meta.document(), "trees": trees})
}

func (m Meta) document() map[string]string {
	doc := map[string]string{
		"origin":            m.Origin,
		"originAmVersion":   m.OriginVersion,
		"exportedBy":        m.ExportedBy,
		"exportTool":        m.Tool,
		"exportToolVersion": m.ToolVersion,
	}
	if !m.Date.IsZero() {
		doc["exportDate"] = m.Date.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	maps.DeleteFunc(doc, func(_, text string) bool { return text == "" })
	return doc
}

func (j Journey) encode(types Types) (json.RawMessage, error) {
	definition, err := j.Tree.Encode()
	if err != nil {
		return nil, err
	}
	set := Set{Nodes: j.Nodes}
	nodes, inner := map[NodeID]json.RawMessage{}, map[NodeID]json.RawMessage{}
	for id, c := range j.Nodes {
		d, _ := set.Describe(c, types)
		raw, err := EncodeNode(c, d.Title, d.Outcomes)
		if err != nil {
			return nil, err
		}
		if _, ok := j.Tree.Nodes[id]; ok {
			nodes[id] = raw
		} else {
			inner[id] = raw
		}
	}
	scripts := make(map[string]json.RawMessage, len(j.Scripts))
	for id, s := range j.Scripts {
		if scripts[id], err = s.encodeLines(); err != nil {
			return nil, err
		}
	}
	templates, err := j.encodeEmailTemplates()
	if err != nil {
		return nil, err
	}
	none := map[string]any{}
	return amjson.Marshal(map[string]any{
		"tree":       json.RawMessage(definition),
		"nodes":      nodes,
		"innerNodes": inner,
		"scripts":    scripts,

		"emailTemplates": templates,
		// frodo reads each of these without asking whether it is there.
		"circlesOfTrust":          none,
		"saml2Entities":           none,
		"socialIdentityProviders": none,
		"themes":                  []any{},
	})
}

// Journey gathers a tree with its nodes; ok is false when there is none of the
// name. The scripts and email templates, which a Set does not hold, are for the caller to add.
func (s *Set) Journey(name string) (j Journey, ok bool) {
	t, ok := s.Trees[name]
	if !ok {
		return Journey{}, false
	}
	j = Journey{Tree: t, Nodes: map[NodeID]Config{}, Scripts: map[string]Script{}, EmailTemplates: map[string]json.RawMessage{}}
	add := func(id NodeID) Config {
		c, ok := s.Nodes[id]
		if ok {
			j.Nodes[id] = c
		}
		return c
	}
	for id := range t.Nodes {
		children, _ := Children(add(id)) // what cannot be read is exported as it is
		for _, child := range children {
			add(child.ID)
		}
	}
	return j, true
}

// With is a copy of the set with the export's trees and nodes laid over it:
// what Validate should judge before an import.
func (s *Set) With(e Export) *Set {
	out := &Set{Realm: s.Realm, Trees: map[string]*Tree{}, Nodes: map[NodeID]Config{}}
	maps.Copy(out.Trees, s.Trees)
	maps.Copy(out.Nodes, s.Nodes)
	for _, j := range e.Journeys {
		out.Trees[j.Tree.Name] = j.Tree
		maps.Copy(out.Nodes, j.Nodes)
	}
	return out
}
