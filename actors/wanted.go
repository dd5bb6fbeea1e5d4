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
	if err == nil && p.Transactional && r.Transaction == nil {
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
	if !is {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, errors.Join(err, journey.ErrNoTree)
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

// satisfied reports whether the session that the request carries makes the
// journey superfluous (am-contract section 1.6).
func satisfied(r journey.StartRequest, plan *journey.Plan) bool {
	if r.Session == nil || r.ForceAuth || plan.MustRun || r.Session.Principal.Realm != r.Realm {
		return false
	}
	if r.Wanted == nil && r.Tree == "" {
		return true
	}
	return slices.Contains(r.Session.Trees, plan.Name)
}

// leveled reports whether that session has the level that alone is wanted.
func leveled(r journey.StartRequest) bool {
	return r.Session != nil && !r.ForceAuth && r.Session.Principal.Realm == r.Realm &&
		r.Wanted != nil && r.Wanted.ByLevel && len(r.Wanted.Trees) == 0 && r.Session.AuthLevel >= r.Wanted.Level
}

func existing(r journey.StartRequest, url string) journey.Reply {
	if goal := r.Request.Parameters["goto"]; len(goal) > 0 && goal[0] != "" {
		url = goal[0]
	}
	if url == "" {
		url = journey.DefaultURL
	}
	return journey.Reply{
		Done:     &journey.Done{Success: true, URL: url, Session: *r.Session, NoSession: r.NoSession},
		Realm:    r.Realm,
		Existing: true,
	}
}
