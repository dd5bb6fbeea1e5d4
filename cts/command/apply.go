package command

import (
	"errors"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// Tx is a transaction on the store's keys. It keeps count of what is stored, so
// its caller says what was there before. Keys and values belong to the
// transaction from then on. A read that fails ends the transaction later; until
// then it finds nothing.
type Tx interface {
	Get(key []byte) (value []byte, ok bool)
	// Insert adds a key that is not there.
	Insert(key, value []byte)
	// Replace gives a key another value than old.
	Replace(key, old, value []byte)
	// Remove takes a key away whose value is old.
	Remove(key, old []byte)
	// RemoveAll takes everything away but the store's own keys.
	RemoveAll()
	// Totals tell what is stored now.
	Totals() Totals
}

// Totals are a check on a whole store: how many keys it has, and the sum of a
// hash of each key with its value. The store's own keys are left out.
type Totals struct{ Count, Sum uint64 }

// Result is what a command came to. It is the same on every member.
type Result struct {
	// Session and Index are what PutSession or SetProperties left behind; the
	// index is that of the creating entry.
	Session session.Session
	Index   uint64
	// Existed: PutSession found its journey's session, ChangeIdentity its key,
	// DeleteIdentity and DeleteDocument found what they removed.
	Existed bool
	// Found says which sessions DeleteSessions or CreateSession ended.
	Found []bool
	// Token is what PutToken left behind or, unless it Won, found.
	Token *token.Token
	Won   bool
	// Err is ErrGone, ErrNoSession, ErrNoToken, ErrStale or ErrRestore.
	Err error
}

// What a command may come to.
var (
	// ErrGone: the journey's session was created before and has ended.
	ErrGone = errors.New("the session of this journey has ended")
	// ErrNoSession: there is no session to change.
	ErrNoSession = errors.New("no such session")
	// ErrStale: the entry was decided in another term; nothing was done.
	ErrStale = errors.New("decided in another term")
	// ErrRestore: another restore has begun, or the restored store is not what
	// the backup was.
	ErrRestore = errors.New("restore incomplete")
)

// Effect tells what a command changed, for those who keep a copy.
type Effect interface{ effect() }

// SessionStored: a session is there in this form. Its LastAccess is the stored
// one. New tells whether it was there before.
type SessionStored struct {
	Session session.Session
	// Encoded is Session as AppendSession writes it, but for LastAccess.
	Encoded []byte
	New     bool
	// Changed names the properties that are others than before, in order.
	Changed []string
	Index   uint64 // of the log entry
}

// SessionGone: a session, as it was stored, is not there any more.
type SessionGone struct {
	Session session.Session
	Reason  session.Reason
	At      time.Time // when that was decided
	Index   uint64    // of the log entry
}

// SessionTouched: the store knows of this latest access.
type SessionTouched struct{ Access }

// IdentityChanged: what is stored under this key is new, or gone.
type IdentityChanged struct{ Key []byte }

// DocumentChanged: a document of this kind and realm was stored or removed.
type DocumentChanged struct {
	Kind  realm.DocumentKind
	Realm realm.Name
}

// ClusterNamed: the cluster has its id.
type ClusterNamed struct{}

// Restoring: the store was emptied to be restored.
type Restoring struct{}

// Restored: the store is whole again, and everything in it is new.
type Restored struct{}

func (SessionStored) effect()   {}
func (SessionGone) effect()     {}
func (SessionTouched) effect()  {}
func (IdentityChanged) effect() {}
func (DocumentChanged) effect() {}
func (ClusterNamed) effect()    {}
func (Restoring) effect()       {}
func (Restored) effect()        {}

// Apply carries out one command, as Decode read it, of the log entry with the
// given index: its values are then those that any later reader of the store
// will have. Effects
// are reported in order; they hold once the transaction is committed. An error
// means that the store holds what this release cannot read; the transaction
// must be dropped.
func Apply(tx Tx, index uint64, c Command, report func(Effect)) (Result, error) {
	a := &applier{Tx: tx, index: index, report: report}
	result := c.apply(a)
	return result, a.err
}

type applier struct {
	Tx
	index  uint64
	report func(Effect)
	err    error
}

// check keeps the first error and reports whether there is one.
func (a *applier) check(err error) bool {
	if err != nil && a.err == nil {
		a.err = err
	}
	return err != nil
}

func (Noop) apply(*applier) Result { return Result{} }

func (c ClusterID) apply(a *applier) Result {
	if _, ok := a.Get(ClusterKey()); !ok {
		a.Insert(ClusterKey(), c.ID[:])
		a.report(ClusterNamed{})
	}
	return Result{}
}

func (c PutIdentity) apply(a *applier) Result {
	key := IdentityKey(c.Identity.Realm, c.Identity.Name)
	value, err := AppendIdentity([]byte{recordVersion}, c.Identity)
	if a.check(err) {
		return Result{}
	}
	old, existed := a.Get(key)
	var before map[string][]byte
	if existed {
		was, err := DecodeIdentity(old)
		if a.check(err) {
			return Result{}
		}
		before = attributeKeys(was)
		a.Replace(key, old, value)
	} else {
		a.Insert(key, value)
	}
	after := attributeKeys(c.Identity)
	for text, key := range before {
		if _, stays := after[text]; !stays {
			a.Remove(key, []byte{present})
		}
	}
	for text, key := range after {
		if _, was := before[text]; !was {
			a.Insert(key, []byte{present})
		}
	}
	a.report(IdentityChanged{Key: key})
	return Result{Existed: existed}
}

func (c ChangeIdentity) apply(a *applier) Result {
	key := ChangeKey(c.Minute, c.Key)
	if _, made := a.Get(key); made {
		return Result{Existed: true}
	}
	a.Insert(key, append([]byte{recordVersion}, c.Kept...))
	PutIdentity{Identity: c.Identity}.apply(a)
	return Result{}
}

func (c DeleteIdentity) apply(a *applier) Result {
	key := IdentityKey(c.Realm, c.Name)
	old, ok := a.Get(key)
	if !ok {
		return Result{}
	}
	was, err := DecodeIdentity(old)
	if a.check(err) {
		return Result{}
	}
	a.Remove(key, old)
	for _, key := range attributeKeys(was) {
		a.Remove(key, []byte{present})
	}
	a.report(IdentityChanged{Key: key})
	return Result{Existed: true}
}

func (c PutDocument) apply(a *applier) Result {
	d := c.Document
	key := DocumentKey(d.Kind, d.Realm, d.ID)
	value := appendDocument([]byte{recordVersion}, d)
	old, existed := a.Get(key)
	if existed {
		a.Replace(key, old, value)
	} else {
		a.Insert(key, value)
	}
	a.report(DocumentChanged{Kind: d.Kind, Realm: d.Realm})
	return Result{Existed: existed}
}

func (c DeleteDocument) apply(a *applier) Result {
	key := DocumentKey(c.Kind, c.Realm, c.ID)
	old, ok := a.Get(key)
	if ok {
		a.Remove(key, old)
		a.report(DocumentChanged{Kind: c.Kind, Realm: c.Realm})
	}
	return Result{Existed: ok}
}

func (c Wipe) apply(a *applier) Result {
	if running, ok := a.Get(RestoreKey()); ok {
		a.Replace(RestoreKey(), running, c.Restore[:])
	} else {
		a.Insert(RestoreKey(), c.Restore[:])
	}
	a.RemoveAll()
	a.report(Restoring{})
	return Result{}
}

// running reports whether a restore is the one that has begun last.
func (a *applier) running(id [16]byte) bool {
	value, ok := a.Get(RestoreKey())
	return ok && string(value) == string(id[:])
}

func (c RestoreChunk) apply(a *applier) Result {
	if !a.running(c.Restore) {
		return Result{Err: ErrRestore}
	}
	for _, p := range c.Pairs {
		if old, ok := a.Get(p.Key); ok {
			a.Replace(p.Key, old, p.Value)
		} else {
			a.Insert(p.Key, p.Value)
		}
	}
	return Result{}
}

func (c RestoreDone) apply(a *applier) Result {
	if !a.running(c.Restore) {
		if _, other := a.Get(RestoreKey()); !other && a.Totals() == c.Totals {
			return Result{} // done before
		}
		return Result{Err: ErrRestore}
	}
	if a.Totals() != c.Totals {
		return Result{Err: ErrRestore}
	}
	a.Remove(RestoreKey(), c.Restore[:])
	a.report(Restored{})
	return Result{}
}

// until is the minute in which to look again for something that ends at end,
// seen from now.
func until(end, now time.Time) uint64 { return max(Minute(end)+1, Minute(now)+1) }
