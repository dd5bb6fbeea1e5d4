package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
)

// planFor is the plan that a request wants: that of a tree, or a choice between
// several where more than one would do.
func (c *Catalog) planFor(ctx context.Context, r *journey.StartRequest) (*plan, error) {
	if r.Wanted != nil {
		return c.planOfWanted(ctx, r.Realm, *r.Wanted)
	}
	if _, is, _ := journey.ReadChoice(r.Tree); is { // the name of a choice is not a client's to say
		return nil, journey.ErrNoTree
	}
	p, err := c.plan(ctx, r.Realm, r.Tree)
	if err == nil && p.Transactional {
		return nil, fmt.Errorf("%w: tree %q runs only inside a transaction", journey.ErrNoTree, p.Name)
	}
	return p, err
}

// planOfWanted finds the trees that would do. Trees that AM would not start are
// passed over, unless there is no other.
func (c *Catalog) planOfWanted(ctx context.Context, r realm.Name, w journey.Wanted) (*plan, error) {
	e, err := c.active(ctx, r)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(e.set.Trees))
	if len(w.Trees) > 0 {
		names = slices.Sorted(slices.Values(w.Trees))
	}
	fault := journey.ErrNoTree
	if len(w.Trees) == 0 {
		fault = journey.ErrLevel
	}
	var able, reaching []string
	for _, name := range slices.Compact(names) {
		p, err := e.plan(name, c.types)
		if err != nil || p.Transactional {
			continue
		}
		able = append(able, name)
		if w.ByLevel {
			if level, ok := p.maxLevel(e.settings.DefaultAuthLevel); ok && level >= w.Level {
				reaching = append(reaching, name)
			}
		}
	}
	switch {
	case len(reaching) > 0:
		able = reaching
	case w.ByLevel && len(w.Trees) == 0:
		able = nil
	}
	if len(able) > journey.MaxChoices {
		c.logger.Warn("more trees would do than a client can be asked about", "realm", r, "trees", len(able), "asked", journey.MaxChoices)
		able = able[:journey.MaxChoices]
	}
	switch len(able) {
	case 0:
		return nil, fault
	case 1:
		return c.plan(ctx, r, able[0])
	}
	plans := make([]*journey.Plan, len(able))
	for i, name := range able {
		p, err := c.plan(ctx, r, name)
		if err != nil {
			return nil, err
		}
		plans[i] = p.Plan
	}
	return newPlan(journey.Choice(plans)), nil
}

// choice is the plan that the name of a choice stands for, made of the versions
// of trees that it names: journey.ErrGone when one is kept no longer. is is
// false for the name of a tree.
func (c *Catalog) choice(ctx context.Context, r realm.Name, name string) (p *plan, is bool, err error) {
	trees, is, err := journey.ReadChoice(name)
	if !is || err != nil {
		return nil, is, errors.Join(err, journey.ErrNoTree)
	}
	plans := make([]*journey.Plan, len(trees))
	for i, t := range trees {
		found, err := c.planOf(ctx, r, t.Name, t.Version)
		if err != nil {
			return nil, true, err
		}
		plans[i] = found.Plan
	}
	return newPlan(journey.Choice(plans)), true, nil
}
