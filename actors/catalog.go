package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/actors/tree"
)

// Documents is where the definitions of realms are read, and versions of trees
// kept. It is the cluster's: what one member has written, all read.
type Documents interface {
	// Documents returns all of a kind in a realm, in any order.
	Documents(ctx context.Context, kind realm.DocumentKind, r realm.Name) ([]realm.Document, error)
	// Document returns one, realm.ErrNoDocument when there is none.
	Document(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error)
	// PutDocument stores a document as a whole, DeleteDocument removes one;
	// realm.ErrConflict is a precondition that did not hold.
	PutDocument(ctx context.Context, d realm.Document, p realm.Precondition) (stored realm.Document, created bool, err error)
	DeleteDocument(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (realm.Document, error)
}

// Catalog knows the realms, their settings, and their trees as plans ready to
// run. What it has read it keeps until Invalidate says that the stored
// documents changed. A version that was replaced stays available, at every member,
// for as long as a journey can be running on it; Tend looks after these.
type Catalog struct {
	documents Documents
	process   realm.Deployment
	types     *node.Registry
	logger    *slog.Logger
	now       func() time.Time

	realms sync.Map // realm.Name -> *shelf

	added  atomic.Int64  // versions that were stored
	growth chan struct{} // wakes Tend
}

// NewCatalog returns a catalog of documents. process is what the member's own
// configuration says where no document does; now is the clock.
func NewCatalog(documents Documents, types *node.Registry, process realm.Deployment, logger *slog.Logger, now func() time.Time) *Catalog {
	return &Catalog{documents: documents, process: process, types: types, logger: logger, now: now, growth: make(chan struct{}, 1)}
}

// shelf is one realm's part of a catalog.
type shelf struct {
	// changes counts the calls of Invalidate; current is replaced as a whole.
	changes atomic.Uint64
	current atomic.Pointer[edition]

	reading chan struct{} // held by the one who reads documents
	mu      sync.Mutex    // guards retired
	retired map[journey.Version]retiredPlan
}

// edition is a realm as read at one time.
type edition struct {
	settings realm.Settings
	set      *tree.Set
	read     time.Time
	changes  uint64 // of the shelf, before it was read

	mu    sync.Mutex
	plans map[string]planOrError
}

type planOrError struct {
	plan *plan
	err  error
}

type retiredPlan struct {
	plan  *plan
	until time.Time
}

// maxRetired bounds the replaced plans of a realm that are kept in memory; the
// others are made again from the store.
const maxRetired = 64

// Invalidate says that documents of a kind in a realm changed, or that any may
// have, when both are empty. It does not block.
func (c *Catalog) Invalidate(kind realm.DocumentKind, r realm.Name) {
	switch kind {
	case realm.KindRealm, realm.KindGlobal, "":
		c.realms.Range(func(_, value any) bool {
			value.(*shelf).changes.Add(1)
			return true
		})
	case realm.KindSettings, realm.KindTree, realm.KindNode:
		if value, ok := c.realms.Load(r); ok {
			value.(*shelf).changes.Add(1)
		}
	case realm.KindScript, realm.KindWebhook, realm.KindEmailTemplate, realm.KindRun, realm.KindFounding, realm.KindVersion, realm.KindKeys: // no part of an edition
	}
}

// Settings returns a realm's settings, journey.ErrNoRealm when there is no
// such realm or it is inactive.
func (c *Catalog) Settings(ctx context.Context, r realm.Name) (*realm.Settings, error) {
	e, err := c.active(ctx, r)
	if err != nil {
		return nil, err
	}
	return &e.settings, nil
}

// Realm returns a realm's settings, also those of an inactive one.
func (c *Catalog) Realm(ctx context.Context, r realm.Name) (*realm.Settings, error) {
	e, err := c.edition(ctx, r)
	if err != nil {
		return nil, err
	}
	return &e.settings, nil
}

// plan returns the plan on which a journey may begin: the current one of a realm's
// tree, of its default tree for an empty name.
func (c *Catalog) plan(ctx context.Context, r realm.Name, name string) (*plan, error) {
	e, err := c.active(ctx, r)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = e.settings.DefaultTree
	}
	if p, is, err := c.choice(ctx, r, name); is {
		return p, err
	}
	p, err := e.plan(name, c.types)
	if err != nil {
		return nil, err
	}
	if err := c.pin(ctx, e, p); err != nil {
		return nil, err
	}
	return p, nil
}

// planOf returns the plan that a running journey began with: the current one,
// a replaced one, or one that has reached the store since it was last read (the
// journey may have begun at a member that saw it first, and does not keep
// versions in the store). journey.ErrGone means that it is kept no longer, or
// not known here yet.
func (c *Catalog) planOf(ctx context.Context, r realm.Name, name string, version journey.Version) (*plan, error) {
	if p, is, err := c.choice(ctx, r, name); is {
		return p, err
	}
	for {
		e, err := c.active(ctx, r)
		if err != nil {
			return nil, err
		}
		if plan, err := e.plan(name, c.types); err == nil && plan.Version == version {
			return plan, nil
		}
		value, known := c.realms.Load(r)
		if !known {
			return nil, journey.ErrGone
		}
		s := value.(*shelf)
		if kept, ok := s.kept(version); ok && kept.Name == name {
			return kept, nil
		}
		switch stored, err := c.recall(ctx, e, name, version); {
		case err == nil:
			s.retire(stored, c.now().Add(e.lasting(stored.Plan)))
			return stored, nil
		case !errors.Is(err, journey.ErrGone):
			return nil, unavailable(err)
		}
		if c.now().Sub(e.read) < rereadAfter {
			return nil, journey.ErrGone
		}
		s.changes.Add(1)
	}
}

// rereadAfter is how old a realm's edition must be before a plan that it does
// not have is looked for in the store: a bound on what such requests cost.
const rereadAfter = time.Second

// kept is the retired plan of a version.
func (s *shelf) kept(version journey.Version) (*plan, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.retired[version]
	return kept.plan, ok
}

func (e *edition) plan(name string, types *node.Registry) (*plan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known, ok := e.plans[name]
	if !ok {
		var compiled *journey.Plan
		if compiled, known.err = journey.Compile(e.set, name, types); known.err == nil {
			known.plan = newPlan(compiled)
		}
		if _, exists := e.set.Trees[name]; exists { // names out of thin air are not remembered
			e.plans[name] = known
		}
	}
	return known.plan, known.err
}

func (c *Catalog) edition(ctx context.Context, r realm.Name) (*edition, error) {
	if value, ok := c.realms.Load(r); ok {
		s := value.(*shelf)
		if e := s.fresh(); e != nil {
			return e, nil
		}
	}
	exists, err := c.exists(ctx, r)
	if err != nil {
		return nil, err
	}
	if !exists { // nothing is remembered of a name out of thin air
		c.realms.Delete(r)
		return nil, journey.ErrNoRealm
	}
	value, _ := c.realms.LoadOrStore(r, &shelf{reading: make(chan struct{}, 1), retired: map[journey.Version]retiredPlan{}})
	s := value.(*shelf)
	select { // the store may keep a reader waiting
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return nil, unavailable(context.Cause(ctx))
	}
	if e := s.fresh(); e != nil {
		return e, nil
	}
	changes := s.changes.Load() // before reading: a change during it makes it stale
	e, err := c.read(ctx, r)
	if err != nil {
		return nil, err
	}
	e.changes = changes
	c.retire(s)
	s.current.Store(e)
	return e, nil
}

// fresh is the current edition, nil when a document has changed since it was read.
func (s *shelf) fresh() *edition {
	if e := s.current.Load(); e != nil && e.changes == s.changes.Load() {
		return e
	}
	return nil
}

// active is the edition of a realm that answers logins.
func (c *Catalog) active(ctx context.Context, r realm.Name) (*edition, error) {
	e, err := c.edition(ctx, r)
	if err == nil && !e.settings.Enabled {
		return nil, journey.ErrNoRealm
	}
	return e, err
}

func (c *Catalog) exists(ctx context.Context, r realm.Name) (bool, error) {
	if r == realm.Root {
		return true, nil
	}
	_, err := c.documents.Document(ctx, realm.KindRealm, realm.Root, string(r))
	if errors.Is(err, realm.ErrNoDocument) {
		return false, nil
	}
	return err == nil, err
}

// read makes an edition of what is stored now. A document that cannot be read
// is told to the operator and left out: one broken tree does not close a
// realm.
func (c *Catalog) read(ctx context.Context, r realm.Name) (*edition, error) {
	e := &edition{plans: map[string]planOrError{}, read: c.now()}
	settings, err := c.readSettings(ctx, r)
	if err != nil {
		return nil, err
	}
	e.settings = settings
	e.set = &tree.Set{Realm: r, Trees: map[string]*tree.Tree{}, Nodes: map[tree.NodeID]tree.Config{}}
	trees, err := c.documents.Documents(ctx, realm.KindTree, r)
	if err != nil {
		return nil, fmt.Errorf("read trees of %s: %w", r, err)
	}
	for _, d := range trees {
		t, err := tree.DecodeTree(d.ID, d.Body)
		if err != nil {
			c.logger.Error("a stored tree cannot be read", "realm", r, "tree", d.ID, "err", err)
			continue
		}
		e.set.Trees[d.ID] = t
	}
	nodes, err := c.documents.Documents(ctx, realm.KindNode, r)
	if err != nil {
		return nil, fmt.Errorf("read nodes of %s: %w", r, err)
	}
	for _, d := range nodes {
		config, err := tree.DecodeNode(d.Body)
		if err != nil {
			c.logger.Error("a stored node cannot be read", "realm", r, "node", d.ID, "err", err)
			continue
		}
		config.ID = tree.NodeID(d.ID)
		e.set.Nodes[config.ID] = config
	}
	return e, nil
}

// readSettings reads the settings of a realm. A value that cannot be, as one may
// be that an older release has taken unjudged, is told to the operator and counts
// as absent: it does not close the realm.
func (c *Catalog) readSettings(ctx context.Context, r realm.Name) (realm.Settings, error) {
	layers := realm.Layers{Process: c.process}
	var err error
	if layers.Global, err = c.bodies(ctx, realm.KindGlobal, realm.Root); err != nil {
		return realm.Settings{}, fmt.Errorf("read settings of all realms: %w", err)
	}
	if layers.Own, err = c.bodies(ctx, realm.KindSettings, r); err != nil {
		return realm.Settings{}, fmt.Errorf("read settings of %s: %w", r, err)
	}
	settings, err := layers.Settings()
	if err != nil {
		c.logger.Error("stored settings are at fault, and count as absent", "realm", r, "err", err)
	}
	return settings, nil
}

// bodies are all documents of a kind in a realm, by their ids.
func (c *Catalog) bodies(ctx context.Context, kind realm.DocumentKind, r realm.Name) (map[string]json.RawMessage, error) {
	documents, err := c.documents.Documents(ctx, kind, r)
	bodies := make(map[string]json.RawMessage, len(documents))
	for _, d := range documents {
		bodies[d.ID] = d.Body
	}
	return bodies, err
}

// retire keeps the plans that are about to be replaced for as long as a journey
// may run on them.
func (c *Catalog) retire(s *shelf) {
	now := c.now()
	s.mu.Lock()
	for version, kept := range s.retired {
		if kept.until.Before(now) {
			delete(s.retired, version)
		}
	}
	s.mu.Unlock()
	old := s.current.Load()
	if old == nil {
		return
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	for _, known := range old.plans {
		if known.plan != nil {
			s.retire(known.plan, now.Add(old.lasting(known.plan.Plan)))
		}
	}
}

// retire keeps one plan. When there are too many, the one that is needed the
// shortest goes.
func (s *shelf) retire(p *plan, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired[p.Version] = retiredPlan{p, until}
	if len(s.retired) <= maxRetired {
		return
	}
	first := p.Version
	for version, kept := range s.retired {
		if kept.until.Before(s.retired[first].until) {
			first = version
		}
	}
	delete(s.retired, first)
}
