package node

import (
	"encoding/json"
	"fmt"

	"sojourn/actors/tree"
)

// Page is what a PageNode's configuration says. The engine runs it: all
// children in order, in one step (am-contract section 7.5).
type Page struct {
	Header, Description map[string]string
	Stage               string
	Children            []tree.Child
}

func page() Type {
	return Type{
		Name:  PageType,
		Title: "Page Node",
		Pure:  true,
		Properties: []Property{
			{Name: "pageHeader", Title: "Page Header", Kind: Localised},
			{Name: "pageDescription", Title: "Page Description", Kind: Localised},
			{Name: "stage", Title: "Stage", Kind: Text},
			{Name: "nodes", Title: "Nodes", Kind: Raw, Default: json.RawMessage("[]")},
		},
	}
}

// PageOf reads a PageNode's configuration.
func PageOf(c Config) (Page, error) {
	children, err := tree.Children(tree.Config{
		ID:         c.ID,
		Type:       PageType,
		Attributes: map[string]json.RawMessage{"nodes": c.Raw("nodes")},
	})
	if err != nil {
		return Page{}, fmt.Errorf("page %s: %w", c.ID, err)
	}
	return Page{
		Header:      c.Dict("pageHeader"),
		Description: c.Dict("pageDescription"),
		Stage:       c.Text("stage"),
		Children:    children,
	}, nil
}
