package config

import (
	_ "embed"
	"fmt"
	"strings"
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
	rows := []Value{
		{Key: "realm", Value: d.Realm},
		{Key: "servers", Value: strings.Join(d.Servers, ",")},
		{Key: "startTLS", Value: fmt.Sprint(d.StartTLS)},
		{Key: "caFile", Value: d.CAFile},
		{Key: "bindDN", Value: d.BindDN},
		{Key: "passwordFile", Value: d.PasswordFile},
		{Key: "baseDN", Value: d.BaseDN},
		{Key: "userAttribute", Value: d.UserAttribute},
		{Key: "filter", Value: d.Filter},
		{Key: "connections", Value: fmt.Sprint(d.Connections)},
		{Key: "timeout", Value: d.Timeout.String()},
	}
	for j := range rows {
		rows[j].Key = fmt.Sprintf("%s[%d].%s", ldapKey, i, rows[j].Key)
		if origin, set := l.origins[rows[j].Key]; set {
			rows[j].Origin = origin
		} else {
			rows[j].Origin = "default"
		}
	}
	return rows
}
