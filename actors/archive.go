package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Versions of trees are kept in the replicated store, so that a journey goes on
// with the version that it began with wherever it is taken over, also at a member
// that was started after that version was replaced. A version is stored before
// the first journey begins on it: then nobody who changes a definition, by
// whatever way, has to think of those who run on it, and two who change
// definitions at once cannot lose a version that stood between their writes.

// pin makes sure that p, the current version of its tree, is in the store and
// will stay there. It costs one look into the store for each member and edition,
// and one write for the cluster and version. Without it no journey begins.
func (c *Catalog) pin(ctx context.Context, e *edition, p *plan) error {
	if p.pinned.Load() {
		return nil
	}
	select {
	case p.pinning <- struct{}{}:
		defer func() { <-p.pinning }()
	case <-ctx.Done():
		return unavailable(context.Cause(ctx))
	}
	if p.pinned.Load() {
		return nil
	}
	if err := c.store(ctx, e, p); err != nil {
		return unavailable(fmt.Errorf("keep version %s of tree %q: %w", p.Version, p.Name, err))
	}
	p.pinned.Store(true)
	return nil
}

// How often a write is tried again that another member was faster with, and after
// what pause. A version that is being created is there when that fails.
const (
	pinTries = 5
	pinPause = 10 * time.Millisecond
)

func (c *Catalog) store(ctx context.Context, e *edition, p *plan) error {
	for range pinTries {
		was, err := c.documents.Document(ctx, realm.KindVersion, p.Realm, p.Version.String())
		there := err == nil
		if err != nil && !errors.Is(err, realm.ErrNoDocument) {
			return err
		}
		var a archived
		if there {
			if a, err = decodeArchived(was); err != nil {
				c.logger.Warn("a stored version of a tree cannot be read and is left as it is", "realm", p.Realm, "tree", p.Name, "err", err)
				return nil
			}
			if a.Until.IsZero() {
				return nil
			}
			a.Replaced, a.Until = time.Time{}, time.Time{} // it is current again
		} else {
			if a, err = archive(e.set, p.Name, c.now()); err != nil {
				return err
			}
			if _, err := a.compile(p.Realm, p.Version.String(), c.types); err != nil {
				return err
			}
		}
		switch _, err = c.write(ctx, p.Realm, p.Version.String(), a, was.Rev); {
		case errors.Is(err, errTooLong):
			c.logger.Warn("a tree is too large to be kept when it is replaced: journeys on it then begin again at members that have not run it",
				"realm", p.Realm, "tree", p.Name, "limit", realm.MaxDocument)
			return nil
		case errors.Is(err, realm.ErrConflict) && !there:
			return nil // another member has stored it just now
		case errors.Is(err, realm.ErrConflict):
			rest(ctx, pinPause)
			continue
		case err == nil && !there:
			c.grown()
		}
		return err
	}
	return &session.UnavailableError{Reason: "a version of a tree is changed by several members", RetryAfter: time.Second}
}

// errTooLong says that a version does not fit into a document.
var errTooLong = errors.New("larger than a document may be")

// write stores a version in place of the one with the revision rev, or where
// there is none, and returns its revision.
func (c *Catalog) write(ctx context.Context, r realm.Name, id string, a archived, rev string) (string, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	if len(body) > realm.MaxDocument {
		return "", errTooLong
	}
	d := realm.Document{Kind: realm.KindVersion, Realm: r, ID: id, Body: body}
	stored, _, err := c.documents.PutDocument(ctx, d, realm.Precondition{IfMatch: rev, IfNoneMatch: rev == ""})
	return stored.Rev, err
}

// recall makes a plan of a stored version: journey.ErrGone when there is none.
func (c *Catalog) recall(ctx context.Context, e *edition, name string, version journey.Version) (*plan, error) {
	d, err := c.documents.Document(ctx, realm.KindVersion, e.set.Realm, version.String())
	if errors.Is(err, realm.ErrNoDocument) {
		return nil, journey.ErrGone
	}
	if err != nil {
		return nil, err
	}
	a, err := decodeArchived(d)
	if err == nil && a.Tree != name {
		err = fmt.Errorf("it is one of tree %q", a.Tree)
	}
	var compiled *journey.Plan
	if err == nil {
		compiled, err = a.compile(e.set.Realm, d.ID, c.types)
	}
	if err != nil {
		c.logger.Error("a stored version of a tree cannot be run", "realm", e.set.Realm, "tree", name, "version", version, "err", err)
		return nil, journey.ErrGone
	}
	return newPlan(compiled), nil
}

// lingering is added to the time for which a version is kept, for clocks that
// differ and for a member that begins a last journey before it has heard.
const lingering = 5 * time.Minute

// lasting is how long a journey on a plan may last.
func (e *edition) lasting(p *journey.Plan) time.Duration {
	return p.Longest(e.settings.JourneyMaxDuration) + lingering
}
