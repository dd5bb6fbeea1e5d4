package command

import (
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Op is a command's kind in the log.
type Op byte

// Ops. Numbers are never used again.
const (
	OpNoop           Op = 1
	OpClusterID      Op = 2
	OpPutSession     Op = 3
	OpDeleteSessions Op = 4
	OpTouch          Op = 5
	OpExpire         Op = 6
	OpSetProperties  Op = 7
	OpPutIdentity    Op = 8
	OpDeleteIdentity Op = 9
	OpPutDocument    Op = 10
	OpDeleteDocument Op = 11
	OpWipe           Op = 12
	OpRestoreChunk   Op = 13
	OpRestoreDone    Op = 14
	OpChangeIdentity Op = 15
	OpCreateSession  Op = 16
	OpPutToken       Op = 17
	OpDeny           Op = 18
	OpDenyUser       Op = 19
)

// Limits of one command, checked where commands are made and again where they
// are decoded.
const (
	MaxTouches = 500 // accesses in a Touch
	MaxExpire  = 500 // entries in an Expire
	MaxDelete  = 500 // ids in a DeleteSessions
	// MaxKept bounds what is remembered of a change, in bytes.
	MaxKept = 1 << 10
	// MaxRecord bounds an encoded session or identity, in bytes.
	MaxRecord = 256 << 10
	// MaxCommand bounds an encoded command: the largest document, its names
	// and some room.
	MaxCommand = realm.MaxDocument + 64<<10
	// ChunkSize is about how many bytes of keys and values a RestoreChunk
	// carries.
	ChunkSize = 256 << 10
)

// Command is one change to the store: one of the types below.
type Command interface {
	op() Op
	appendPayload(b []byte) ([]byte, error)
	apply(a *applier) Result
}

// Noop changes nothing; that it was applied says that all before it was.
type Noop struct{}

// ClusterID names the cluster, once: a later one changes nothing.
type ClusterID struct{ ID [16]byte }

// PutSession stores a session. The journey that it came from creates it once:
// for as long as the session can live, a second PutSession of that journey
// yields the first one's session and index.
type PutSession struct {
	Session session.Session
	// Replaces, when not nil, is the session that this one takes the place of;
	// it ends in the same instant.
	Replaces *session.ID
}

// CreateSession is a PutSession that, if it stores the session, also ends others
// of its user's in the same instant, to make room for it.
type CreateSession struct {
	Put  PutSession
	Ends []End // at most MaxDelete
}

// End ends a session for a reason.
type End struct {
	ID     session.ID
	Reason session.Reason
}

// DeleteSessions ends sessions. At is when that was decided; it only bounds how
// long the journeys of sessions without a longest life are remembered.
type DeleteSessions struct {
	// Reason is session.Logout where it is not written down; zero is the same.
	Reason session.Reason
	IDs    []session.ID
	At     time.Time
}

// Access is one latest access of a session.
type Access struct {
	ID session.ID
	At time.Time
}

// Touch moves latest accesses on; time does not run back.
type Touch struct{ Accesses []Access }

// Due is one entry of the expiry index: look at ID when Minute begins.
type Due struct {
	Minute uint64 // minutes since 1970
	Kind   DueKind
	ID     [16]byte // a session's, a journey's, or a change's key
}

// DueKind says what a Due entry is about.
type DueKind byte

// Kinds of Due entries.
const (
	DueSession DueKind = 1
	DueJourney DueKind = 2
	// DueChange entries are all that is remembered of a change: they are there
	// until their minute begins.
	DueChange DueKind = 3
	// DueDenial entries are about denied sessions, DueUserDenial ones about users.
	DueDenial     DueKind = 4
	DueUserDenial DueKind = 5
)

// Expire looks at entries of the expiry index as of At: what has ended is
// deleted, what has been accessed meanwhile is filed under a later minute.
type Expire struct {
	At   time.Time
	Dues []Due
}

// SetProperties replaces the properties of a session as a whole.
type SetProperties struct {
	ID         session.ID
	Properties map[string]string
}

// PutIdentity stores an identity as a whole.
type PutIdentity struct{ Identity identity.Identity }

// ChangeIdentity stores an identity as a whole, once: under a key that is
// remembered it changes nothing.
type ChangeIdentity struct {
	Key    [16]byte
	Minute uint64 // in which the key may be forgotten
	// Kept is remembered with the key, for whoever asks again.
	Kept     []byte
	Identity identity.Identity
}

// DeleteIdentity removes an identity.
type DeleteIdentity struct {
	Realm realm.Name
	Name  string
}

// PutDocument stores a document as a whole, under the revision it carries.
type PutDocument struct{ Document realm.Document }

// DeleteDocument removes a document.
type DeleteDocument struct {
	Kind  realm.DocumentKind
	Realm realm.Name
	ID    string
}

// Wipe empties the store and begins a restore, which Done ends. Until then the
// store is marked as incomplete.
type Wipe struct{ Restore [16]byte }

// Pair is one key of the store and its value.
type Pair struct{ Key, Value []byte }

// RestoreChunk puts back a part of a backup; without its Wipe it changes
// nothing.
type RestoreChunk struct {
	Restore [16]byte
	Pairs   []Pair
}

// RestoreDone ends a restore if the store has what the backup had.
type RestoreDone struct {
	Restore [16]byte
	Totals  Totals
}

func (Noop) op() Op           { return OpNoop }
func (ClusterID) op() Op      { return OpClusterID }
func (PutSession) op() Op     { return OpPutSession }
func (CreateSession) op() Op  { return OpCreateSession }
func (DeleteSessions) op() Op { return OpDeleteSessions }
func (Touch) op() Op          { return OpTouch }
func (Expire) op() Op         { return OpExpire }
func (SetProperties) op() Op  { return OpSetProperties }
func (PutIdentity) op() Op    { return OpPutIdentity }
func (ChangeIdentity) op() Op { return OpChangeIdentity }
func (DeleteIdentity) op() Op { return OpDeleteIdentity }
func (PutDocument) op() Op    { return OpPutDocument }
func (DeleteDocument) op() Op { return OpDeleteDocument }
func (Wipe) op() Op           { return OpWipe }
func (RestoreChunk) op() Op   { return OpRestoreChunk }
func (RestoreDone) op() Op    { return OpRestoreDone }
