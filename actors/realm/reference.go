package realm

import (
	"encoding/json"

	"sojourn/actors/internal/amjson"
)

// Setting is one attribute of a settings document, for reference and for
// questions about what is in force.
type Setting struct {
	// Document is the document's id, Path the attribute's dotted path in it.
	Document, Path string
	// Global and Realm say where it may be set; Wide that AM has it for the
	// whole deployment only.
	Global, Realm, Wide bool
	// Values says what may be written, About what it does: or, when None is set,
	// why it does nothing.
	Values, About string
	None          bool
	// Default is in JSON. Process says that the process configuration has it.
	Default json.RawMessage
	Process bool
}

// Reference lists every attribute that has a name here, document by document.
func Reference() []Setting {
	d := newDraft(DefaultDeployment())
	var all []Setting
	at := map[string]int{}
	for _, p := range places(true) {
		for _, a := range p.attributes(d) {
			at[p.id+" "+a.path()] = len(all)
			all = append(all, a.setting(p.id, true))
		}
	}
	for _, p := range places(false) {
		for _, a := range p.attributes(d) {
			if i, there := at[p.id+" "+a.path()]; there {
				all[i].Realm = true
			} else {
				all = append(all, a.setting(p.id, false))
			}
		}
	}
	return all
}

func (a attribute) setting(document string, global bool) Setting {
	preset, err := amjson.Marshal(a.show())
	if err != nil {
		panic("realm: the default of " + a.path() + " is no JSON: " + err.Error())
	}
	return Setting{
		Document: document, Path: a.path(), Global: global, Realm: !global, Wide: a.wide, Values: a.values, About: a.about,
		None: a.none, Default: preset, Process: a.process,
	}
}

// Origin is which layer a setting in force comes from.
type Origin string

// The layers, the weakest first.
const (
	FromDefault Origin = "default"
	FromProcess Origin = "process"
	FromGlobal  Origin = "global"
	FromRealm   Origin = "realm"
)

// InForce is a setting of a realm as it is now.
type InForce struct {
	Document, Path string
	Value          json.RawMessage
	Origin         Origin
}

// InForce lists the settings of a realm that have a meaning, with the layer that
// each comes from. A text that a document has beside its meaning, such as a
// number as a text, is shown by its meaning.
func (l Layers) InForce() ([]InForce, error) {
	d, _ := l.read()
	var all []InForce
	at := map[string]int{}
	layer := func(ps []place, stored map[string]json.RawMessage, origin Origin) error {
		for _, p := range ps {
			opened := p.open(d, stored)
			c, err := opened.contents()
			if err != nil {
				c = contents{} // it counts as absent
			}
			defaults, trial := p.attributes(newDraft(DefaultDeployment())), p.attributes(newDraft(l.Process))
			for i, a := range opened.attributes {
				value, was, err := shown(a, defaults[i])
				if err != nil {
					return err
				}
				key, now := p.id+" "+a.path(), InForce{p.id, a.path(), value, FromDefault}
				raw := c.value(a)
				stored := !amjson.Absent(raw) && trial[i].read(raw) == nil
				switch {
				case stored:
					now.Origin = origin
				case a.process && string(was) != string(value):
					now.Origin = FromProcess
				}
				switch i, there := at[key]; {
				case a.none:
				case there && stored:
					all[i] = now
				case !there && (stored || !a.wide || origin == FromGlobal):
					at[key] = len(all)
					all = append(all, now)
				}
			}
		}
		return nil
	}
	if err := layer(places(true), l.Global, FromGlobal); err != nil {
		return nil, err
	}
	return all, layer(places(false), l.Own, FromRealm)
}

// shown is what an attribute shows, and another.
func shown(a, other attribute) (value, was json.RawMessage, err error) {
	if value, err = amjson.Marshal(a.show()); err != nil {
		return nil, nil, err
	}
	was, err = amjson.Marshal(other.show())
	return value, was, err
}
