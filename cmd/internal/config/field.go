package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// field is one value of a Config that a single text can set.
type field struct {
	key   string // "http.addr"
	index []int  // where it stands in Config
	layer string // the only layer that may set it; empty for all
}

// fields lists every field of Config in the order of the struct. The ldap list
// is not among them.
func fields() []field {
	return collect(reflect.TypeFor[Config](), "", nil, nil)
}

func collect(t reflect.Type, prefix string, index []int, out []field) []field {
	for f := range t.Fields() {
		key := prefix + yamlName(f)
		at := slices.Concat(index, f.Index)
		switch {
		case f.Type.Kind() == reflect.Struct:
			out = collect(f.Type, key+".", at, out)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
		default:
			out = append(out, field{key: key, index: at, layer: f.Tag.Get("layer")})
		}
	}
	return out
}

func yamlName(f reflect.StructField) string {
	if name := f.Tag.Get("yaml"); name != "-" {
		return name
	}
	return strings.ToLower(f.Name[:1]) + f.Name[1:]
}

// env is the field's environment variable.
func (f field) env() string {
	var b strings.Builder
	b.WriteString(envPrefix)
	var before rune
	for _, r := range f.key {
		switch {
		case r == '.':
			r = '_'
		case unicode.IsUpper(r) && unicode.IsLower(before):
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
		before = r
	}
	return b.String()
}

// text is the field's value as set takes it.
func (f field) text(c *Config) string {
	return textOf(reflect.ValueOf(c).Elem().FieldByIndex(f.index))
}

func textOf(v reflect.Value) string {
	if list, ok := reflect.TypeAssert[[]string](v); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(v.Interface())
}

// set reads text into the field. The error says what would be right.
func (f field) set(c *Config, text string) error {
	target := reflect.ValueOf(c).Elem().FieldByIndex(f.index)
	switch p := target.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	case *Secret:
		*p = Secret(text)
	case *string:
		*p = text
	case *[]string:
		*p = splitList(text)
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not true or false", text)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 30s or 5m", text)
		}
		*p = d
	default:
		panic(fmt.Sprintf("config field %s has type %s, which no text can set", f.key, target.Type()))
	}
	return nil
}

func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
