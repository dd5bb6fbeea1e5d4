package tree

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sojourn/actors/internal/amjson"
	"sojourn/actors/realm"
)

// AM's names of a tree's attributes (am-contract section 7.6).
const (
	attrDescription   = "description"
	attrEnabled       = "enabled"
	attrEntry         = "entryNodeId"
	attrResource      = "identityResource"
	attrInnerOnly     = "innerTreeOnly"
	attrMaxIdle       = "maximumIdleTime"
	attrMaxSession    = "maximumSessionTime"
	attrMustRun       = "mustRun"
	attrNoSession     = "noSession"
	attrNodes         = "nodes"
	attrStatic        = "staticNodes"
	attrTransactional = "transactionalOnly"
	attrTimeout       = "treeTimeout"
	attrUI            = "uiConfig"
)

// WritableAttributes are the attributes that a client may set on a tree,
// sorted: AM's validAttributes.
func WritableAttributes() []string {
	return []string{
		attrDescription, attrEnabled, attrEntry, attrResource, attrInnerOnly, attrMaxIdle, attrMaxSession,
		attrMustRun, attrNoSession, attrNodes, attrStatic, attrTransactional, attrTimeout, attrUI,
	}
}

// DecodeTree reads a tree as files have it. What an exporter leaves out gets
// AM's default (a tree is enabled), flags and numbers may be texts, _id, _rev
// and the like are passed over, attributes that are not known kept in Extra.
// The errors are a *NameError, a *ValueError, or say what is wrong with the
// JSON. Whether the tree can be run is for Validate to say.
func DecodeTree(name string, raw []byte) (*Tree, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := amjson.Check(raw, realm.MaxDocument); err != nil {
		return nil, err
	}
	attributes, err := amjson.Object(raw)
	if err != nil {
		return nil, err
	}
	t := &Tree{Name: name, Enabled: true, Nodes: map[NodeID]Vertex{}}
	for _, attribute := range slices.Sorted(maps.Keys(attributes)) {
		if err := t.set(attribute, attributes[attribute]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// DecodeTreeStrict reads a tree as the configuration API takes it: besides what
// DecodeTree refuses, unknown attributes (*AttributeError), nodes without a
// type (*ValueError) and an entry node that is not there (*EntryError).
func DecodeTreeStrict(name string, raw []byte) (*Tree, error) {
	t, err := DecodeTree(name, raw)
	if err != nil {
		return nil, err
	}
	valid := WritableAttributes()
	for _, attribute := range slices.Sorted(maps.Keys(t.Extra)) {
		if !slices.Contains(valid, attribute) {
			return nil, &AttributeError{Name: attribute, Valid: valid}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.Nodes)) {
		if t.Nodes[id].Type == "" {
			return nil, &ValueError{attrNodes, amjson.Pointer(string(id)), "a nodeType is needed"}
		}
	}
	if _, ok := t.Nodes[t.Entry]; !ok && !ending(t.Entry) {
		return nil, &EntryError{t.Entry}
	}
	return t, nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return &NameError{name, "it is empty"}
	case len(name) > MaxName:
		return &NameError{name, fmt.Sprintf("it is longer than %d bytes", MaxName)}
	case !utf8.ValidString(name):
		return &NameError{name, "it is not valid UTF-8"}
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return &NameError{name, "it holds a control character"}
		}
	}
	return nil
}

// set takes one attribute over.
func (t *Tree) set(attribute string, raw json.RawMessage) error {
	if strings.HasPrefix(attribute, "_") {
		return nil // _id, _rev, _type: what the API says about a tree, not the tree
	}
	var err error
	switch absent := amjson.Absent(raw); attribute {
	case attrNodes:
		return t.setNodes(raw)
	case attrUI, attrStatic:
		if _, err = amjson.Object(raw); err == nil && !absent {
			t.keep(attribute, raw)
		}
	case attrDescription, attrEntry, attrResource:
		err = t.setText(attribute, raw)
	case attrEnabled, attrInnerOnly, attrMustRun, attrNoSession, attrTransactional:
		if !absent {
			*t.flag(attribute), err = amjson.Flag(raw)
		}
	case attrTimeout, attrMaxSession, attrMaxIdle:
		if !absent {
			var minutes int64
			minutes, err = amjson.Whole(raw, 0, amjson.MaxCount)
			*t.duration(attribute) = amjson.Duration(minutes, time.Minute)
		}
	default:
		t.keep(attribute, raw)
	}
	if err != nil {
		return &ValueError{Attribute: attribute, Detail: err.Error()}
	}
	return nil
}

func (t *Tree) keep(attribute string, raw json.RawMessage) {
	if t.Extra == nil {
		t.Extra = map[string]json.RawMessage{}
	}
	t.Extra[attribute] = raw
}

func (t *Tree) setText(attribute string, raw json.RawMessage) error {
	if amjson.Absent(raw) {
		return nil
	}
	text, err := amjson.Text(raw)
	switch attribute {
	case attrDescription:
		t.Description = text
	case attrEntry:
		t.Entry = NodeID(text)
	case attrResource:
		t.IdentityResource = text
	}
	return err
}

func (t *Tree) flag(attribute string) *bool {
	return map[string]*bool{
		attrEnabled:       &t.Enabled,
		attrInnerOnly:     &t.InnerOnly,
		attrMustRun:       &t.MustRun,
		attrNoSession:     &t.NoSession,
		attrTransactional: &t.Transactional,
	}[attribute]
}

func (t *Tree) duration(attribute string) *time.Duration {
	return map[string]*time.Duration{
		attrTimeout:    &t.MaxDuration,
		attrMaxSession: &t.MaxSession,
		attrMaxIdle:    &t.MaxIdle,
	}[attribute]
}

func (t *Tree) setNodes(raw json.RawMessage) error {
	nodes, err := amjson.Object(raw)
	if err != nil {
		return &ValueError{Attribute: attrNodes, Detail: err.Error()}
	}
	if len(nodes) > MaxNodes {
		return &ValueError{Attribute: attrNodes, Detail: fmt.Sprintf("%d nodes are more than the limit of %d", len(nodes), MaxNodes)}
	}
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		if t.Nodes[NodeID(id)], err = decodeVertex(id, nodes[id]); err != nil {
			return err
		}
	}
	return nil
}

func decodeVertex(id string, raw json.RawMessage) (Vertex, error) {
	fault := func(err error, at ...string) error {
		return &ValueError{attrNodes, amjson.Pointer(append([]string{id}, at...)...), err.Error()}
	}
	members, err := amjson.Object(raw)
	if err == nil && members == nil {
		err = fmt.Errorf("an object is needed, not %s", amjson.Shape(raw))
	}
	if err != nil {
		return Vertex{}, fault(err)
	}
	v := Vertex{Connections: map[Outcome]NodeID{}}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		switch name {
		case "nodeType":
			v.Type, err = optional(value)
		case "version":
			v.Version, err = optional(value)
		case "displayName":
			v.DisplayName, err = optional(value)
		case "connections":
			var targets map[string]json.RawMessage
			if targets, err = amjson.Object(value); err != nil {
				break
			}
			for _, outcome := range slices.Sorted(maps.Keys(targets)) {
				var to *NodeID
				if json.Unmarshal(targets[outcome], &to) != nil || to == nil {
					return Vertex{}, fault(fmt.Errorf("a node's id is needed, not %s", amjson.Shape(targets[outcome])), name, outcome)
				}
				v.Connections[Outcome(outcome)] = *to
			}
		default:
			if v.Extra == nil {
				v.Extra = map[string]json.RawMessage{}
			}
			v.Extra[name] = value
		}
		if err != nil {
			return Vertex{}, fault(err, name)
		}
	}
	return v, nil
}

// optional reads a text that may be absent.
func optional(raw json.RawMessage) (string, error) {
	if amjson.Absent(raw) {
		return "", nil
	}
	return amjson.Text(raw)
}

// Encode writes the tree as AM shows it: all flags, times in whole minutes and
// only where they are set, _id but no _rev, which belongs to the store.
func (t *Tree) Encode() ([]byte, error) {
	nodes := make(map[NodeID]map[string]any, len(t.Nodes))
	for id, v := range t.Nodes {
		nodes[id] = v.document()
	}
	doc := document(t.Extra)
	doc["_id"] = t.Name
	doc[attrEntry] = t.Entry
	doc[attrNodes] = nodes
	for _, attribute := range []string{attrEnabled, attrInnerOnly, attrMustRun, attrNoSession, attrTransactional} {
		doc[attribute] = *t.flag(attribute)
	}
	for _, attribute := range []string{attrTimeout, attrMaxSession, attrMaxIdle} {
		if d := *t.duration(attribute); d > 0 {
			doc[attribute] = amjson.Count(d, time.Minute)
		}
	}
	if t.Description != "" {
		doc[attrDescription] = t.Description
	}
	if t.IdentityResource != "" {
		doc[attrResource] = t.IdentityResource
	}
	for _, attribute := range []string{attrUI, attrStatic} {
		if doc[attribute] == nil {
			doc[attribute] = struct{}{}
		}
	}
	out, err := amjson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode tree %q: %w", t.Name, err)
	}
	return out, nil
}

func (v Vertex) document() map[string]any {
	doc := document(v.Extra)
	doc["nodeType"] = v.Type
	doc["displayName"] = v.DisplayName
	doc["connections"] = v.Connections
	if v.Connections == nil {
		doc["connections"] = struct{}{}
	}
	if v.Version != "" {
		doc["version"] = v.Version
	}
	return doc
}

// document is a new object that starts with what was kept from elsewhere.
func document(kept map[string]json.RawMessage) map[string]any {
	doc := make(map[string]any, len(kept)+8)
	for name, raw := range kept {
		doc[name] = raw
	}
	return doc
}
