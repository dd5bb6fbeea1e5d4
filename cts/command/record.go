package command

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
	"sojourn/cts/internal/octets"
	"sojourn/cts/session"
	"sojourn/cts/token"
)

// Every value in the store starts with the version of its form.
const recordVersion = 1

// AppendSession writes a session in the form that commands and records share.
func AppendSession(b []byte, s session.Session) []byte {
	b = append(b, s.ID[:]...)
	b = append(b, s.Journey[:]...)
	b = appendTime(b, s.Created)
	b = appendTime(b, s.LastAccess)
	b = binary.AppendVarint(b, int64(s.Policy.MaxSession))
	b = binary.AppendVarint(b, int64(s.Policy.MaxIdle))
	b = binary.AppendVarint(b, int64(s.Policy.TouchInterval))
	b = binary.AppendVarint(b, int64(s.AuthLevel))
	b = octets.AppendBool(b, s.Admin)
	b = octets.AppendText(b, s.Principal.Realm)
	b = octets.AppendText(b, s.Principal.Username)
	b = octets.AppendText(b, s.Principal.UniversalID)
	b = binary.AppendUvarint(b, uint64(len(s.Trees)))
	for _, tree := range s.Trees {
		b = octets.AppendText(b, tree)
	}
	return appendMap(b, s.Properties)
}

// ReadSession reads what AppendSession wrote. It keeps no reference to b, and
// allocates four times at most: the texts of a session are parts of one.
func ReadSession(b []byte) (session.Session, error) {
	r := on(b)
	s := r.session()
	return s, r.Done()
}

func (r *reader) session() session.Session {
	var s session.Session
	s.ID = r.ID()
	s.Journey = r.ID()
	s.Created = r.time()
	s.LastAccess = r.time()
	s.Policy.MaxSession = time.Duration(r.Varint())
	s.Policy.MaxIdle = time.Duration(r.Varint())
	s.Policy.TouchInterval = time.Duration(r.Varint())
	s.AuthLevel = int(r.Varint())
	s.Admin = r.Bool()
	r.Share()
	s.Principal.Realm = realm.Name(r.Text())
	s.Principal.Username = r.Text()
	s.Principal.UniversalID = r.Text()
	if n := r.Count(math.MaxInt32, 1); n > 0 {
		s.Trees = make([]string, n)
		for i := range s.Trees {
			s.Trees[i] = r.Text()
		}
	}
	s.Properties = r.strings()
	return s
}

// open starts reading a record and checks its version.
func open(what string, value []byte) (reader, error) {
	r := on(value)
	if v := r.Byte(); r.Err() == nil && v != recordVersion {
		return r, &VersionError{What: what, Version: v}
	}
	return r, r.Err()
}

// sessionHead is the length of version and index, before the session.
const sessionHead = 1 + 8

// sessionRecord is the value under SessionKey: version, index, session.
func sessionRecord(index uint64, s session.Session) []byte {
	b := make([]byte, 0, 256)
	b = append(b, recordVersion)
	b = binary.BigEndian.AppendUint64(b, index)
	return AppendSession(b, s)
}

// DecodeSession reads the value under SessionKey: the session as it was
// created, and the index of the log entry that created it. Use WithAccess to
// add the latest access.
func DecodeSession(value []byte) (session.Session, uint64, error) {
	r, err := open("a session", value)
	if err != nil {
		return session.Session{}, 0, err
	}
	index := r.Uint64()
	s := r.session()
	return s, index, r.Done()
}

// access is the value under AccessKey: when a session was accessed last, and
// the minute under which the expiry index has it.
type access struct {
	at     time.Time
	minute uint64
}

func (a access) record() []byte {
	b := make([]byte, 0, 17)
	b = append(b, recordVersion)
	b = appendTime(b, a.at)
	return binary.BigEndian.AppendUint64(b, a.minute)
}

func decodeAccess(value []byte) (access, error) {
	r, err := open("a latest access", value)
	if err != nil {
		return access{}, err
	}
	a := access{at: r.time(), minute: r.Uint64()}
	return a, r.Done()
}

// WithAccess returns s with the latest access that the value under AccessKey
// tells.
func WithAccess(s session.Session, value []byte) (session.Session, error) {
	a, err := decodeAccess(value)
	if err != nil {
		return s, err
	}
	return s.Touched(a.at), nil
}

// origin is the value under JourneyKey: the session that a journey created.
type origin struct {
	session session.ID
	index   uint64
	minute  uint64 // in the expiry index; 0 while the session lives
}

func (o origin) record() []byte {
	b := make([]byte, 0, 33)
	b = append(b, recordVersion)
	b = append(b, o.session[:]...)
	b = binary.BigEndian.AppendUint64(b, o.index)
	return binary.BigEndian.AppendUint64(b, o.minute)
}

func decodeOrigin(value []byte) (origin, error) {
	r, err := open("a journey's session", value)
	if err != nil {
		return origin{}, err
	}
	o := origin{session: r.ID(), index: r.Uint64(), minute: r.Uint64()}
	return o, r.Done()
}

// AppendIdentity writes an identity in the form that commands and records
// share: JSON, since it gains fields more often than it is written.
func AppendIdentity(b []byte, i identity.Identity) ([]byte, error) {
	text, err := json.Marshal(i)
	if err != nil {
		return b, fmt.Errorf("encode identity %q: %w", i.Name, err)
	}
	return append(b, text...), nil
}

// DecodeIdentity reads the value under IdentityKey.
func DecodeIdentity(value []byte) (identity.Identity, error) {
	r, err := open("an identity", value)
	if err != nil {
		return identity.Identity{}, err
	}
	return decodeIdentity(r.End())
}

func decodeIdentity(text []byte) (identity.Identity, error) {
	var i identity.Identity
	if err := json.Unmarshal(text, &i); err != nil {
		return i, malformed("identity: %v", err)
	}
	return i, nil
}

// DecodeKept reads the value under ChangeKey: what is remembered beside the key.
func DecodeKept(value []byte) ([]byte, error) {
	r, err := open("a change", value)
	if err != nil {
		return nil, err
	}
	kept := r.End()
	if len(kept) > MaxKept {
		return nil, malformed("%d bytes remembered of a change", len(kept))
	}
	return append([]byte(nil), kept...), nil
}

func appendDocument(b []byte, d realm.Document) []byte {
	b = octets.AppendText(b, d.Kind)
	b = octets.AppendText(b, d.Realm)
	b = octets.AppendText(b, d.ID)
	b = octets.AppendText(b, d.Rev)
	return octets.AppendText(b, d.Body)
}

func (r *reader) document() realm.Document {
	d := realm.Document{
		Kind: realm.DocumentKind(r.Text()), Realm: realm.Name(r.Text()), ID: r.Text(), Rev: r.Text(),
	}
	d.Body = append(d.Body, r.Bytes()...)
	if _, err := strconv.ParseUint(d.Rev, 10, 64); err != nil {
		r.Fail("revision %q is no number", d.Rev)
	}
	return d
}

// DecodeDocument reads the value under DocumentKey.
func DecodeDocument(value []byte) (realm.Document, error) {
	r, err := open("a document", value)
	if err != nil {
		return realm.Document{}, err
	}
	d := r.document()
	return d, r.Done()
}

// CheckPair reports whether this release can read a key and its value. A store
// is only restored from pairs that it can.
func CheckPair(p Pair) error {
	if len(p.Key) == 0 {
		return malformed("an empty key")
	}
	var err error
	switch p.Key[0] {
	case tagSession:
		_, _, err = DecodeSession(p.Value)
	case tagAccess:
		_, err = decodeAccess(p.Value)
	case tagJourney:
		_, err = decodeOrigin(p.Value)
	case tagIdentity:
		_, err = DecodeIdentity(p.Value)
	case tagDocument:
		_, err = DecodeDocument(p.Value)
	case tagDenial:
		_, err = DecodeDenial(p.Value)
	case tagUserDenial:
		_, err = decodeUserDenial(p.Value)
	case tagToken:
		_, err = DecodeToken(0, token.ID{}, p.Value)
	case tagUser, tagDue, tagIndex:
		if d, ok := ParseDue(p.Key); ok && d.Kind == DueChange {
			_, err = DecodeKept(p.Value)
			break
		}
		if len(p.Value) != 1 || p.Value[0] != present {
			err = malformed("an index key with a value of %d bytes", len(p.Value))
		}
	default:
		err = malformed("a key of unknown kind %q", p.Key[0])
	}
	return err
}
