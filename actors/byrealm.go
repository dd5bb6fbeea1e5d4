package actors

import (
	"context"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// ByRealm is an identity.Repository that sends each realm's calls to the
// repository that holds its users.
type ByRealm struct {
	// Default holds the users of every realm that Realms does not name.
	Default identity.Repository
	Realms  map[realm.Name]identity.Repository
}

func (b ByRealm) of(r realm.Name) identity.Repository {
	if users, ok := b.Realms[r]; ok {
		return users
	}
	return b.Default
}

// Lookup implements identity.Repository.
func (b ByRealm) Lookup(ctx context.Context, r realm.Name, name string) (identity.Identity, error) {
	return b.of(r).Lookup(ctx, r, name)
}

// Search implements identity.Repository.
func (b ByRealm) Search(ctx context.Context, r realm.Name, attribute, value string) (identity.Identity, error) {
	return b.of(r).Search(ctx, r, attribute, value)
}

// Authenticate implements identity.Repository.
func (b ByRealm) Authenticate(ctx context.Context, r realm.Name, name string, password identity.Secret, g identity.Guess) (identity.Verdict, identity.Identity, error) {
	return b.of(r).Authenticate(ctx, r, name, password, g)
}

// Update implements identity.Repository.
func (b ByRealm) Update(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error) {
	return b.of(r).Update(ctx, r, name, c)
}

// ChangePassword implements identity.Repository.
func (b ByRealm) ChangePassword(ctx context.Context, r realm.Name, name string, old, next identity.Secret, g identity.Guess) (identity.Verdict, identity.Identity, error) {
	return b.of(r).ChangePassword(ctx, r, name, old, next, g)
}
