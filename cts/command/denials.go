package command

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/internal/octets"
	"sojourn/cts/session"
)

// MaxDeny bounds the denials in a Deny.
const MaxDeny = 500

// Deny says of sessions that their holders keep that they are not valid any more.
type Deny struct {
	Reason session.Reason
	// At is when that was decided.
	At      time.Time
	Denials []session.Denial
}

// DenyUser does so with all sessions of a user that were created before an
// instant. None of them lives longer than Until.
type DenyUser struct {
	Realm         realm.Name
	Username      string
	Before, Until time.Time
}

// Denied: a session that its holder keeps is not valid, and that is remembered
// until a minute. Again tells that it was known, with an earlier minute.
type Denied struct {
	ID     session.ID
	Minute uint64
	Reason session.Reason
	At     time.Time
	Again  bool
	Index  uint64 // of the log entry
}

// UserDenied: those of a user are not that were created before an instant.
type UserDenied struct {
	User   UserDigest
	Before time.Time
}

// DenialOver: a denial is not remembered any more.
type DenialOver struct{ ID session.ID }

// UserDenialOver: nor that of a user's.
type UserDenialOver struct{ User UserDigest }

func (Denied) effect()         {}
func (UserDenied) effect()     {}
func (DenialOver) effect()     {}
func (UserDenialOver) effect() {}

// UserDigest names a user, by a hash of realm and name.
type UserDigest [16]byte

// DigestUser is a user's digest. Names compare as identity.Key says.
func DigestUser(r realm.Name, username string) UserDigest {
	sum := sha256.Sum256(UserPrefix(r, username))
	return UserDigest(sum[:16])
}

// DenialsPrefix begins the keys of denied sessions, UserDenialsPrefix those of
// denied users.
func DenialsPrefix() []byte     { return []byte{tagDenial} }
func UserDenialsPrefix() []byte { return []byte{tagUserDenial} }

// DenialKey holds the minute until which a denial is remembered.
func DenialKey(id session.ID) []byte { return tagged(tagDenial, id) }

func userDenialKey(u UserDigest) []byte { return tagged(tagUserDenial, u) }

// denialMinute is the minute in which a denial is forgotten: one after that in
// which it ends, so that a clock that is a minute behind is no way around it.
func denialMinute(end time.Time) uint64 { return Minute(end) + 2 }

func denialRecord(minute uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{recordVersion}, minute)
}

// DecodeDenial reads the value under DenialKey: the minute in which the denial is
// forgotten.
func DecodeDenial(value []byte) (minute uint64, err error) {
	r, err := open("a denial", value)
	if err != nil {
		return 0, err
	}
	minute = r.Uint64()
	return minute, r.Done()
}

type userDenial struct {
	minute uint64
	before time.Time
}

func (d userDenial) record() []byte { return appendTime(denialRecord(d.minute), d.before) }

// DecodeUserDenial reads a value under UserDenialsPrefix: the instant before which
// the denied sessions were created.
func DecodeUserDenial(value []byte) (before time.Time, err error) {
	d, err := decodeUserDenial(value)
	return d.before, err
}

func decodeUserDenial(value []byte) (userDenial, error) {
	r, err := open("a denial of a user's sessions", value)
	if err != nil {
		return userDenial{}, err
	}
	d := userDenial{minute: r.Uint64(), before: r.time()}
	return d, r.Done()
}

func (Deny) op() Op     { return OpDeny }
func (DenyUser) op() Op { return OpDenyUser }

func (c Deny) appendPayload(b []byte) ([]byte, error) {
	if len(c.Denials) > MaxDeny {
		return b, fmt.Errorf("%d sessions to deny at once, at most %d", len(c.Denials), MaxDeny)
	}
	b, err := appendReason(b, c.Reason)
	if err != nil {
		return b, err
	}
	b = appendTime(b, c.At)
	b = binary.AppendUvarint(b, uint64(len(c.Denials)))
	for _, d := range c.Denials {
		b = append(b, d.ID[:]...)
		b = appendTime(b, d.Until)
	}
	return b, nil
}

func (r *reader) deny() Command {
	c := Deny{Reason: r.reason(), At: r.time()}
	for range r.Count(MaxDeny, 24) {
		c.Denials = append(c.Denials, session.Denial{ID: r.ID(), Until: r.time()})
	}
	return c
}

func (c DenyUser) appendPayload(b []byte) ([]byte, error) {
	b = octets.AppendText(b, c.Realm)
	b = octets.AppendText(b, c.Username)
	return appendTime(appendTime(b, c.Before), c.Until), nil
}

func (r *reader) denyUser() Command {
	return DenyUser{Realm: realm.Name(r.Text()), Username: r.Text(), Before: r.time(), Until: r.time()}
}

func (c Deny) apply(a *applier) Result {
	for _, d := range c.Denials {
		effect := Denied{ID: d.ID, Minute: denialMinute(d.Until), Reason: c.Reason, At: c.At, Index: a.index}
		key := DenialKey(d.ID)
		if old, ok := a.Get(key); ok {
			minute, err := DecodeDenial(old)
			if a.check(err) {
				return Result{}
			}
			if minute >= effect.Minute {
				continue
			}
			effect.Again = true
			a.Remove(dueKey(Due{Minute: minute, Kind: DueDenial, ID: d.ID}), []byte{present})
			a.Replace(key, old, denialRecord(effect.Minute))
		} else {
			a.Insert(key, denialRecord(effect.Minute))
		}
		a.Insert(dueKey(Due{Minute: effect.Minute, Kind: DueDenial, ID: d.ID}), []byte{present})
		a.report(effect)
	}
	return Result{}
}

func (c DenyUser) apply(a *applier) Result {
	user := DigestUser(c.Realm, c.Username)
	now := userDenial{minute: denialMinute(c.Until), before: c.Before}
	key := userDenialKey(user)
	if old, ok := a.Get(key); ok {
		was, err := decodeUserDenial(old)
		if a.check(err) {
			return Result{}
		}
		// Of two denials the later instant includes the other's sessions.
		if was.before.After(now.before) {
			now.before = was.before
		}
		now.minute = max(now.minute, was.minute)
		if now.minute != was.minute {
			a.Remove(dueKey(Due{Minute: was.minute, Kind: DueUserDenial, ID: user}), []byte{present})
			a.Insert(dueKey(Due{Minute: now.minute, Kind: DueUserDenial, ID: user}), []byte{present})
		}
		a.Replace(key, old, now.record())
	} else {
		a.Insert(key, now.record())
		a.Insert(dueKey(Due{Minute: now.minute, Kind: DueUserDenial, ID: user}), []byte{present})
	}
	a.report(UserDenied{User: user, Before: now.before})
	return Result{}
}

func (a *applier) expireDenial(d Due) {
	key := DenialKey(d.ID)
	value, ok := a.Get(key)
	if !ok {
		return
	}
	if minute, err := DecodeDenial(value); a.check(err) || minute != d.Minute {
		return
	}
	a.Remove(key, value)
	a.Remove(dueKey(d), []byte{present})
	a.report(DenialOver{ID: d.ID})
}

func (a *applier) expireUserDenial(d Due) {
	key := userDenialKey(d.ID)
	value, ok := a.Get(key)
	if !ok {
		return
	}
	if was, err := decodeUserDenial(value); a.check(err) || was.minute != d.Minute {
		return
	}
	a.Remove(key, value)
	a.Remove(dueKey(d), []byte{present})
	a.report(UserDenialOver{User: d.ID})
}
