package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"sojourn/actors"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
	"sojourn/actors/realm"
	"sojourn/cmd/internal/secret"
	"sojourn/cts"
	"sojourn/cts/session"
	"sojourn/http/rest"
)

// resources is the embedded store as the API knows it, with the pool that hashes
// passwords. Its errors are those that package rest can explain.
type resources struct {
	*cts.Store
	hashing *actors.Hashing
}

// explained makes an error of the store one of the API.
func explained(err error) error {
	switch {
	case errors.Is(err, cts.ErrLimit):
		return &rest.LimitError{Err: err}
	case errors.Is(err, cts.ErrBackup):
		return &rest.BackupError{Err: err}
	}
	return err
}

// PutIdentity tells whether the user was new: it creates first, and replaces
// only what is there.
func (r resources) PutIdentity(ctx context.Context, who identity.Identity, createOnly bool) (bool, error) {
	err := r.Store.PutIdentity(ctx, who, true)
	switch {
	case err == nil:
		return true, nil
	case !errors.Is(err, cts.ErrExists):
		return false, explained(err)
	case createOnly:
		return false, nil
	}
	return false, explained(r.Store.PutIdentity(ctx, who, false))
}

func (r resources) UpdateIdentity(ctx context.Context, in realm.Name, name string, c identity.Change) (identity.Identity, error) {
	now, err := r.Store.UpdateIdentity(ctx, in, name, c)
	return now, explained(err)
}

func (r resources) Hash(ctx context.Context, password identity.Secret) (identity.Hash, error) {
	return r.hashing.Make(ctx, password)
}

func (r resources) PutDocument(ctx context.Context, d realm.Document, p realm.Precondition) (realm.Document, bool, error) {
	stored, created, err := r.Store.PutDocument(ctx, d, p)
	return stored, created, explained(err)
}

func (r resources) Restore(ctx context.Context, from io.Reader) error {
	return explained(r.Store.Restore(ctx, from))
}

// tokens is the store as package sessions knows it. Its errors are those that
// package rest can explain.
type tokens struct{ *cts.Store }

func (t tokens) SetProperties(ctx context.Context, id session.ID, changes map[string]string) (session.Session, error) {
	now, err := t.Store.SetProperties(ctx, id, changes)
	return now, explained(err)
}

// lasting are realms, of which one that is gone still has settings: sessions
// that were made in it may be ended.
type lasting struct{ *actors.Catalog }

func (l lasting) Realm(ctx context.Context, name realm.Name) (*realm.Settings, error) {
	settings, err := l.Catalog.Realm(ctx, name)
	if errors.Is(err, journey.ErrNoRealm) {
		defaults := realm.DefaultSettings()
		return &defaults, nil
	}
	return settings, err
}

// condition is what a store says of itself.
type condition interface {
	Ready() error
	Failed() <-chan struct{}
	Failure() error
}

// health says that a member is well when its store is, and ready until it
// leaves.
type health struct {
	store   condition
	leaving *atomic.Bool
}

func (h health) Live() error { return h.store.Failure() }

func (h health) Ready() error {
	if h.leaving.Load() {
		return &session.UnavailableError{Reason: "this member is leaving", RetryAfter: time.Second}
	}
	return h.store.Ready()
}

func readKey(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	key, err := secret.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", file, err)
	}
	return key, nil
}

// transactions are kept in the token store.
func (d *Daemon) transactions() *actors.Transactions {
	return actors.NewTransactions(d.store, rand.Reader, time.Now)
}
