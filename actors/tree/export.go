package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sojourn/actors/internal/amjson"
	"sojourn/actors/realm"
)

// MaxJourneys is how many journeys one file may hold.
const MaxJourneys = 5000

// Export is a file of journeys: what people move between servers.
type Export struct {
	// Journeys stand in the order to import them: inner trees before the trees
	// that call them, else by name.
	Journeys []Journey
	// Ignored names what the file holds and this server does not take.
	Ignored []string
}

// Journey is a tree with all that belongs to it.
type Journey struct {
	Tree *Tree
	// Nodes are the configurations of the tree's nodes and of the children of
	// its pages. Some may be missing; Validate says so.
	Nodes   map[NodeID]Config
	Scripts map[string]Script
	// EmailTemplates are those that came with the journey, by name.
	EmailTemplates map[string]json.RawMessage
}

// DecodeExport reads a file of journeys in any of the forms that are around:
// frodo's for several journeys ({"trees": {name: {tree, nodes, innerNodes,
// scripts}}}), frodo's for one ({tree, nodes, innerNodes, scripts}), that of
// the older AM treetool ("innernodes"), a tree with a list of nodes ({tree,
// nodes: [...]}), and a bare tree with its _id. Errors say where in the file.
func DecodeExport(raw []byte) (Export, error) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if err := amjson.Check(raw, MaxFileSize); err != nil {
		return Export{}, fmt.Errorf("journey file: %w", err)
	}
	file, err := amjson.Object(raw)
	if err != nil {
		return Export{}, fmt.Errorf("journey file: %w", err)
	}
	var d importer
	switch {
	case file["trees"] != nil:
		err = d.several(file)
	case file["tree"] != nil:
		err = d.journey("", file)
	case file["entryNodeId"] != nil:
		err = d.journey("", map[string]json.RawMessage{"tree": raw})
	case file["data"] != nil && file["metadata"] != nil:
		err = errors.New("this is one entity of an Amster or file-based export; a journey export of frodo is needed")
	default:
		err = fmt.Errorf("neither trees nor tree nor entryNodeId is there, only %s",
			strings.Join(slices.Sorted(maps.Keys(file)), ", "))
	}
	if err != nil {
		return Export{}, fmt.Errorf("journey file: %w", err)
	}
	if err := d.conflict(); err != nil {
		return Export{}, fmt.Errorf("journey file: %w", err)
	}
	return Export{Journeys: importOrder(d.journeys), Ignored: d.ignored}, nil
}

// importer gathers the journeys of one file.
type importer struct {
	journeys []Journey
	ignored  []string
}

func (d *importer) ignore(format string, args ...any) {
	d.ignored = append(d.ignored, fmt.Sprintf(format, args...))
}

func (d *importer) several(file map[string]json.RawMessage) error {
	trees, err := amjson.Object(file["trees"])
	if err != nil {
		return fmt.Errorf("/trees: %w", err)
	}
	if len(trees) > MaxJourneys {
		return fmt.Errorf("/trees: %d journeys are more than the limit of %d", len(trees), MaxJourneys)
	}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		sections, err := amjson.Object(trees[name])
		if err == nil {
			err = d.journey(name, sections)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", amjson.Pointer("trees", name), err)
		}
	}
	d.sections("", file, "meta", "trees")
	return nil
}

// sections names those of a file that are not taken and hold something.
func (d *importer) sections(name string, file map[string]json.RawMessage, taken ...string) {
	for _, section := range slices.Sorted(maps.Keys(file)) {
		raw := file[section]
		if slices.Contains(taken, section) || amjson.Absent(raw) || empty(raw) {
			continue
		}
		if name == "" {
			d.ignore("section %q", section)
		} else {
			d.ignore("section %q of journey %q", section, name)
		}
	}
}

func empty(raw json.RawMessage) bool {
	var list []json.RawMessage
	members, err := amjson.Object(raw)
	return err == nil && len(members) == 0 || json.Unmarshal(raw, &list) == nil && len(list) == 0
}

// journey reads one; without a name its tree says its name.
func (d *importer) journey(name string, sections map[string]json.RawMessage) error {
	members, err := amjson.Object(sections["tree"])
	if err != nil {
		return fmt.Errorf("/tree: %w", err)
	}
	if members == nil {
		return errors.New("/tree: it is missing")
	}
	if name == "" {
		if name, err = optional(members["_id"]); err != nil || name == "" {
			return errors.New("/tree/_id: the tree's name is needed")
		}
	}
	j := Journey{Nodes: map[NodeID]Config{}, Scripts: map[string]Script{}, EmailTemplates: map[string]json.RawMessage{}}
	if j.Tree, err = DecodeTree(name, sections["tree"]); err != nil {
		return fmt.Errorf("/tree: %w", err)
	}
	for _, section := range []string{"nodes", "innerNodes", "innernodes"} {
		if err := j.addNodes(sections[section]); err != nil {
			return fmt.Errorf("/%s%w", section, err)
		}
	}
	if len(j.Nodes) > MaxNodes {
		return fmt.Errorf("/nodes: %d nodes are more than the limit of %d", len(j.Nodes), MaxNodes)
	}
	if err := d.addScripts(&j, sections["scripts"]); err != nil {
		return fmt.Errorf("/scripts%w", err)
	}
	if err := j.addEmailTemplates(sections["emailTemplates"]); err != nil {
		return fmt.Errorf("/emailTemplates%w", err)
	}
	for _, id := range j.dropStrangers() {
		d.ignore("node %q, which is not part of journey %q", id, name)
	}
	d.sections(name, sections, "meta", "origin", "tree", "nodes", "innerNodes", "innernodes", "scripts", "emailTemplates")
	d.journeys = append(d.journeys, j)
	return nil
}

// addNodes reads node configurations by id, or a list of them.
func (j *Journey) addNodes(raw json.RawMessage) error {
	if amjson.Absent(raw) {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		for i, item := range list {
			c, err := decodeListed(item)
			if err == nil && c.ID == "" {
				err = errors.New("_id is needed")
			}
			if err == nil {
				err = j.addNode(c, item)
			}
			if err != nil {
				return fmt.Errorf("/%d: %w", i, err)
			}
		}
		return nil
	}
	members, err := amjson.Object(raw)
	if err != nil {
		return fmt.Errorf(": %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(members)) {
		c, err := decodeConfig(members[id])
		if err == nil {
			c.ID = NodeID(id)
			err = j.addNode(c, members[id])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", amjson.Pointer(id), err)
		}
	}
	return nil
}

func (j *Journey) addNode(c Config, raw json.RawMessage) error {
	if len(raw) > realm.MaxDocument {
		return fmt.Errorf("larger than %d bytes", realm.MaxDocument)
	}
	if c.Type == "" {
		c.Type = j.Tree.Nodes[c.ID].Type
	}
	j.Nodes[c.ID] = c
	return nil
}

// decodeListed reads a node of a list: a configuration, or {_id, nodeType,
// details} with the attributes in details.
func decodeListed(raw json.RawMessage) (Config, error) {
	c, err := decodeConfig(raw)
	if err != nil || c.Type != "" || c.Attributes["nodeType"] == nil || c.Attributes["details"] == nil {
		return c, err
	}
	typeName, err := optional(c.Attributes["nodeType"])
	if err != nil {
		return Config{}, fmt.Errorf("nodeType: %w", err)
	}
	details, err := decodeConfig(c.Attributes["details"])
	if err != nil {
		return Config{}, fmt.Errorf("details: %w", err)
	}
	return Config{ID: c.ID, Type: typeName, Attributes: details.Attributes}, nil
}

func (d *importer) addScripts(j *Journey, raw json.RawMessage) error {
	members, err := amjson.Object(raw)
	if err != nil {
		return fmt.Errorf(": %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(members)) {
		s, err := decodeScript(members[id])
		if err == nil && len(members[id]) > realm.MaxDocument {
			err = fmt.Errorf("larger than %d bytes", realm.MaxDocument)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", amjson.Pointer(id), err)
		}
		if s.ID = id; s.Text == "" {
			d.ignore("script %q of journey %q, which has no text", id, j.Tree.Name)
			continue
		}
		j.Scripts[id] = s
	}
	return nil
}

// dropStrangers removes and returns the nodes that are neither in the tree nor
// in one of its pages. Page children without a type get that of their page.
func (j *Journey) dropStrangers() []NodeID {
	part := map[NodeID]struct{}{}
	for id := range j.Tree.Nodes {
		part[id] = struct{}{}
		children, _ := Children(j.Nodes[id]) // Validate names a page that cannot be read
		for _, child := range children {
			part[child.ID] = struct{}{}
			if c, ok := j.Nodes[child.ID]; ok && c.Type == "" {
				c.Type = child.Type
				j.Nodes[child.ID] = c
			}
		}
	}
	var strangers []NodeID
	for id := range j.Nodes {
		if _, ok := part[id]; !ok {
			strangers = append(strangers, id)
			delete(j.Nodes, id)
		}
	}
	slices.Sort(strangers)
	return strangers
}

// conflict finds a node or script that two journeys of the file define
// differently: whichever came last would change the other journey.
func (d *importer) conflict() error {
	nodes, scripts := map[NodeID]Config{}, map[string]Script{}
	for _, j := range d.journeys {
		for _, id := range slices.Sorted(maps.Keys(j.Nodes)) {
			c := j.Nodes[id]
			if other, ok := nodes[id]; ok && !c.equal(other) {
				return fmt.Errorf("node %q of journey %q is configured otherwise in another journey", id, j.Tree.Name)
			}
			nodes[id] = c
		}
		for _, id := range slices.Sorted(maps.Keys(j.Scripts)) {
			s := j.Scripts[id]
			if other, ok := scripts[id]; ok && s.Text != other.Text {
				return fmt.Errorf("script %q of journey %q has another text in another journey", id, j.Tree.Name)
			}
			scripts[id] = s
		}
	}
	return nil
}

func (c Config) equal(other Config) bool {
	same := func(a, b json.RawMessage) bool { return canonical(a) == canonical(b) }
	return Base(c.Type) == Base(other.Type) && maps.EqualFunc(c.Attributes, other.Attributes, same)
}

// importOrder puts inner trees before those that call them. Of trees that call
// each other in a circle the first by name comes last.
func importOrder(journeys []Journey) []Journey {
	byName := make(map[string]Journey, len(journeys))
	for _, j := range journeys {
		byName[j.Tree.Name] = j
	}
	ordered := make([]Journey, 0, len(journeys))
	placed := map[string]bool{}
	var place func(name string)
	place = func(name string) {
		j, ok := byName[name]
		if !ok || placed[name] {
			return
		}
		placed[name] = true
		var inner []string
		for id := range j.Tree.Nodes {
			inner = append(inner, InnerTree(j.Nodes[id]))
		}
		slices.Sort(inner)
		for _, name := range inner {
			place(name)
		}
		ordered = append(ordered, j)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		place(name)
	}
	return ordered
}
