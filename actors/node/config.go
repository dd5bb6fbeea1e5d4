package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sojourn/actors/tree"
)

// Kind is the shape of an attribute's value.
type Kind int

// Kinds of attributes and the Go values that Config gives for them.
const (
	Text      Kind = iota // string
	Flag                  // bool; "true" and "false" are taken
	Whole                 // int; numeric strings are taken
	List                  // []string
	Dict                  // map[string]string
	Localised             // map[string]string, locale to text; read with Config.Localise
	Raw                   // json.RawMessage
)

// Property is one attribute of a type's configuration.
type Property struct {
	Name, Title string
	Kind        Kind
	// Default is the Go value of the Kind; nil is the Kind's zero value.
	Default any
	// Required attributes must not be empty, and must be present when they
	// have no Default.
	Required bool
	// Options, when set, are the only values that a Text may have.
	Options []string
	// Min is the smallest Whole allowed, when not zero.
	Min int
}

// Config is a decoded configuration: a value for every property of the type.
type Config struct {
	ID     tree.NodeID
	values map[string]any
}

// Configure decodes raw attributes by the type's properties. Exports are read
// as they are: null is the default, numbers and booleans may be strings, a
// single string may stand for a list, and attributes that the type does not
// know are passed over (UnknownAttributes names them). What cannot be read is
// reported in one error that names every fault.
func (t *Type) Configure(c tree.Config) (Config, error) {
	out, faults := t.decode(c)
	if len(faults) > 0 {
		return Config{}, fmt.Errorf("%s %s: %s", t.Name, c.ID, strings.Join(faults, "; "))
	}
	return out, nil
}

// decode reads what it can and lists what it cannot, with attribute names.
func (t *Type) decode(c tree.Config) (out Config, faults []string) {
	out = Config{ID: c.ID, values: make(map[string]any, len(t.Properties))}
	for _, p := range t.Properties {
		value, err := p.read(c.Attributes[p.Name])
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", p.Name, err))
			continue
		}
		out.values[p.Name] = value
	}
	return out, faults
}

// UnknownAttributes names the attributes of c that the type does not have,
// sorted.
func (t *Type) UnknownAttributes(c tree.Config) []string {
	var unknown []string
	for name := range c.Attributes {
		if !slices.ContainsFunc(t.Properties, func(p Property) bool { return p.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

var errRequired = errors.New("a value is required")

func empty(value any) bool {
	switch value := value.(type) {
	case string:
		return value == ""
	case []string:
		return len(value) == 0
	case map[string]string:
		return len(value) == 0
	}
	return false
}

func (p Property) read(raw json.RawMessage) (any, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		if p.Required && p.Default == nil {
			return nil, errRequired
		}
		return p.fallback(), nil
	}
	value, err := p.decode(raw)
	if err != nil {
		return nil, err
	}
	if p.Required && empty(value) {
		return nil, errRequired
	}
	if text, ok := value.(string); ok {
		if len(p.Options) > 0 && !slices.Contains(p.Options, text) {
			return nil, fmt.Errorf("%q is none of %s", text, strings.Join(p.Options, ", "))
		}
	}
	if n, ok := value.(int); ok && p.Min != 0 && n < p.Min {
		return nil, fmt.Errorf("%d is less than %d", n, p.Min)
	}
	return value, nil
}

func (p Property) fallback() any {
	if p.Default != nil {
		return p.Default
	}
	switch p.Kind {
	case Flag:
		return false
	case Whole:
		return 0
	case List:
		return []string(nil)
	case Dict, Localised:
		return map[string]string(nil)
	case Raw:
		return json.RawMessage(nil)
	case Text:
	}
	return ""
}

func (p Property) decode(raw json.RawMessage) (any, error) {
	switch p.Kind {
	case Text:
		return single(raw)
	case Flag:
		text, err := single(raw)
		if err != nil {
			return nil, err
		}
		flag, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%.40q is not true or false", text)
		}
		return flag, nil
	case Whole:
		text, err := single(raw)
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%.40q is not a whole number", text)
		}
		return n, nil
	case List:
		if raw[0] != '[' {
			text, err := single(raw)
			return []string{text}, err
		}
		var list []scalar
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("a list of single values is needed, not %.40s", raw)
		}
		out := make([]string, len(list))
		for i, s := range list {
			out[i] = string(s)
		}
		return out, nil
	case Dict, Localised:
		var m map[string]scalar
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("an object of single values is needed, not %.40s", raw)
		}
		out := make(map[string]string, len(m))
		for k, v := range m {
			out[k] = string(v)
		}
		return out, nil
	case Raw:
	}
	return raw, nil
}

func single(raw json.RawMessage) (string, error) {
	var s scalar
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("a single value is needed, not %.40s", raw)
	}
	return string(s), nil
}

// scalar reads a JSON string, number or boolean as the text it stands for.
type scalar string

func (s *scalar) UnmarshalJSON(raw []byte) error {
	switch {
	case len(raw) > 0 && raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		*s = scalar(text)
		return nil
	case len(raw) > 0 && (raw[0] == '{' || raw[0] == '['):
		return errors.New("not a single value")
	case string(raw) == "null":
		*s = ""
		return nil
	}
	*s = scalar(raw)
	return nil
}

// Text, Flag, Whole, List, Dict and Raw return a property's value. Asking for
// one that the type does not declare, or as another Kind, panics: it is a
// mistake in the node type.
func (c Config) Text(name string) string { return get[string](c, name) }

// Flag is described at Text.
func (c Config) Flag(name string) bool { return get[bool](c, name) }

// Whole is described at Text.
func (c Config) Whole(name string) int { return get[int](c, name) }

// Minutes is a Whole number of minutes as a duration, which ends at a hundred
// years in either direction.
func (c Config) Minutes(name string) time.Duration {
	const most = 100 * 365 * 24 * 60
	return time.Duration(min(max(c.Whole(name), -most), most)) * time.Minute
}

// Hours is a Whole number of hours as a duration, bounded as Minutes is.
func (c Config) Hours(name string) time.Duration {
	const most = 100 * 365 * 24
	return time.Duration(min(max(c.Whole(name), -most), most)) * time.Hour
}

// List is described at Text.
func (c Config) List(name string) []string { return get[[]string](c, name) }

// Dict is described at Text.
func (c Config) Dict(name string) map[string]string { return get[map[string]string](c, name) }

// Raw is described at Text.
func (c Config) Raw(name string) json.RawMessage { return get[json.RawMessage](c, name) }

func get[T any](c Config, name string) T {
	value, ok := c.values[name].(T)
	if !ok {
		panic(fmt.Sprintf("node %s: property %q is not a %T", c.ID, name, value))
	}
	return value
}

// Localise picks the text of the best locale: an exact match or the same
// language for each wanted locale in turn, then "en", then the first by name,
// then fallback.
func Localise(texts map[string]string, wanted []string, fallback string) string {
	if len(texts) == 0 {
		return fallback
	}
	for _, locale := range append(slices.Clone(wanted), "en") {
		if text, ok := find(texts, locale); ok {
			return text
		}
	}
	return texts[slices.Min(slices.Collect(maps.Keys(texts)))]
}

func find(texts map[string]string, locale string) (string, bool) {
	want := canonical(locale)
	language, _, _ := strings.Cut(want, "-")
	var near string
	var found bool
	for name, text := range texts {
		have := canonical(name)
		if have == want {
			return text, true
		}
		if base, _, _ := strings.Cut(have, "-"); base == language && (!found || have == language) {
			near, found = text, true
		}
	}
	return near, found
}

func canonical(locale string) string {
	return strings.ToLower(strings.ReplaceAll(locale, "_", "-"))
}
