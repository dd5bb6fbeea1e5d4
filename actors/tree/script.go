package tree

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"sojourn/actors/internal/amjson"
	"sojourn/actors/realm"
)

// Script is a script that nodes refer to by its ID.
type Script struct {
	ID, Name, Language string
	Text               string
	// Attributes are all others: context, description, evaluatorVersion ...
	Attributes map[string]json.RawMessage
}

// DecodeScript reads a script. Its text may be a list of lines, base64 (AM's
// API), or a text that is itself quoted as JSON (frodo without string arrays).
func DecodeScript(raw []byte) (Script, error) {
	if err := amjson.Check(raw, realm.MaxDocument); err != nil {
		return Script{}, err
	}
	return decodeScript(raw)
}

// decodeScript is DecodeScript for a text that was checked as part of a larger
// one.
func decodeScript(raw json.RawMessage) (Script, error) {
	members, err := amjson.Object(raw)
	if err != nil {
		return Script{}, err
	}
	s := Script{Attributes: make(map[string]json.RawMessage, len(members))}
	for name, value := range members {
		switch name {
		case "_rev":
		case "_id":
			s.ID, err = optional(value)
		case "name":
			s.Name, err = optional(value)
		case "language":
			s.Language, err = optional(value)
		case "script":
			s.Text, err = scriptText(value)
		default:
			s.Attributes[name] = value
		}
		if err != nil {
			return Script{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

func scriptText(raw json.RawMessage) (string, error) {
	if amjson.Absent(raw) {
		return "", nil
	}
	var lines []string
	if json.Unmarshal(raw, &lines) == nil {
		return strings.Join(lines, "\n"), nil
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return "", errors.New("a text or a list of lines is needed")
	}
	var quoted string
	if strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &quoted) == nil {
		return quoted, nil
	}
	if decoded, err := base64.StdEncoding.DecodeString(text); err == nil && utf8.Valid(decoded) {
		return string(decoded), nil
	}
	return text, nil
}

// EncodeScript writes a script as AM's API has it, its text in base64.
func EncodeScript(s Script) ([]byte, error) {
	return s.encode(base64.StdEncoding.EncodeToString([]byte(s.Text)))
}

// encodeLines writes a script as frodo exports it, its text as a list of lines.
func (s Script) encodeLines() ([]byte, error) {
	return s.encode(strings.Split(s.Text, "\n"))
}

func (s Script) encode(text any) ([]byte, error) {
	doc := document(s.Attributes)
	doc["_id"], doc["name"], doc["language"], doc["script"] = s.ID, s.Name, s.Language, text
	out, err := amjson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode script %s: %w", s.ID, err)
	}
	return out, nil
}

// ScriptIDs are the scripts that the journey's nodes name, sorted: the values
// of an attribute called script that look like a script's id.
func (j Journey) ScriptIDs() []string {
	var ids []string
	for _, c := range j.Nodes {
		var id string
		if json.Unmarshal(c.Attributes["script"], &id) == nil && IsUUID(NodeID(id)) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
