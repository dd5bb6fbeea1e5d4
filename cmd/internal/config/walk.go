package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// walker goes through the file's mappings, notes the line of every key, and
// finds those that no field has.
type walker struct {
	file    string
	known   map[string]bool // "http.addr", and "ldap.realm" for every directory
	origins map[string]string
	faults  []Fault
}

const ldapKey = "ldap"

func (w *walker) knowLDAP() {
	for f := range reflect.TypeFor[LDAP]().Fields() {
		w.known[ldapKey+"."+yamlName(f)] = true
	}
}

// section reports whether key holds other keys.
func (w *walker) section(key string) bool {
	for k := range w.known {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// mapping checks one mapping whose keys stand under prefix ("" or "http.").
func (w *walker) mapping(n *yaml.Node, prefix string) {
	w.each(n, prefix, func(name, key string, at, value *yaml.Node) {
		origin := fmt.Sprintf("%s:%d", w.file, at.Line)
		switch {
		case key == ldapKey:
			w.origins[key] = origin
			w.directories(value)
		case w.section(key):
			w.mapping(value, key+".")
		case w.known[key]:
			w.origins[key] = origin
		default:
			w.faults = append(w.faults, Fault{Origin: origin, Message: fmt.Sprintf("unknown key %q%s", name, nearest(key, w.known))})
		}
	})
}

func (w *walker) directories(list *yaml.Node) {
	if list.Kind != yaml.SequenceNode {
		return // the decoder says what is wrong with it
	}
	for i, n := range list.Content {
		w.origins[fmt.Sprintf("%s[%d]", ldapKey, i)] = fmt.Sprintf("%s:%d", w.file, n.Line)
		w.each(n, ldapKey+".", func(name, key string, at, _ *yaml.Node) {
			origin := fmt.Sprintf("%s:%d", w.file, at.Line)
			if !w.known[key] {
				w.faults = append(w.faults, Fault{Origin: origin, Message: fmt.Sprintf("unknown key %q%s", name, nearest(key, w.known))})
				return
			}
			w.origins[fmt.Sprintf("%s[%d].%s", ldapKey, i, name)] = origin
		})
	}
}

func (w *walker) each(n *yaml.Node, prefix string, visit func(name, key string, at, value *yaml.Node)) {
	if n.Kind == yaml.AliasNode {
		w.faults = append(w.faults, Fault{Origin: fmt.Sprintf("%s:%d", w.file, n.Line), Message: "aliases are not understood here"})
		return
	}
	if n.Kind != yaml.MappingNode {
		if n.Tag != "!!null" {
			w.faults = append(w.faults, Fault{
				Origin: fmt.Sprintf("%s:%d", w.file, n.Line), Key: strings.TrimSuffix(prefix, "."), Message: "keys with values are needed here",
			})
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		visit(name, prefix+name, n.Content[i], n.Content[i+1])
	}
}

// nearest proposes the known name that is closest to a mistyped one, if any is
// close.
func nearest[V any](name string, known map[string]V) string {
	best, bestAt := "", 1+len(name)/3
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < bestAt {
			best, bestAt = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance counts the insertions, deletions and replacements between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
