package command

import (
	"encoding/binary"
	"strings"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// The store's keys. The first byte tells the kind; names inside a key carry
// their length (2 bytes), so that no name can run into the next part.
//
//	s <session id>                               session, immutable but for its properties
//	t <session id>                               its latest access, once there was one
//	u <realm> <user> <session id>                sessions of a user
//	e <minute> <kind> <session or journey id>    when to look whether it has ended
//	e <minute> <kind> <key>                      a change that is not made again
//	j <journey id>                               the session that a journey created
//	i <realm> <user>                             identity
//	a <realm> <attribute> <value> <user>         identities by indexed attributes
//	k <kind> <token id>                          token
//	e <minute> <64 + kind> <token id>            when to look whether a token has ended
//	n <session id>                               a session that is denied
//	b <hash of realm and user>                   a user whose sessions are denied
//	d <kind> <realm> <document id>               document
//	!...                                         the store's own; in no backup, in no total
const (
	tagSession    = 's'
	tagAccess     = 't'
	tagUser       = 'u'
	tagDue        = 'e'
	tagJourney    = 'j'
	tagIdentity   = 'i'
	tagIndex      = 'a'
	tagDocument   = 'd'
	tagToken      = 'k'
	tagDenial     = 'n'
	tagUserDenial = 'b'
	tagOwn        = '!'
)

// present is the value of keys that say all by being there.
const present = recordVersion

// Own reports whether a key is the store's own: no part of what is stored.
func Own(key []byte) bool { return len(key) > 0 && key[0] == tagOwn }

// MetaKey holds what the state machine keeps about itself.
func MetaKey() []byte { return []byte("!meta") }

// ClusterKey holds the cluster's id.
func ClusterKey() []byte { return []byte("!cluster") }

// RestoreKey is there while a restore is incomplete.
func RestoreKey() []byte { return []byte("!restore") }

// SessionKey holds a session.
func SessionKey(id session.ID) []byte { return tagged(tagSession, id) }

// AccessKey holds a session's latest access.
func AccessKey(id session.ID) []byte { return tagged(tagAccess, id) }

// JourneyKey holds the session that a journey created.
func JourneyKey(id [16]byte) []byte { return tagged(tagJourney, id) }

func tagged(tag byte, id [16]byte) []byte {
	b := make([]byte, 17)
	b[0] = tag
	copy(b[1:], id[:])
	return b
}

// ByID reports whether a key is made of nothing but a session's, a journey's or
// a token's id, and so is looked up before it is inserted.
func ByID(key []byte) bool {
	switch len(key) {
	case 17:
		return key[0] == tagSession || key[0] == tagAccess || key[0] == tagJourney || key[0] == tagDenial
	case 18:
		return key[0] == tagToken
	default:
		return false
	}
}

// SessionIDs reads ids out of keys that end in one: SessionKey, UserPrefix.
func SessionIDs(key []byte) (session.ID, bool) {
	if len(key) < 17 {
		return session.ID{}, false
	}
	return session.ID(key[len(key)-16:]), true
}

// SessionsPrefix begins every SessionKey.
func SessionsPrefix() []byte { return []byte{tagSession} }

// UserPrefix begins the keys that name a user's sessions. Names compare as
// identity.Key says.
func UserPrefix(r realm.Name, username string) []byte {
	b := appendName([]byte{tagUser}, string(r))
	return appendName(b, identity.Key(username))
}

func userKey(s session.Session) []byte {
	return append(UserPrefix(s.Principal.Realm, s.Principal.Username), s.ID[:]...)
}

func dueKey(d Due) []byte {
	b := make([]byte, 0, 26)
	b = append(b, tagDue)
	b = binary.BigEndian.AppendUint64(b, d.Minute)
	b = append(b, byte(d.Kind))
	return append(b, d.ID[:]...)
}

// ChangeKey holds what is remembered of a change.
func ChangeKey(minute uint64, key [16]byte) []byte {
	return dueKey(Due{Minute: minute, Kind: DueChange, ID: key})
}

// DuePrefix begins every key of the expiry index; they are in order of time.
func DuePrefix() []byte { return []byte{tagDue} }

// ParseDue reads a key of the expiry index.
func ParseDue(key []byte) (Due, bool) {
	if len(key) != 26 || key[0] != tagDue {
		return Due{}, false
	}
	return Due{Minute: binary.BigEndian.Uint64(key[1:]), Kind: DueKind(key[9]), ID: [16]byte(key[10:])}, true
}

// Minute is the number of the minute that t lies in.
func Minute(t time.Time) uint64 {
	return uint64(max(t.Unix(), 0)) / 60
}

// IdentitiesPrefix begins the keys of a realm's identities, which are in order
// of identity.Key.
func IdentitiesPrefix(r realm.Name) []byte { return appendName([]byte{tagIdentity}, string(r)) }

// IdentityKey holds an identity.
func IdentityKey(r realm.Name, name string) []byte {
	return append(IdentitiesPrefix(r), identity.Key(name)...)
}

// Indexed reports whether identities can be found by an attribute without a
// scan. Attribute names compare without case.
func Indexed(attribute string) bool {
	switch strings.ToLower(attribute) {
	case "mail", "uid", "username", "_id":
		return true
	default:
		return false
	}
}

// AttributePrefix begins the keys that name the identities of a realm whose
// indexed attribute has a value; what follows is the identity's key.
func AttributePrefix(r realm.Name, attribute, value string) []byte {
	b := appendName([]byte{tagIndex}, string(r))
	b = appendName(b, strings.ToLower(attribute))
	return appendName(b, identity.Key(value))
}

// DocumentsPrefix begins the keys of a realm's documents of one kind.
func DocumentsPrefix(kind realm.DocumentKind, r realm.Name) []byte {
	b := appendName([]byte{tagDocument}, string(kind))
	return appendName(b, string(r))
}

// DocumentKey holds a document.
func DocumentKey(kind realm.DocumentKind, r realm.Name, id string) []byte {
	return append(DocumentsPrefix(kind, r), id...)
}

// MaxName bounds each name inside a key, in bytes. Longer ones are refused
// before they reach a command.
const MaxName = 8 << 10

func appendName(b []byte, name string) []byte {
	name = name[:min(len(name), MaxName)]
	b = binary.BigEndian.AppendUint16(b, uint16(len(name))) //nolint:gosec // at most MaxName
	return append(b, name...)
}
