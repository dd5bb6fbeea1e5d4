package realm

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"sojourn/actors/internal/amjson"
)

// document is a settings document and what its attributes mean.
type document struct {
	id         string
	within     string // the member that holds the attributes; empty for the top
	raw        json.RawMessage
	attributes []attribute
}

func (d document) fault(attribute string, err error) error {
	return &SettingError{d.id, attribute, err.Error()}
}

// contents is a document taken apart: the attributes at the top, and those of
// the groups that it should have. around are the members beside the attributes.
type contents struct {
	around, top map[string]json.RawMessage
	groups      map[string]map[string]json.RawMessage
}

func (d document) contents() (contents, error) {
	c := contents{groups: map[string]map[string]json.RawMessage{}}
	if len(d.raw) == 0 {
		return c, nil
	}
	if err := amjson.Check(d.raw, MaxDocument); err != nil {
		return c, d.fault("", err)
	}
	var err error
	if c.top, err = amjson.Object(d.raw); err != nil {
		return c, d.fault("", err)
	}
	if d.within != "" {
		c.around = c.top
		if c.top, err = amjson.Object(c.around[d.within]); err != nil {
			return c, d.fault(d.within, err)
		}
	}
	var faults []error
	for _, a := range d.attributes {
		if _, seen := c.groups[a.group]; seen || a.group == "" {
			continue
		}
		if c.groups[a.group], err = amjson.Object(c.top[a.group]); err != nil {
			faults = append(faults, d.fault(a.group, err))
		}
	}
	return c, errors.Join(faults...)
}

// value is what stands for an attribute.
func (c contents) value(a attribute) json.RawMessage {
	if a.group == "" {
		return c.top[a.name]
	}
	return c.groups[a.group][a.name]
}

func (d document) read() []error {
	c, err := d.contents()
	if err != nil {
		return []error{err}
	}
	var faults []error
	for _, a := range d.attributes {
		raw := c.value(a)
		if amjson.Absent(raw) {
			continue
		}
		if err := a.read(raw); err != nil {
			faults = append(faults, d.fault(a.path(), err))
		}
	}
	return faults
}

// errInMemory is what AM says of its stores: only journeys may be in memory.
var errInMemory = errors.New("in-memory storage is not supported for authenticated sessions: they are kept in the token store (CTS) " +
	"or by their holders (general.statelessSessionsEnabled); only journeys may be in memory (trees.authenticationSessionsStateManagement)")

// inMemory finds attempts to keep authenticated sessions in memory: AM's word
// for it, in any spelling, as the value of whatever concerns sessions but of the
// store of journeys.
func (d document) inMemory() []error {
	if d.id != DocumentAuthentication && d.id != DocumentSession {
		return nil
	}
	c, err := d.contents()
	if err != nil {
		return nil // read has told
	}
	var faults []error
	look := func(path string, members map[string]json.RawMessage) {
		for _, name := range slices.Sorted(maps.Keys(members)) {
			word, err := amjson.Text(members[name])
			if err != nil || !strings.EqualFold(strings.NewReplacer("-", "", "_", "", " ", "").Replace(word), "inmemory") {
				continue
			}
			concerns := d.id == DocumentSession || strings.Contains(strings.ToLower(name), "session")
			if path+name != "trees.authenticationSessionsStateManagement" && concerns {
				faults = append(faults, d.fault(path+name, errInMemory))
			}
		}
	}
	look("", c.top)
	for _, group := range slices.Sorted(maps.Keys(c.groups)) {
		look(group+".", c.groups[group])
	}
	return faults
}

func (d document) unknown() []string {
	c, err := d.contents()
	if err != nil {
		return nil
	}
	known := map[string]bool{"_id": true, "_rev": true, "_type": true}
	for _, a := range d.attributes {
		known[a.path()] = true
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.top)) {
		if _, group := c.groups[name]; !group && !known[name] {
			names = append(names, d.id+": "+name)
		}
		for _, inner := range slices.Sorted(maps.Keys(c.groups[name])) {
			if path := name + "." + inner; !known[path] {
				names = append(names, d.id+": "+path)
			}
		}
	}
	return names
}

// show writes the document with every attribute that it has; global is set for
// one of the whole deployment.
func (d document) show(global bool) (json.RawMessage, error) {
	c, err := d.contents()
	if err != nil {
		return nil, err
	}
	out := values(c.top)
	for group, members := range c.groups {
		if out[group] = values(members); len(members) == 0 {
			delete(out, group)
		}
	}
	for _, a := range d.attributes {
		stored := !amjson.Absent(c.value(a))
		if stored && !a.secret || !stored && a.wide && !global {
			continue
		}
		to := out
		if a.group != "" {
			inner, ok := out[a.group].(map[string]any)
			if !ok {
				inner = map[string]any{}
				out[a.group] = inner
			}
			to = inner
		}
		to[a.name] = a.show()
	}
	if d.within != "" {
		outer := values(c.around)
		outer[d.within] = out
		out = outer
	}
	return amjson.Marshal(out)
}

// values are the members that are there.
func values(members map[string]json.RawMessage) map[string]any {
	out := make(map[string]any, len(members))
	for name, raw := range members {
		if !amjson.Absent(raw) {
			out[name] = raw
		}
	}
	return out
}
