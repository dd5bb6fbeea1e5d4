package actors

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
)

// Limits on the replaced versions that a realm keeps. Beyond them those go first
// that were current for the shortest time: of a long row of changes the states
// in between, which hardly anybody has met.
const (
	maxVersions     = 128
	maxVersionBytes = 16 << 20
)

// tendEvery is how often the stored versions are looked through; grownBy new ones
// are looked through at once, but no sooner than tendPause after the last time.
const (
	tendEvery = time.Minute
	tendPause = time.Second
	grownBy   = 32
)

// Tend looks after the stored versions of trees until ctx ends: it notes which
// are not current any more, and removes those whose last journey has ended. Every
// member does it; it is harmless that they do it twice.
func (c *Catalog) Tend(ctx context.Context) {
	for {
		wait := time.NewTimer(tendEvery)
		select {
		case <-wait.C:
		case <-c.growth:
		case <-ctx.Done():
			wait.Stop()
			return
		}
		wait.Stop()
		if err := c.tendAll(ctx); err != nil && ctx.Err() == nil {
			c.logger.Debug("replaced versions of trees are looked through later", "err", err)
		}
		rest(ctx, tendPause)
	}
}

// grown counts a version that was stored.
func (c *Catalog) grown() {
	if c.added.Add(1)%grownBy != 0 {
		return
	}
	select {
	case c.growth <- struct{}{}:
	default:
	}
}

func (c *Catalog) tendAll(ctx context.Context) error {
	realms, err := c.documents.Documents(ctx, realm.KindRealm, realm.Root)
	if err != nil {
		return err
	}
	faults := []error{c.tend(ctx, realm.Root)}
	for _, d := range realms {
		faults = append(faults, c.tend(ctx, realm.Name(d.ID)))
	}
	return errors.Join(faults...)
}

// version is a stored version.
type version struct {
	id, rev string
	size    int
	archived
}

// tend looks through one realm. What another member changes meanwhile stays as
// that member left it.
func (c *Catalog) tend(ctx context.Context, r realm.Name) error {
	documents, err := c.documents.Documents(ctx, realm.KindVersion, r)
	if err != nil || len(documents) == 0 {
		return err
	}
	e, err := c.edition(ctx, r)
	if errors.Is(err, journey.ErrNoRealm) {
		return nil // it was deleted just now, and takes all with it
	}
	if err != nil {
		return err
	}
	var faults []error
	var kept []version // that are not current
	for _, d := range documents {
		v := version{id: d.ID, rev: d.Rev, size: len(d.Body)}
		if v.archived, err = decodeArchived(d); err != nil {
			continue // of a newer format: a newer member looks after it
		}
		switch {
		case c.mark(e, v.id, &v.archived):
			v.rev, err = c.write(ctx, r, v.id, v.archived, v.rev)
		case !v.Until.IsZero() && !c.now().Before(v.Until):
			err = c.forget(ctx, r, v.id, v.rev)
			v.Until = time.Time{}
		}
		switch {
		case err != nil && !errors.Is(err, realm.ErrConflict):
			faults = append(faults, err)
		case err == nil && !v.Until.IsZero():
			kept = append(kept, v)
		}
	}
	return errors.Join(append(faults, c.bound(ctx, r, kept))...)
}

// mark brings what is noted of a version up to date and reports whether that
// changed anything.
func (c *Catalog) mark(e *edition, id string, a *archived) bool {
	current, err := e.plan(a.Tree, c.types)
	switch isCurrent := err == nil && current.Version.String() == id; {
	case isCurrent && !a.Until.IsZero():
		a.Replaced, a.Until = time.Time{}, time.Time{}
	case !isCurrent && a.Until.IsZero():
		keep := lingering
		if p, err := a.compile(e.set.Realm, id, c.types); err == nil {
			keep = e.lasting(p)
		}
		a.Replaced = c.now().UTC()
		a.Until = a.Replaced.Add(keep)
	default:
		return false
	}
	return true
}

// forget removes a version unless somebody has changed it meanwhile.
func (c *Catalog) forget(ctx context.Context, r realm.Name, id, rev string) error {
	_, err := c.documents.DeleteDocument(ctx, realm.KindVersion, r, id, realm.Precondition{IfMatch: rev})
	if errors.Is(err, realm.ErrConflict) || errors.Is(err, realm.ErrNoDocument) {
		return nil
	}
	return err
}

// bound gives up replaced versions beyond the limits.
func (c *Catalog) bound(ctx context.Context, r realm.Name, kept []version) error {
	slices.SortFunc(kept, func(a, b version) int {
		return cmp.Or(cmp.Compare(b.Replaced.Sub(b.Since), a.Replaced.Sub(a.Since)), cmp.Compare(a.id, b.id))
	})
	var faults []error
	gone, size := 0, 0
	for i, v := range kept {
		if size += v.size; i < maxVersions && size <= maxVersionBytes {
			continue
		}
		gone++
		faults = append(faults, c.forget(ctx, r, v.id, v.rev))
	}
	if gone > 0 {
		c.logger.Warn("trees are changed so often that replaced versions are given up before their journeys have ended",
			"realm", r, "kept", len(kept)-gone, "dropped", gone)
	}
	return errors.Join(faults...)
}
