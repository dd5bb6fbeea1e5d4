package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"sojourn/actors"
	"sojourn/actors/identity"
	"sojourn/cmd/internal/secret"
	"sojourn/cts"
	"sojourn/http/rest"
)

// identities are the users of the embedded store, with the pool that hashes
// their passwords.
type identities struct {
	*cts.Store
	hashing *actors.Hashing
}

// PutIdentity tells whether the user was new: it creates first, and replaces
// only what is there.
func (i identities) PutIdentity(ctx context.Context, who identity.Identity, createOnly bool) (bool, error) {
	err := i.Store.PutIdentity(ctx, who, true)
	switch {
	case err == nil:
		return true, nil
	case !errors.Is(err, cts.ErrExists):
		return false, err
	case createOnly:
		return false, nil
	}
	return false, i.Store.PutIdentity(ctx, who, false)
}

func (i identities) Hash(ctx context.Context, password identity.Secret) (identity.Hash, error) {
	return i.hashing.Make(ctx, password)
}

// health says that a member is well when its store is.
type health struct{ store *cts.Store }

func (health) Live() error    { return nil }
func (h health) Ready() error { return h.store.Ready() }

// backups tells the operator why a backup cannot be restored.
type backups struct{ *cts.Store }

func (b backups) Restore(ctx context.Context, r io.Reader) error {
	err := b.Store.Restore(ctx, r)
	if errors.Is(err, cts.ErrBackup) {
		return &rest.BackupError{Err: err}
	}
	return err
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
