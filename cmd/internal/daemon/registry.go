package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sojourn/actors"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cluster/placement"
	"sojourn/cluster/runs"
)

// Times of the registry.
const (
	// registryPause is how long it waits before it tries again what failed.
	registryPause = time.Second
	// registryPatience is how long a member waits for its run to be registered
	// before it answers requests without. It holds no journeys until then.
	registryPatience = 5 * time.Second
	// sweepPause is how often whoever leads removes what has expired, and
	// sweepMost how much of it at a time.
	sweepPause = time.Minute
	sweepMost  = 1000
	// forgetFolder is how long a folder must have been out of the cluster
	// before its run is taken to be over: longer than a journey lasts.
	forgetFolder = runs.KeepRetired
)

// documents are those of the replicated store.
type documents interface {
	Document(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error)
	Documents(ctx context.Context, kind realm.DocumentKind, r realm.Name) ([]realm.Document, error)
	PutDocument(ctx context.Context, d realm.Document, p realm.Precondition) (realm.Document, bool, error)
	DeleteDocument(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (realm.Document, error)
}

// registry knows the runs of the cluster's data folders, and keeps this
// process's own. What it knows is a copy, renewed when the store's documents
// change: Dead answers from it and never waits. A copy that is behind says of
// fewer runs that they are over, never of more.
type registry struct {
	documents documents
	self      placement.MemberID
	folder    string
	now       func() time.Time
	log       *slog.Logger
	// over is called once if this run is found to be over: an operator has
	// removed the member though its process was alive.
	over func()
	// configured lists the folders that are members of the cluster; nil or no
	// folder: that is not known. What uses another folder is not of this
	// cluster any more, such as the runs in a backup of an earlier one.
	configured func() []string

	known   atomic.Pointer[runs.Registry]
	changed chan struct{} // holds one: documents of runs may have changed
	begun   chan struct{} // closed when this run is registered
}

func newRegistry(d documents, self placement.MemberID, folder string, log *slog.Logger, over func()) *registry {
	r := &registry{
		documents: d, self: self, folder: folder, now: time.Now, log: log, over: over,
		changed: make(chan struct{}, 1), begun: make(chan struct{}),
	}
	r.known.Store(&runs.Registry{})
	r.look()
	return r
}

// look makes follow read the documents again. It does not block.
func (r *registry) look() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// follow keeps the copy, and this run's document, until ctx ends.
func (r *registry) follow(ctx context.Context) {
	var once sync.Once
	registered := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		}
		known, err := r.read(ctx)
		if err == nil && known.Dead(r.self) {
			once.Do(r.over)
			continue
		}
		// Registered for the first time, or again after a restore.
		if err == nil {
			err = r.change(ctx, r.folder, func(f runs.Folder) (runs.Folder, bool) { return f.Begin(r.self, r.now()) })
		}
		if err == nil && !registered {
			_, err = r.read(ctx) // the run before this one is over now
		}
		switch {
		case err == nil && !registered:
			registered = true
			close(r.begun)
		case err != nil && ctx.Err() == nil:
			r.log.Debug("the registry of runs cannot be read or written yet", "err", err)
			pause(ctx, registryPause)
			r.look()
		}
	}
}

// read renews the copy.
func (r *registry) read(ctx context.Context) (runs.Registry, error) {
	stored, err := r.documents.Documents(ctx, realm.KindRun, realm.Root)
	if err != nil {
		return runs.Registry{}, fmt.Errorf("read the registry of runs: %w", err)
	}
	var members []string
	if r.configured != nil {
		members = r.configured()
	}
	folders := make([]runs.Folder, 0, len(stored))
	for _, d := range stored {
		f, err := runs.Decode(d.Body)
		if err != nil {
			return runs.Registry{}, fmt.Errorf("the runs of data folder %s: %w", d.ID, err)
		}
		if len(members) > 0 && !slices.Contains(members, d.ID) {
			f.Current = ""
		}
		folders = append(folders, f)
	}
	known := runs.Collect(folders)
	r.known.Store(&known)
	return known, nil
}

// change replaces a folder's document by what alter makes of it, unless that
// reports no change.
func (r *registry) change(ctx context.Context, folder string, alter func(runs.Folder) (runs.Folder, bool)) error {
	for {
		var f runs.Folder
		precondition := realm.Precondition{IfNoneMatch: true}
		was, err := r.documents.Document(ctx, realm.KindRun, realm.Root, folder)
		switch {
		case err == nil:
			precondition = realm.Precondition{IfMatch: was.Rev}
			if f, err = runs.Decode(was.Body); err != nil {
				return fmt.Errorf("the runs of data folder %s: %w", folder, err)
			}
		case !errors.Is(err, realm.ErrNoDocument):
			return err
		}
		next, changed := alter(f)
		if !changed {
			return nil
		}
		d := realm.Document{Kind: realm.KindRun, Realm: realm.Root, ID: folder, Body: next.Encode()}
		if _, _, err = r.documents.PutDocument(ctx, d, precondition); !errors.Is(err, realm.ErrConflict) {
			return err
		}
	}
}

// await returns when this run is registered, or when waiting longer is not
// worth it.
func (r *registry) await(ctx context.Context, patience time.Duration) {
	patient := time.NewTimer(patience)
	defer patient.Stop()
	select {
	case <-r.begun:
	case <-ctx.Done():
	case <-patient.C:
		r.log.Warn("this member's run cannot be registered: it holds no journeys until it is")
	}
}

// retire notes that this run is over: it has told nobody anything since, and
// will not. follow must have ended.
func (r *registry) retire(ctx context.Context) error {
	err := r.change(ctx, r.folder, func(f runs.Folder) (runs.Folder, bool) {
		if f.Current != r.self { // never registered, or removed
			return f, false
		}
		return f.Retire(r.self, r.now())
	})
	if err != nil {
		return fmt.Errorf("register the end of this run: %w", err)
	}
	return nil
}

// remove notes that the run of a folder is over, which nobody will use again.
// It reports whether there was one.
func (r *registry) remove(ctx context.Context, folder string) (there bool, err error) {
	err = r.change(ctx, folder, func(f runs.Folder) (runs.Folder, bool) {
		next, changed := f.Retire(f.Current, r.now())
		there = changed
		return next, changed
	})
	if err != nil {
		return false, fmt.Errorf("register the end of a run: %w", err)
	}
	return there, nil
}

// Dead reports whether a run is over for certain.
func (r *registry) Dead(id placement.MemberID) bool { return r.known.Load().Dead(id) }

// Known lists the runs that use a data folder, as the copy has them.
func (r *registry) Known() []placement.MemberID { return r.known.Load().Current() }

// Current lists the runs that use a data folder, as of a moment after the call.
func (r *registry) Current(ctx context.Context) ([]placement.MemberID, error) {
	known, err := r.read(ctx)
	return known.Current(), err
}

// Found decides with whom a journey begins anew: with set, if until now it is
// before, or else those that somebody else was first to name.
func (r *registry) Found(ctx context.Context, id journey.ID, before, set []placement.MemberID, expires time.Time) ([]placement.MemberID, error) {
	d := realm.Document{
		Kind: realm.KindFounding, Realm: realm.Root, ID: runs.FoundingID(id), Body: runs.Founding{Set: set, Expires: expires}.Encode(),
	}
	for {
		now, rev, err := r.founding(ctx, id)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(now, before) {
			return now, nil
		}
		_, _, err = r.documents.PutDocument(ctx, d, realm.Precondition{IfMatch: rev, IfNoneMatch: rev == ""})
		if err == nil {
			return set, nil
		}
		if !errors.Is(err, realm.ErrConflict) {
			return nil, fmt.Errorf("found a journey anew: %w", err)
		}
	}
}

// Founded tells with whom a journey began anew, nil for nobody.
func (r *registry) Founded(ctx context.Context, id journey.ID) ([]placement.MemberID, error) {
	set, _, err := r.founding(ctx, id)
	return set, err
}

// founding is what is stored of a journey's new beginning, and its revision.
func (r *registry) founding(ctx context.Context, id journey.ID) (set []placement.MemberID, rev string, err error) {
	d, err := r.documents.Document(ctx, realm.KindFounding, realm.Root, runs.FoundingID(id))
	if errors.Is(err, realm.ErrNoDocument) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read with whom a journey began: %w", err)
	}
	f, err := runs.DecodeFounding(d.Body)
	if err != nil {
		return nil, "", fmt.Errorf("with whom journey %s began: %w", d.ID, err)
	}
	return f.Set, d.Rev, nil
}

var (
	_ actors.Runs     = (*registry)(nil)
	_ actors.Founding = (*registry)(nil)
)

// sweep removes what has expired, once a minute while this member leads, until
// ctx ends. folders lists those that are in the cluster.
func (r *registry) sweep(ctx context.Context, leads func() bool, folders func(context.Context) (map[string]bool, error)) {
	outside := map[string]time.Time{} // since when
	for pause(ctx, sweepPause) {
		if !leads() {
			clear(outside)
			continue
		}
		if err := errors.Join(r.sweepFoundings(ctx), r.sweepFolders(ctx, folders, outside)); err != nil && ctx.Err() == nil {
			r.log.Info("what the registry of runs no longer needs stays for now", "err", err)
		}
	}
}

func (r *registry) sweepFoundings(ctx context.Context) error {
	all, err := r.documents.Documents(ctx, realm.KindFounding, realm.Root)
	if err != nil {
		return err
	}
	removed := 0
	for _, d := range all {
		f, err := runs.DecodeFounding(d.Body)
		if err == nil && !f.Stale(r.now()) {
			continue
		}
		if removed++; removed > sweepMost {
			return nil // the rest next time
		}
		if err := r.remover(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// sweepFolders forgets folders of which nothing is worth knowing, and takes the
// runs of those for over that have long been out of the cluster.
func (r *registry) sweepFolders(ctx context.Context, folders func(context.Context) (map[string]bool, error), outside map[string]time.Time) error {
	all, err := r.documents.Documents(ctx, realm.KindRun, realm.Root)
	if err != nil {
		return err
	}
	inside, err := folders(ctx)
	if err != nil {
		return err
	}
	now := r.now()
	for _, d := range all {
		f, err := runs.Decode(d.Body)
		if err != nil {
			return fmt.Errorf("the runs of data folder %s: %w", d.ID, err)
		}
		if inside[d.ID] {
			delete(outside, d.ID)
			continue
		}
		since, known := outside[d.ID]
		switch {
		case f.Stale(now):
			delete(outside, d.ID)
			err = r.remover(ctx, d)
		case !known:
			outside[d.ID] = now
		case f.Current != "" && now.Sub(since) > forgetFolder:
			_, err = r.remove(ctx, d.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remover deletes a document, unless it is another one by now.
func (r *registry) remover(ctx context.Context, d realm.Document) error {
	_, err := r.documents.DeleteDocument(ctx, d.Kind, d.Realm, d.ID, realm.Precondition{IfMatch: d.Rev})
	if errors.Is(err, realm.ErrNoDocument) || errors.Is(err, realm.ErrConflict) {
		return nil
	}
	return err
}

// pause reports whether ctx lasted so long.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
