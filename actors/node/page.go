package node

import (
	"encoding/json"
	"fmt"
	"strings"

	"sojourn/actors/tree"
)

// Page is what a PageNode's configuration says. The engine runs it: all
// children in order, in one step (am-contract section 7.5).
type Page struct {
	Header, Description map[string]string
	Stage               string
	Children            []Child
}

// Child is one node of a page.
type Child struct {
	ID          tree.NodeID
	Type        string
	Version     string
	DisplayName string
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
			{Name: "nodes", Title: "Nodes", Kind: Raw},
		},
	}
}

// PageOf reads a PageNode's configuration.
func PageOf(c Config) (Page, error) {
	p := Page{Header: c.Dict("pageHeader"), Description: c.Dict("pageDescription"), Stage: c.Text("stage")}
	raw := c.Raw("nodes")
	if len(raw) == 0 {
		return p, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return Page{}, fmt.Errorf("page %s: nodes: %w", c.ID, err)
	}
	for i, item := range list {
		child, err := childOf(item)
		if err != nil {
			return Page{}, fmt.Errorf("page %s: nodes[%d]: %w", c.ID, i, err)
		}
		p.Children = append(p.Children, child)
	}
	return p, nil
}

// childOf reads a child in either of its written forms: an object, or the text
// "id:type:name" or "id:type:version:name" of file-based configurations.
func childOf(raw json.RawMessage) (Child, error) {
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return Child{}, err
		}
		parts := strings.SplitN(text, ":", 4)
		switch {
		case len(parts) == 4 && strings.Trim(parts[2], "0123456789.") == "":
			return Child{tree.NodeID(parts[0]), parts[1], parts[2], parts[3]}, nil
		case len(parts) >= 3:
			return Child{tree.NodeID(parts[0]), parts[1], "", strings.Join(parts[2:], ":")}, nil
		}
		return Child{}, fmt.Errorf("%q is not id:type:name", text)
	}
	var object struct {
		ID          tree.NodeID `json:"_id"`
		NodeType    string      `json:"nodeType"`
		NodeVersion string      `json:"nodeVersion"`
		DisplayName string      `json:"displayName"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return Child{}, err
	}
	if object.ID == "" || object.NodeType == "" {
		return Child{}, fmt.Errorf("a child needs _id and nodeType")
	}
	return Child{object.ID, object.NodeType, object.NodeVersion, object.DisplayName}, nil
}
