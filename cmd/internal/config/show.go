package config

import (
	_ "embed"
	"fmt"
	"reflect"
)

//go:embed sojourn.yaml
var sample string

// Sample is a commented configuration file in which every key has its default.
func Sample() string { return sample }

// Value is one line of a listing.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
	// Env is the variable that would set it; empty when none can.
	Env string `json:"env,omitempty"`
}

// Values lists every value with its origin, in the order of the struct.
// Secrets are shown as [redacted].
func (l Loaded) Values() []Value {
	var out []Value
	for _, f := range fields() {
		v := Value{Key: f.key, Value: f.text(&l.Config), Origin: l.Origin(f.key), Env: f.env()}
		if f.layer == "flag" {
			v.Env = ""
		}
		out = append(out, v)
	}
	for i, d := range l.Config.LDAP {
		out = append(out, l.directory(i, d)...)
	}
	return out
}

func (l Loaded) directory(i int, d LDAP) []Value {
	var rows []Value
	v := reflect.ValueOf(d)
	for f := range v.Type().Fields() {
		row := Value{Key: fmt.Sprintf("%s[%d].%s", ldapKey, i, yamlName(f)), Value: textOf(v.FieldByIndex(f.Index)), Origin: "default"}
		if origin, set := l.origins[row.Key]; set {
			row.Origin = origin
		}
		rows = append(rows, row)
	}
	return rows
}
