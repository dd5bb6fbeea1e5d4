package tree

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"sojourn/actors/internal/amjson"
	"sojourn/actors/realm"
)

// DecodeNode reads a node's configuration. ID, Type, Version and Title are what
// _id and _type say, empty where they are missing: the configuration API has ID
// and type in its path. _rev and _outcomes are passed over. The attributes are
// not judged here.
func DecodeNode(raw []byte) (Config, error) {
	if err := amjson.Check(raw, realm.MaxDocument); err != nil {
		return Config{}, err
	}
	return decodeConfig(raw)
}

// decodeConfig is DecodeNode for a text that was checked as part of a larger
// one.
func decodeConfig(raw json.RawMessage) (Config, error) {
	members, err := amjson.Object(raw)
	if err != nil {
		return Config{}, err
	}
	c := Config{Attributes: make(map[string]json.RawMessage, len(members))}
	for name, value := range members {
		switch name {
		case "_rev", "_outcomes":
		case "_id":
			var id string
			if id, err = optional(value); err != nil {
				return Config{}, fmt.Errorf("_id: %w", err)
			}
			c.ID = NodeID(id)
		case "_type":
			if err := c.setType(value); err != nil {
				return Config{}, fmt.Errorf("_type: %w", err)
			}
		default:
			c.Attributes[name] = value
		}
	}
	return c, nil
}

func (c *Config) setType(raw json.RawMessage) error {
	if amjson.Absent(raw) {
		return nil
	}
	members, err := amjson.Object(raw)
	if err != nil {
		return err
	}
	for name, to := range map[string]*string{"_id": &c.Type, "name": &c.Title, "version": &c.Version} {
		if *to, err = optional(members[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// EncodeNode writes a configuration as AM shows it, without _rev, which belongs
// to the store. title and outcomes are those of Set.Describe; with an empty
// title the one that the configuration came with is shown.
func EncodeNode(c Config, title string, outcomes []Outcome) ([]byte, error) {
	if title == "" {
		title = c.Title
	}
	if title == "" {
		title = c.Type
	}
	kind := map[string]any{"_id": c.Type, "name": title, "collection": true}
	if c.Version != "" {
		kind["version"] = c.Version
	}
	exits := make([]map[string]string, len(outcomes))
	for i, o := range outcomes {
		exits[i] = map[string]string{"id": string(o), "displayName": o.title()}
	}
	doc := document(c.Attributes)
	doc["_id"], doc["_type"], doc["_outcomes"] = c.ID, kind, exits
	out, err := amjson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode node %s: %w", c.ID, err)
	}
	return out, nil
}

// title is how AM's editor shows most outcomes: "outcome" as "Outcome",
// "NOT_REGISTERED" as "Not Registered", "localAuthentication" as "Local
// Authentication".
func (o Outcome) title() string {
	text := strings.ReplaceAll(string(o), "_", " ")
	shouting := strings.ToUpper(text) == text
	var b strings.Builder
	previous := ' '
	for _, r := range text {
		switch {
		case previous == ' ':
			b.WriteRune(unicode.ToUpper(r))
		case shouting:
			b.WriteRune(unicode.ToLower(r))
		case unicode.IsUpper(r) && unicode.IsLower(previous):
			b.WriteRune(' ')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		previous = r
	}
	return b.String()
}

// Describe is types.Describe, with the outcomes of a page filled in: they are
// those of its last child.
func (s *Set) Describe(c Config, types Types) (Description, bool) {
	d, ok := types.Describe(c)
	if !ok || Base(c.Type) != PageType {
		return d, ok
	}
	children, err := Children(c)
	if err != nil || len(children) == 0 {
		return d, ok
	}
	last, known := s.Nodes[children[len(children)-1].ID]
	if !known || Base(last.Type) == PageType {
		return d, ok
	}
	if inner, known := types.Describe(last); known {
		d.Outcomes = pageOutcomes(c.Version, last.ID, inner.Outcomes)
	}
	return d, ok
}
