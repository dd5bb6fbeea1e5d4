// Package peer holds the messages between the token stores of a cluster: what
// each looks like as bytes. The package is pure.
//
// A request and its answer are each
//
//	version 1 (1) | kind (1) | payload
//
// Numbers are big-endian, texts carry their length (uvarint) before them.
// Sessions, documents and identities are written as the commands of package
// command that store them.
//
// A request that is not understood is answered by a Failure of CodeProtocol.
package peer

import (
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

const version = 1

// Kinds of messages. Numbers are never used again.
const (
	kindWrite   = 1
	kindTerm    = 2
	kindRenew   = 3
	kindBarrier = 4
	kindPromise = 5
	kindStatus  = 6

	kindResult    = 65
	kindTermIs    = 66
	kindLease     = 67
	kindDone      = 68
	kindCondition = 70
	kindFailure   = 71
	kindTokenIs   = 72 // a Result with a token
	kindEnded     = 73 // a Result with sessions that have ended
)

// Limits of one message, checked where it is decoded. A sender keeps to them.
const (
	MaxTombstones = 4096
	MaxIdentities = 1024
	MaxStores     = 1024
)

// Request is one of Write, Term, Renew, Barrier, Promise and Status.
type Request interface{ requestKind() byte }

// Write asks the leader to carry out an operation as a whole. The answer is a
// Result or a Failure.
type Write struct{ Operation Operation }

// Term asks a voter which term it is in; Term is the asker's, which leads in it,
// and Life that of the leases it grants. The answer is TermIs, or a Failure when
// the voter was told another Life.
type Term struct {
	Term uint64
	Life time.Duration
}

// Renew asks the leader for a lease of Life for the store From, which has applied
// the log up to Applied. The answer is a Lease, or a Failure.
type Renew struct {
	From    string
	Applied uint64
	Life    time.Duration
}

// Barrier asks a holder of a lease to answer no more reads without what has
// been committed: sessions that have ended, or all up to an index. The answer is
// Done once that is so.
type Barrier struct {
	// Tombstones: these sessions are not valid.
	Tombstones []Tombstone
	// Applied, when not zero: all up to this index is applied.
	Applied uint64
}

// Tombstone says that a session was ended by the log entry of an index.
type Tombstone struct {
	ID    session.ID
	Index uint64
}

// Promise asks a member without a cluster to leave founding one to the store
// Candidate, which was told to expect so many members and has the promises of
// Have. The answer is Done, or a Failure of CodeRefused.
type Promise struct {
	Candidate string
	Expect    uint64
	Have      []string
}

// Status asks a member about itself. The answer is a Condition.
type Status struct{}

func (Write) requestKind() byte   { return kindWrite }
func (Term) requestKind() byte    { return kindTerm }
func (Renew) requestKind() byte   { return kindRenew }
func (Barrier) requestKind() byte { return kindBarrier }
func (Promise) requestKind() byte { return kindPromise }
func (Status) requestKind() byte  { return kindStatus }

// Operation is a write as a caller of the store asks for it: one of the types
// below. What it comes to is decided where the leader is.
type Operation interface{ op() byte }

// Create stores a session in the place of another, if any, and within a quota,
// if that has a limit.
type Create struct {
	Session  session.Session
	Replaces *session.ID
	Quota    realm.Quota
}

// Delete ends sessions.
type Delete struct {
	Reason session.Reason
	IDs    []session.ID
}

// SetProperties changes properties of a session; an empty value removes one.
type SetProperties struct {
	ID      session.ID
	Changes map[string]string
}

// Touch writes latest accesses.
type Touch struct{ Accesses []command.Access }

// PutIdentity stores an identity.
type PutIdentity struct {
	Identity   identity.Identity
	CreateOnly bool
}

// PutIdentities stores up to MaxIdentities identities.
type PutIdentities struct{ Identities []identity.Identity }

// UpdateIdentity applies a change to an identity.
type UpdateIdentity struct {
	Realm  realm.Name
	Name   string
	Change identity.Change
}

// DeleteIdentity removes an identity.
type DeleteIdentity struct {
	Realm realm.Name
	Name  string
}

// PutDocument stores a document; its revision is not looked at.
type PutDocument struct {
	Document     realm.Document
	Precondition realm.Precondition
}

// DeleteDocument removes a document.
type DeleteDocument struct {
	Kind         realm.DocumentKind
	Realm        realm.Name
	ID           string
	Precondition realm.Precondition
}

// PutToken replaces a token, or makes one.
type PutToken struct{ Put token.Put }

// Deny denies sessions that their holders keep.
type Deny struct {
	Reason  session.Reason
	Denials []session.Denial
}

// DenyUser denies those of a user that were created before an instant.
type DenyUser struct {
	Realm         realm.Name
	Username      string
	Before, Until time.Time
}

// Remove takes a member out of the cluster, Promote makes one vote.
type (
	Remove  struct{ Store string }
	Promote struct{ Store string }
)

const (
	opCreate         = 1
	opDelete         = 2
	opSetProperties  = 3
	opTouch          = 4
	opPutIdentity    = 5
	opPutIdentities  = 6
	opUpdateIdentity = 7
	opDeleteIdentity = 8
	opPutDocument    = 9
	opDeleteDocument = 10
	opRemove         = 11
	opPromote        = 12
	opPutToken       = 13
	opDeny           = 14
	opDenyUser       = 15
	opCreateWithin   = 16 // a Create with a quota
)

func (Delete) op() byte         { return opDelete }
func (SetProperties) op() byte  { return opSetProperties }
func (Touch) op() byte          { return opTouch }
func (PutIdentity) op() byte    { return opPutIdentity }
func (PutIdentities) op() byte  { return opPutIdentities }
func (UpdateIdentity) op() byte { return opUpdateIdentity }
func (DeleteIdentity) op() byte { return opDeleteIdentity }
func (PutDocument) op() byte    { return opPutDocument }
func (DeleteDocument) op() byte { return opDeleteDocument }
func (Remove) op() byte         { return opRemove }
func (Promote) op() byte        { return opPromote }
func (PutToken) op() byte       { return opPutToken }
func (Deny) op() byte           { return opDeny }
func (DenyUser) op() byte       { return opDenyUser }

func (o Create) op() byte {
	if o.Quota.Limit > 0 {
		return opCreateWithin
	}
	return opCreate
}

// Idempotent reports whether an operation that was perhaps carried out may be
// asked for again: it does no more the second time.
func Idempotent(o Operation) bool {
	switch o := o.(type) {
	case Create:
		return o.Session.Journey != [16]byte{}
	case UpdateIdentity:
		_, once := o.Change.(identity.Once)
		return once
	case Delete, Touch, Remove, Promote, PutToken, Deny, DenyUser:
		return true
	default:
		return false
	}
}

// Answer is one of Result, TermIs, Lease, Done, Condition, Failure.
type Answer interface{ answerKind() byte }

// Result is what an operation came to; which fields are set follows from the
// operation.
type Result struct {
	Session  *session.Session
	Document *realm.Document
	Identity *identity.Identity
	// Index is the log index of the session's creation, and that of a Touch.
	Index uint64
	// Existed: there was a session of that journey, an identity, a document.
	Existed bool
	// Found says which sessions Delete has ended.
	Found []bool
	// Ended are the sessions that a quota has ended.
	Ended []session.Session
	// Token is what PutToken found. If it Won, that is what it put, and has no
	// body here.
	Token *token.Token
	Won   bool
}

// TermIs is what a voter answers, as lease.Answer says: its term, the index of
// the latest configuration that it has applied, and for how long it has been
// quiet.
type TermIs struct {
	Term, Config uint64
	Quiet        time.Duration
}

// Lease is granted by the leader of Term to a member that has applied the log up
// to Need, from when the member began to ask.
type Lease struct {
	Term, Need uint64
}

// Done says that what was asked for is so.
type Done struct{}

// Condition is what a member says of itself.
type Condition struct {
	Store, Name string
	Term        uint64
	// Leader is the store that it takes for the leader, empty for none.
	Leader  string
	Applied uint64
	// Lease is how much longer it may answer reads; 0 for not at all.
	Lease time.Duration
	// Sees are the stores that it sees alive.
	Sees []string
}

// Failure is an error on its way to another member.
type Failure struct {
	Code Code
	Text string
	// RetryAfter and Unknown are those of a session.UnavailableError.
	RetryAfter time.Duration
	Unknown    bool
}

// Code says which error a Failure stands for.
type Code byte

// Codes. Numbers are never used again.
const (
	CodeInternal    Code = 0  // none of those below
	CodeProtocol    Code = 1  // the request was not understood
	CodeElsewhere   Code = 2  // not done: this member does not lead, or no more
	CodeUnavailable Code = 3  // session.UnavailableError
	CodeNoSession   Code = 4  // session.ErrNotFound
	CodeNoIdentity  Code = 5  // identity.ErrNotFound
	CodeExists      Code = 6  // cts.ErrExists
	CodeNoDocument  Code = 7  // realm.ErrNoDocument
	CodeConflict    Code = 8  // realm.ErrConflict
	CodeLimit       Code = 9  // cts.ErrLimit
	CodeNoMember    Code = 10 // cts.ErrNoMember
	CodeRefused     Code = 11 // cts.ErrRefused
	CodeNoToken     Code = 12 // token.ErrNotFound
	CodeQuota       Code = 13 // session.ErrQuota
)

func (r Result) answerKind() byte {
	switch {
	case r.Token != nil:
		return kindTokenIs
	case len(r.Ended) > 0:
		return kindEnded
	default:
		return kindResult
	}
}

func (TermIs) answerKind() byte    { return kindTermIs }
func (Lease) answerKind() byte     { return kindLease }
func (Done) answerKind() byte      { return kindDone }
func (Condition) answerKind() byte { return kindCondition }
func (*Failure) answerKind() byte  { return kindFailure }
