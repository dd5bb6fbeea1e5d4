package actors

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// Users is the replicated store as far as logins need it. All methods may be
// called concurrently. Names compare by identity.Key. Errors are those of
// identity.Repository.
type Users interface {
	Identity(ctx context.Context, r realm.Name, name string) (identity.Identity, error)
	SearchIdentity(ctx context.Context, r realm.Name, attribute, value string) (identity.Identity, error)
	// UpdateIdentity returns when the change is durable on a majority.
	UpdateIdentity(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error)
}

// EmbeddedConfig sets up an Embedded.
type EmbeddedConfig struct {
	Users   Users    // required
	Hashing *Hashing // required; the caller closes it
	// Rand makes the password of the decoy, and numbers password checks.
	// Required; it must allow concurrent use.
	Rand io.Reader
	// Rehash stores a new hash with the pool's parameters after a login whose
	// stored hash is weaker (identity.Outdated). Off by default: the first
	// login of each imported user costs a second hash and a write, and other
	// systems can read the imported hashes only as long as they stay.
	Rehash bool
}

// Embedded is the identity.Repository over the member's own replicated store.
//
// Every check of a password costs one hash, whether the user exists, has a
// password, or is locked. For users without a hash that is a decoy with the
// pool's parameters; users with imported hashes of other costs can be told
// from these by time, until they are rehashed.
type Embedded struct {
	users   Users
	hashing *Hashing
	rehash  bool
	decoy   identity.Hash
	guesses guesses

	rehashed, notRehashed, unusable, checked, unsettled atomic.Uint64
}

// EmbeddedMetrics counts what happens beside the verdicts.
type EmbeddedMetrics struct {
	Rehashed    uint64 // logins that left a stronger hash
	NotRehashed uint64 // logins whose rehash was refused by pool or store
	Unusable    uint64 // checks against a stored hash that cannot be verified
	Checked     uint64 // checks of a user's password that had a permit
	Unsettled   uint64 // of these, the ones whose verdict the store did not take
}

var _ identity.Repository = (*Embedded)(nil)

// NewEmbedded makes a repository; that computes one hash, for the decoy.
func NewEmbedded(c EmbeddedConfig) (*Embedded, error) {
	if c.Users == nil || c.Hashing == nil || c.Rand == nil {
		return nil, errors.New("embedded repository: users, hashing and a random source are required")
	}
	var unknown [24]byte
	if _, err := io.ReadFull(c.Rand, unknown[:]); err != nil {
		return nil, fmt.Errorf("embedded repository: make the decoy: %w", err)
	}
	password := identity.Secret(base64.RawStdEncoding.EncodeToString(unknown[:]))
	decoy, err := identity.Make(password, c.Hashing.Params(), c.Rand)
	if err != nil {
		return nil, fmt.Errorf("embedded repository: make the decoy: %w", err)
	}
	return &Embedded{
		users: c.Users, hashing: c.Hashing, rehash: c.Rehash, decoy: decoy,
		guesses: guesses{users: c.Users, rand: c.Rand, lines: map[string]*line{}},
	}, nil
}

// Lookup finds a user by name.
func (e *Embedded) Lookup(ctx context.Context, r realm.Name, name string) (identity.Identity, error) {
	if !possible(name) {
		return identity.Identity{}, identity.ErrNotFound
	}
	return e.users.Identity(ctx, r, name)
}

// Search finds the one user whose attribute has value.
func (e *Embedded) Search(ctx context.Context, r realm.Name, attribute, value string) (identity.Identity, error) {
	return e.users.SearchIdentity(ctx, r, attribute, value)
}

// Update applies a change.
func (e *Embedded) Update(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	if !possible(name) {
		return identity.Identity{}, identity.ErrNotFound
	}
	return e.users.UpdateIdentity(ctx, r, name, c)
}

// possible keeps names that no user can have from the store.
func possible(name string) bool {
	return len(name) <= identity.MaxName && identity.Key(name) != ""
}

// Authenticate checks a password with one hash, and none for a text that no
// password can be (identity.CheckPassword), whoever the user is. Under a limit
// it takes a permit first, which costs two writes of the store, and a locked
// account is Locked after a hash of the decoy.
func (e *Embedded) Authenticate(ctx context.Context, r realm.Name, name string, password identity.Secret, g identity.Guess) (identity.Verdict, identity.Identity, error) {
	verdict, who, err := e.authenticate(ctx, r, name, password, g)
	if err == nil && verdict == identity.Match && e.rehash && identity.Outdated(who.Hash, e.hashing.Params()) {
		who = e.strengthen(ctx, r, who, password)
	}
	return verdict, who, err
}

func (e *Embedded) authenticate(ctx context.Context, r realm.Name, name string, password identity.Secret, g identity.Guess) (identity.Verdict, identity.Identity, error) {
	who, err := e.Lookup(ctx, r, name)
	unknown := errors.Is(err, identity.ErrNotFound)
	if err != nil && !unknown {
		return identity.Mismatch, identity.Identity{}, err
	}
	if g.Limited() && !unknown && identity.CheckPassword(password) == nil {
		return e.guarded(ctx, r, who, password, g)
	}
	ok, err := e.verify(ctx, who.Hash, password)
	switch {
	case err != nil:
		return identity.Mismatch, identity.Identity{}, err
	case unknown:
		return identity.Unknown, identity.Identity{}, nil
	case !ok:
		return identity.Mismatch, who, nil
	case who.Locked(time.Now()):
		return identity.Barred, who, nil
	}
	return identity.Match, who, nil
}

// verify computes one hash: hash's own or, where that cannot be, the decoy's.
func (e *Embedded) verify(ctx context.Context, hash identity.Hash, password identity.Secret) (bool, error) {
	if identity.CheckPassword(password) != nil {
		return false, nil
	}
	if hash != "" {
		ok, err := e.hashing.Verify(ctx, hash, password)
		switch {
		case errors.Is(err, identity.ErrHash), errors.Is(err, identity.ErrCost):
			e.unusable.Add(1)
		case errors.Is(err, identity.ErrPassword): // longer than a bcrypt hash takes
		default:
			return ok, err
		}
	}
	_, err := e.hashing.Verify(ctx, e.decoy, password)
	return false, err
}

// strengthen replaces an outdated hash. That it could not is no reason to
// refuse the login.
func (e *Embedded) strengthen(ctx context.Context, r realm.Name, who identity.Identity, password identity.Secret) identity.Identity {
	stored, replaced, err := e.replace(ctx, r, who, password)
	if err != nil {
		e.notRehashed.Add(1)
		return who
	}
	if replaced {
		e.rehashed.Add(1)
	}
	return stored
}

// replace hashes password and stores that, unless who's hash is no longer the
// stored one. It returns what is stored then and whether it is the new hash.
func (e *Embedded) replace(ctx context.Context, r realm.Name, who identity.Identity, password identity.Secret) (identity.Identity, bool, error) {
	hash, err := e.hashing.Make(ctx, password)
	if err != nil {
		return identity.Identity{}, false, err
	}
	stored, err := e.users.UpdateIdentity(ctx, r, who.Name, identity.ReplaceHash{From: who.Hash, To: hash})
	return stored, stored.Hash == hash, err
}

// ChangePassword replaces a password whose owner knows the old one. When
// another change came between, the old one is a Mismatch.
func (e *Embedded) ChangePassword(ctx context.Context, r realm.Name, name string, old, next identity.Secret, g identity.Guess) (identity.Verdict, identity.Identity, error) {
	verdict, who, err := e.authenticate(ctx, r, name, old, g)
	if err != nil || verdict != identity.Match {
		return verdict, who, err
	}
	if err := identity.CheckPassword(next); err != nil {
		return identity.Match, who, err
	}
	stored, replaced, err := e.replace(ctx, r, who, next)
	switch {
	case err != nil:
		return identity.Mismatch, identity.Identity{}, err
	case !replaced:
		return identity.Mismatch, stored, nil
	}
	return identity.Match, stored, nil
}

// Metrics tells what happened beside the verdicts.
func (e *Embedded) Metrics() EmbeddedMetrics {
	return EmbeddedMetrics{
		Rehashed:    e.rehashed.Load(),
		NotRehashed: e.notRehashed.Load(),
		Unusable:    e.unusable.Load(),
		Checked:     e.checked.Load(),
		Unsettled:   e.unsettled.Load(),
	}
}
