package rest

import (
	"context"
	"io"

	"sojourn/actors/identity"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/feed"
	"sojourn/cts/session"
)

// Resources are the stores behind everything but authentication. What is nil
// is not served: its paths are not found. What a store finds too large to keep is
// a *LimitError.
type Resources struct {
	Sessions SessionAdmin
	// Changes tells of sessions that end or change; nil: nobody can listen.
	Changes    *feed.Feed
	Identities Identities
	Documents  Documents
	// NodeTypes are those that trees may use. Required with Documents.
	NodeTypes *node.Registry
	// CheckWebhook says why this member would not call a webhook; nil: it calls
	// all. The client is told the error's text.
	CheckWebhook func(realm.Webhook) error
	Health       Health
	Backups      Backups
	Members      Members
	Keys         Keys
	// OperatorToken opens every operation when it is presented as a bearer
	// token. Empty, no token does.
	OperatorToken OperatorToken
	Build         Build
}

// SessionAdmin ends, changes and lists sessions. As everywhere,
// session.ErrNotFound is certain absence and *session.UnavailableError means
// that nothing is known. What ends sessions returns when no member calls any of
// them valid any more.
type SessionAdmin interface {
	// End ends sessions and tells which of them were there.
	End(ctx context.Context, why session.Cause, all ...session.Session) ([]bool, error)
	// EndByHandle tells of each handle whether it names no valid session any
	// more; a text that is no handle names none. After an error some may have
	// ended.
	EndByHandle(ctx context.Context, why session.Cause, handles ...session.Handle) ([]bool, error)
	// EndAllOf ends every session of a user, client-side ones where the realm
	// wants that; Expel those of a user who may not log in any more. Names compare
	// as identity.Key does.
	EndAllOf(ctx context.Context, why session.Cause, r realm.Name, username string) error
	Expel(ctx context.Context, why session.Cause, r realm.Name, username string) error
	// EndByToken ends the session of a token that is over as far as this member
	// knows: another may know better.
	EndByToken(ctx context.Context, why session.Cause, token session.TokenID) error
	// SetProperties changes the named properties, an empty value removes one,
	// and returns the session as it is then. by is the Cause's.
	SetProperties(ctx context.Context, x session.Session, changes map[string]string, by string) (session.Session, error)
	// SessionsOf lists at most limit sessions of a user, Sessions of a realm, in
	// the order of their ids and from the first one after after. Client-side
	// sessions are not in it, and ByHandle finds none.
	SessionsOf(ctx context.Context, r realm.Name, username string, after session.ID, limit int) ([]session.Session, error)
	Sessions(ctx context.Context, r realm.Name, after session.ID, limit int) ([]session.Session, error)
	ByHandle(ctx context.Context, handle session.Handle) (session.Session, error)
}

// Identities are the users of the embedded repository. Names compare as
// identity.Key does; identity.ErrNotFound is certain absence.
type Identities interface {
	Identity(ctx context.Context, r realm.Name, name string) (identity.Identity, error)
	// Identities lists at most limit users in order of their keys, from the
	// first after the user named after; empty starts at the beginning.
	Identities(ctx context.Context, r realm.Name, after string, limit int) ([]identity.Identity, error)
	// PutIdentity stores a user as a whole and tells whether it was new. With
	// createOnly one that exists stays as it is.
	PutIdentity(ctx context.Context, i identity.Identity, createOnly bool) (bool, error)
	UpdateIdentity(ctx context.Context, r realm.Name, name string, c identity.Change) (identity.Identity, error)
	DeleteIdentity(ctx context.Context, r realm.Name, name string) error
	// Hash makes the hash of a password; identity.ErrOverloaded means that it
	// was refused before any work.
	Hash(ctx context.Context, password identity.Secret) (identity.Hash, error)
}

// Documents is the configuration of realms. realm.ErrNoDocument is certain
// absence, realm.ErrConflict a precondition that did not hold.
type Documents interface {
	Document(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string) (realm.Document, error)
	// Documents returns all of a kind, in order of their ids.
	Documents(ctx context.Context, kind realm.DocumentKind, r realm.Name) ([]realm.Document, error)
	// PutDocument stores d under a new revision, which the result carries, and
	// tells whether it was new.
	PutDocument(ctx context.Context, d realm.Document, p realm.Precondition) (realm.Document, bool, error)
	// DeleteDocument removes a document and returns what it was.
	DeleteDocument(ctx context.Context, kind realm.DocumentKind, r realm.Name, id string, p realm.Precondition) (realm.Document, error)
}

// Health says how this member is: nil is well, an error why not. Both answer
// at once.
type Health interface {
	// Live is for whoever restarts the process, Ready for whoever sends it
	// requests.
	Live() error
	Ready() error
}

// Backups carries the whole token store out and in.
type Backups interface {
	Backup(ctx context.Context, w io.Writer) error
	// Restore replaces everything by a backup. After an error the store is as
	// it was, or says itself that it is incomplete. What is no whole backup of
	// this cluster is a *BackupError.
	Restore(ctx context.Context, r io.Reader) error
}

// BackupError says why something cannot be restored. The operator is told.
type BackupError struct{ Err error }

func (e *BackupError) Error() string { return e.Err.Error() }
func (e *BackupError) Unwrap() error { return e.Err }

// LimitError says that something is larger than a store takes, and how large it
// may be. The client is told.
type LimitError struct{ Err error }

func (e *LimitError) Error() string { return e.Err.Error() }
func (e *LimitError) Unwrap() error { return e.Err }

// Build names the program, for serverinfo/version.
type Build struct {
	// Version is the program's own, such as "0.3.0"; Revision and Date are
	// those of its source.
	Version, Revision, Date string
}

// addResources adds the endpoints of everything that is configured.
func (h *Handler) addResources(t map[string]*endpoint) {
	res := h.cfg.Resources
	t["serverinfo"] = h.serverInfo()
	if res.Health != nil {
		t["health"] = h.health()
	}
	if res.Sessions != nil {
		t["sessions"] = h.sessions()
	}
	t["users"] = h.usersEndpoint()
	if res.Documents != nil {
		t["realm-config"] = h.realmConfig()
		t["scripts"] = h.scripts()
	}
	if res.Documents != nil || res.Backups != nil || res.Members != nil || res.Keys != nil {
		t["global-config"] = h.globalConfig()
	}
}
