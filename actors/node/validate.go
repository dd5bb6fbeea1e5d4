package node

import (
	"slices"

	"sojourn/actors/tree"
)

var _ tree.Types = (*Registry)(nil)

// Describe tells package tree about a configured node: what is wrong with its
// attributes, those that its type does not have, and its outcomes when nothing
// is wrong.
func (r *Registry) Describe(c tree.Config) (tree.Description, bool) {
	t, ok := r.Type(c.Type)
	if !ok {
		return tree.Description{}, false
	}
	d := tree.Description{Title: t.Title, Unknown: t.UnknownAttributes(c)}
	config, faults := t.decode(c)
	if len(faults) == 0 && t.New != nil {
		if _, err := t.New(config); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if len(faults) > 0 {
		d.Faults = faults
		return d, true
	}
	d.Outcomes = slices.Clone(t.OutcomesOf(config))
	return d, true
}
