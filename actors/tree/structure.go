package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sojourn/actors/internal/amjson"
)

// Child is a node's place in a page: its configuration stands in the Set under
// its ID, like that of any node.
type Child struct {
	ID          NodeID
	Type        string
	Version     string
	DisplayName string
}

// Base is a type's name without the prefix that newer exports give to built-in
// types: "product-Saml2Node" is "Saml2Node".
func Base(typeName string) string { return strings.TrimPrefix(typeName, "product-") }

// Children reads the nodes of a page in their order; none for other types. A
// child is an object, or the text "id:type:name" or "id:type:version:name" of
// file-based configurations.
func Children(c Config) ([]Child, error) {
	raw := c.Attributes["nodes"]
	if Base(c.Type) != PageType || amjson.Absent(raw) {
		return nil, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fmt.Errorf("nodes: a list is needed, not %s", amjson.Shape(raw))
	}
	children := make([]Child, len(items))
	for i, item := range items {
		child, err := childOf(item)
		if err != nil {
			return nil, fmt.Errorf("nodes[%d]: %w", i, err)
		}
		children[i] = child
	}
	return children, nil
}

func childOf(raw json.RawMessage) (Child, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return childOfText(text)
	}
	var object struct {
		ID          NodeID `json:"_id"`
		NodeType    string `json:"nodeType"`
		NodeVersion string `json:"nodeVersion"`
		DisplayName string `json:"displayName"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return Child{}, errors.New("an object is needed, with texts for _id, nodeType and displayName")
	}
	if object.ID == "" || object.NodeType == "" {
		return Child{}, errors.New("_id and nodeType are needed")
	}
	return Child{object.ID, object.NodeType, object.NodeVersion, object.DisplayName}, nil
}

func childOfText(text string) (Child, error) {
	parts := strings.SplitN(text, ":", 4)
	switch {
	case len(parts) < 3 || parts[0] == "" || parts[1] == "":
		return Child{}, fmt.Errorf("%q is not id:type:name", text)
	case len(parts) == 4 && strings.Trim(parts[2], "0123456789.") == "":
		return Child{NodeID(parts[0]), parts[1], parts[2], parts[3]}, nil
	}
	return Child{NodeID(parts[0]), parts[1], "", strings.Join(parts[2:], ":")}, nil
}

// PageOutcome is what a page calls the outcome of its last child: the same, but
// with the child's id before it on pages of version 2.0 (seen in exports of
// frodo against 8.x: "843dd22b-…-outcome").
func PageOutcome(pageVersion string, last NodeID, o Outcome) Outcome {
	if strings.HasPrefix(pageVersion, "2.") {
		return Outcome(last) + "-" + o
	}
	return o
}

// InnerTree is the name of the tree that a node of InnerTreeType calls, empty
// for other types and for a node that names none.
func InnerTree(c Config) string {
	var name string
	if Base(c.Type) != InnerTreeType || json.Unmarshal(c.Attributes["tree"], &name) != nil {
		return ""
	}
	return name
}

// IsUUID reports whether id has the form that AM wants of node ids: 32
// hexadecimal digits in groups of 8-4-4-4-12. AM imports others, and then
// fails to run the tree (am-contract section 7.1).
func IsUUID(id NodeID) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}

// static reports whether id is one of the nodes that every tree shares.
func static(id NodeID) bool { return id == Success || id == Failure || id == start }

// pageOutcomes are a page's outcomes when its last child has those given.
func pageOutcomes(pageVersion string, last NodeID, outcomes []Outcome) []Outcome {
	named := slices.Clone(outcomes)
	for i, o := range named {
		named[i] = PageOutcome(pageVersion, last, o)
	}
	return named
}

// ending reports whether a tree that comes to id is at its end.
func ending(id NodeID) bool { return id == Success || id == Failure }
