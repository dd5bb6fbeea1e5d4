// Package identity says who can log in: identities, the rules for their
// account status, password hashes, and the Repository that holds them.
//
// The package is pure. Hashing is a function of password, salt and parameters;
// the bounded pool that runs it, and the stores, live elsewhere.
package identity

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sojourn/actors/realm"
)

// Secret is a password on its way to a check. It prints as [redacted].
type Secret string

const redacted = "[redacted]"

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Status is what an administrator decided about an account (inetUserStatus).
type Status string

// The two statuses. An empty Status counts as Active.
const (
	Active   Status = "Active"
	Inactive Status = "Inactive"
)

// Identity is a stored subject. Names compare without case; Name keeps the
// spelling it was created with.
type Identity struct {
	Realm      realm.Name          `json:"realm"`
	Name       string              `json:"name"`
	Attributes map[string][]string `json:"attributes,omitempty"`
	// Hash is the password's hash, empty for an identity that cannot log in
	// with a password.
	Hash   Hash   `json:"hash,omitempty"`
	Status Status `json:"status,omitempty"`
	// Admin may use the administration API of every realm; only an identity of
	// the root realm can be one.
	Admin bool `json:"admin,omitempty"`
	// LoginCount is how often Increment Login Count saw this user.
	LoginCount int `json:"loginCount,omitempty"`
	// Failures counts refused passwords under the realm's lockout.
	Failures Failures `json:"failures,omitzero"`
	// Permits are the password checks under way that the realm's lockout has to
	// reckon with.
	Permits []Permit `json:"permits,omitempty"`
	// Retries holds Retry Limit Decision counters by node id
	// (retryLimitNodeCount).
	Retries map[string]int `json:"retries,omitempty"`
}

// Failures is the state of an account under lockout.
type Failures struct {
	Count int       `json:"count,omitempty"`
	Since time.Time `json:"since,omitzero"`  // first failure of the current window
	Until time.Time `json:"until,omitzero"`  // end of a running lock; zero when none
	Locks int       `json:"locks,omitempty"` // locks since the last success, for the multiplier
}

// Locked reports whether the account is refused at now: inactive, or under a
// running lock.
func (i Identity) Locked(now time.Time) bool {
	return i.Status == Inactive || now.Before(i.Failures.Until)
}

// Verdict is the outcome of a password check.
type Verdict int

// Verdicts. Unknown and Mismatch must cost the same time and must not be told
// apart by what a client sees.
const (
	Mismatch Verdict = iota // a known user, the wrong password
	Match
	Unknown // no such user
	Locked  // right or wrong, the store refuses the account
	Expired // right password, but the store demands a new one
	Barred  // right password, but the account is inactive or under a lock
)

// What a Repository reports beside its answers. Every other error means that
// the answer is not known.
var (
	ErrNotFound    = errors.New("no such identity")
	ErrAmbiguous   = errors.New("more than one identity matches")
	ErrUnavailable = errors.New("identity store unavailable")
	// ErrOverloaded says that the check was refused before any work was done.
	ErrOverloaded = errors.New("too many password checks waiting")
	// ErrReadOnly says that the store does not take this change.
	ErrReadOnly = errors.New("identity store is read only")
)

// Repository holds identities. All methods may be called concurrently; a
// cancelled ctx ends the wait, not necessarily the work.
type Repository interface {
	// Lookup finds a user by name, ErrNotFound when there is none.
	Lookup(ctx context.Context, r realm.Name, name string) (Identity, error)
	// Search finds the one user whose attribute has value: ErrNotFound for
	// none, ErrAmbiguous for several.
	Search(ctx context.Context, r realm.Name, attribute, value string) (Identity, error)
	// Authenticate checks a password. The Identity is set unless the verdict
	// is Unknown. The work for an unknown user equals that for a wrong
	// password. A store that keeps the realm's failures checks nothing beyond
	// g's limit: it waits for its turn until ctx ends, and refuses a locked
	// account as Locked, with work that has nothing to do with its password.
	Authenticate(ctx context.Context, r realm.Name, name string, password Secret, g Guess) (Verdict, Identity, error)
	// ChangePassword replaces a password for its owner: old is checked as by
	// Authenticate, but may have expired; only with Match is next stored.
	// ErrPassword says that next is not accepted, ErrReadOnly that the store
	// takes no passwords.
	ChangePassword(ctx context.Context, r realm.Name, name string, old, next Secret, g Guess) (Verdict, Identity, error)
	// Update applies a change atomically and returns what is stored then.
	Update(ctx context.Context, r realm.Name, name string, c Change) (Identity, error)
}
