// Package journey runs authentication trees.
//
// A run of a tree is a journey. The package is a step function: Start and
// Advance take a compiled tree, the journey's state as a plain value and one
// input, and return the next state and exactly one Step: Ask (wait for the
// client), Do (an effect the caller must run and feed back) or Done. There is
// no goroutine, clock, random source or I/O inside; what a step needs of them
// stands in Env.
package journey

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"time"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/node"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// ID names a journey. It is random; the member that mints it redraws until it
// owns it.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Env is the outside world of one step.
type Env struct {
	Now      time.Time
	Rand     io.Reader
	Settings *realm.Settings
	Request  *node.Request

	// What a suspension needs: who names it, of which journey and answers (see
	// Suspending), and the page at which it ends unless the realm names one.
	Suspending Suspending
	Journey    ID
	Answers    [16]byte
	LoginPage  string
	// NotSuspending is why nothing can be suspended now; nil when it can. A node
	// that may is then not called, and the journey ends with this error.
	NotSuspending error
}

// Input moves a waiting journey on: Answers after an Ask, Result after a Do,
// Resumed after Suspended.
type Input struct {
	Answers []callback.Answer
	Result  node.Result
	Resumed bool
}

// Step is what a journey needs next: one of Ask, Do, Suspended, Done.
type Step interface{ step() }

// Ask waits for the client. Empty texts are not shown.
type Ask struct {
	Callbacks                  []callback.Callback
	Header, Description, Stage string
	// Cookies are what the reply sets beside the server's own.
	Cookies []node.Cookie `json:",omitempty"`
}

// Do wants an effect run.
type Do struct{ Effect node.Effect }

// Done is the end of a journey.
type Done struct {
	Success bool
	// URL is where to go: the success URL, never empty, or the failure URL,
	// empty when none is set.
	URL string

	// After success. Session is the session to create, without ID and Journey;
	// with NoSession there is none to create.
	Session   session.Session
	NoSession bool
	// Quota is how many sessions this user may have, where quotas are on; zero
	// leaves it to the realm.
	Quota int
	// Details are merged into the final answer's top level (success) or its
	// detail (failure); a value that is JSON is inserted as JSON.
	// PropertyDetails does the same with session properties, key to property.
	Details, PropertyDetails map[string]string
	// Cookies are what the answer sets beside the session's.
	Cookies []node.Cookie
	// Transaction says that a transaction was authorised: the session that the
	// request carries stays as it is.
	Transaction bool

	// After failure. Message is for the client. Lockout marks AM's lockout and
	// warning answers, which carry an empty failureUrl. Err is for the
	// operator: why the tree could not go on; nil when it reached Failure.
	Message string
	Lockout bool
	Err     error
}

func (Ask) step()  {}
func (Do) step()   {}
func (Done) step() {}

// What can be wrong with a request to start or resume a journey. Each meets
// its answer in the error table of http/rest; errors of actors/callback mean
// malformed answers, a *session.UnavailableError means 503.
var (
	// ErrNoTree: the realm has no such tree, or it is disabled, inner only, or
	// refers to what does not exist ("No Configuration found").
	ErrNoTree = errors.New("No Configuration found") //nolint:revive,staticcheck // AM's text, sent as it stands
	// ErrNoRealm: no such realm, or it is inactive.
	ErrNoRealm = errors.New("no such realm")
	// ErrGone: the journey is unknown, expired, finished, or the request
	// answers a step that is not the current one (AM's error 110).
	ErrGone = errors.New("Session has timed out") //nolint:revive,staticcheck // AM's text, sent as it stands
	// ErrLevel: no tree of the realm reaches the wanted level (AM's error 119).
	ErrLevel = errors.New("Invalid Auth Level.") //nolint:revive,staticcheck // AM's text, sent as it stands
	// ErrOtherUser: a session upgrade ended as somebody else (AM's error 124).
	ErrOtherUser = errors.New("Session Upgrade fails since user is different than original authenticated user") //nolint:revive,staticcheck // AM's text
)

// Ref is what an authId says: which journey and step the next request means.
// http/rest signs it; its holder can read it, so it holds no secret but State.
type Ref struct {
	Journey ID
	Step    uint32
	Realm   realm.Name
	// IndexType and IndexValue are as the client asked, for display.
	IndexType, IndexValue string
	Started, Expires      time.Time
	// Trace, when not empty, says that the journey is kept nowhere yet: it is
	// all that is needed to replay its start. It is opaque outside actors.
	Trace []byte
	// Store is where the journey waits. It stays what it was at the start.
	Store realm.JourneyStore
	// Index, in the CTS store, is the log index of the journey's token: a
	// member that is asked for it waits until it has that.
	Index uint64
	// State, in the JWT store, is all that the journey is between two requests.
	// Unlike the rest of a Ref it holds secrets: it is sealed before it leaves
	// this program. It is opaque outside actors, and empty with a Trace.
	State Carried
	// Allowlist is AM's whitelist-state of this step; zero for a journey that is
	// not allowlisted.
	Allowlist [16]byte
}

// Carried is a journey as its client carries it, before it is sealed. It prints
// as [redacted].
type Carried []byte

const redacted = "[redacted]"

func (Carried) String() string       { return redacted }
func (Carried) GoString() string     { return redacted }
func (Carried) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText redacts, in JSON and in logs.
func (Carried) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// StartRequest asks for a new journey.
type StartRequest struct {
	Realm realm.Name
	// Tree is the tree's name, empty for the realm's default.
	Tree string
	// Wanted, when not nil, says what the journey is to achieve, in place of
	// Tree: any of several trees may do.
	Wanted *Wanted
	// Transaction is what the journey is to authorise, nil for nothing. Its tree
	// is Tree.
	Transaction           *Transaction
	IndexType, IndexValue string
	Request               node.Request
	// Session is the valid session that the request carries, nil without one.
	Session *session.Session
	// NoSession ends in success without a session; ForceAuth runs the tree
	// though Session would satisfy it.
	NoSession, ForceAuth bool
	// Username and Password fill the first callbacks of their kind without
	// asking (zero-page login); nil when the request has no such header.
	Username *string
	Password *identity.Secret
}

// Transaction is what the success of a journey authorises. Such a journey makes
// no session.
type Transaction struct {
	// Key is what the transaction is kept under.
	Key [16]byte `json:"key"`
	// User, when set, is whose success counts. Known says that the first request
	// came with that user's session, which Session is: then the state has the name
	// from the start, and the last request has to come with it too.
	User    string     `json:"user,omitempty"`
	Known   bool       `json:"known,omitempty"`
	Session session.ID `json:"session,omitzero"`
	// Data, an object, is in the state from the start; nil for none.
	Data map[string]any `json:"-"`
}

// KeyTransactionData is where a journey finds what it was told of the transaction
// that it is to authorise.
const KeyTransactionData = "transactionData"

// Wanted is what a policy asks of a session (am-contract section 1.2).
type Wanted struct {
	// Trees are the trees of which one is to be run.
	Trees []string
	// Level, with ByLevel, is the authentication level to reach: by one of Trees
	// if one of them can, by any tree of the realm if there are no Trees.
	Level   int
	ByLevel bool
}

// ResumeRequest answers the current step of a journey.
type ResumeRequest struct {
	Ref     Ref
	Answers []callback.Answer
	Request node.Request
	Session *session.Session
}

// ResumeSuspendedRequest goes on with a suspended journey.
type ResumeSuspendedRequest struct {
	Realm   realm.Name
	ID      SuspendedID
	Request node.Request
	Session *session.Session
}

// Reply is the answer to a StartRequest or ResumeRequest: exactly one of Ask
// and Done is set.
type Reply struct {
	// Ref is set with Ask.
	Ref Ref
	Ask *Ask
	// Done is set at the end. After success with a session, Token and
	// Done.Session are those of the session; Existing says that it was there
	// before and nothing was run. A reply that is given again has the token and
	// all that an answer says, and no session.
	Done     *Done
	Realm    realm.Name
	Token    session.TokenID
	Existing bool
}
