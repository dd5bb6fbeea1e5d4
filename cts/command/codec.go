package command

import (
	"encoding/binary"
	"errors"
	"fmt"

	"sojourn/actors/realm"
	"sojourn/cts/internal/octets"
	"sojourn/cts/session"
)

const (
	entryVersion   = 1
	commandVersion = 1
	// reasonVersion is that of a DeleteSessions for another reason than a logout.
	reasonVersion = 2
	// entryHeader is what an entry has before its first command.
	entryHeader = 1 + 8
)

// Entry is what one log entry carries.
type Entry struct {
	// Term in which the commands were decided. What a leader read to decide
	// them can only be relied on while it leads: in the log of another term the
	// whole entry changes nothing.
	Term uint64
	// Commands as Append wrote them.
	Commands [][]byte
}

// ErrTooLarge says that a value is larger than the store takes.
var ErrTooLarge = errors.New("larger than the store takes")

// TooLarge is an ErrTooLarge that says what it is that has too many bytes.
func TooLarge(what string, size, most int) error {
	return fmt.Errorf("%s of %d bytes is %w: at most %d", what, size, ErrTooLarge, most)
}

// Append writes a command, or fails with ErrTooLarge.
func Append(b []byte, c Command) ([]byte, error) {
	start := len(b)
	b = append(b, byte(c.op()), versionOf(c))
	b, err := c.appendPayload(b)
	if err != nil {
		return b[:start], err
	}
	if n := len(b) - start; n > MaxCommand {
		return b[:start], TooLarge("a command", n, MaxCommand)
	}
	return b, nil
}

func versionOf(c Command) byte {
	if d, ok := c.(DeleteSessions); ok && d.reasoned() {
		return reasonVersion
	}
	return commandVersion
}

// AppendEntry writes an entry.
func AppendEntry(b []byte, e Entry) []byte {
	b = append(b, entryVersion)
	b = binary.BigEndian.AppendUint64(b, e.Term)
	for _, c := range e.Commands {
		b = octets.AppendText(b, c)
	}
	return b
}

// DecodeEntry reads an entry. Its commands are parts of data.
func DecodeEntry(data []byte) (Entry, error) {
	if len(data) < entryHeader {
		return Entry{}, malformed("log entry of %d bytes", len(data))
	}
	if data[0] != entryVersion {
		return Entry{}, &VersionError{What: "a log entry", Version: data[0]}
	}
	e := Entry{Term: binary.BigEndian.Uint64(data[1:])}
	r := on(data[entryHeader:])
	for r.Left() > 0 {
		e.Commands = append(e.Commands, r.Bytes())
	}
	return e, r.Done()
}

// Decode reads a command. It keeps no reference to data, except in
// RestoreChunk.
func Decode(data []byte) (Command, error) {
	r := on(data)
	op, version := Op(r.Byte()), r.Byte()
	if r.Err() != nil {
		return nil, r.Err()
	}
	if version != commandVersion && (op != OpDeleteSessions || version != reasonVersion) {
		return nil, &VersionError{What: fmt.Sprintf("command %d", op), Version: version}
	}
	c := r.command(op, version)
	if c == nil && r.Err() == nil {
		return nil, &VersionError{What: fmt.Sprintf("command %d, unknown here,", op), Version: version}
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("command %d: %w", op, err)
	}
	return c, nil
}

func (r *reader) command(op Op, version byte) Command {
	switch op {
	case OpNoop:
		return Noop{}
	case OpClusterID:
		return ClusterID{ID: r.ID()}
	case OpPutSession:
		return r.putSession()
	case OpCreateSession:
		return r.createSession()
	case OpDeleteSessions:
		c := DeleteSessions{Reason: session.Logout}
		if version == reasonVersion {
			if c.Reason = r.reason(); !c.reasoned() {
				r.Fail("a logout of version %d", version)
			}
		}
		c.At = r.time()
		for range r.Count(MaxDelete, 16) {
			c.IDs = append(c.IDs, r.ID())
		}
		return c
	case OpTouch:
		var c Touch
		for range r.Count(MaxTouches, 24) {
			c.Accesses = append(c.Accesses, Access{ID: r.ID(), At: r.time()})
		}
		return c
	case OpExpire:
		c := Expire{At: r.time()}
		for range r.Count(MaxExpire, 25) {
			c.Dues = append(c.Dues, Due{Minute: r.Uint64(), Kind: DueKind(r.Byte()), ID: r.ID()})
		}
		return c
	case OpPutToken:
		return r.putToken()
	case OpDeny:
		return r.deny()
	case OpDenyUser:
		return r.denyUser()
	case OpSetProperties:
		return SetProperties{ID: r.ID(), Properties: r.strings()}
	case OpPutIdentity:
		return r.putIdentity()
	case OpChangeIdentity:
		return r.changeIdentity()
	case OpDeleteIdentity:
		return DeleteIdentity{Realm: realm.Name(r.Text()), Name: r.Text()}
	case OpPutDocument:
		return PutDocument{Document: r.document()}
	case OpDeleteDocument:
		return DeleteDocument{Kind: realm.DocumentKind(r.Text()), Realm: realm.Name(r.Text()), ID: r.Text()}
	case OpWipe:
		return Wipe{Restore: r.ID()}
	case OpRestoreChunk:
		return r.restoreChunk()
	case OpRestoreDone:
		return RestoreDone{Restore: r.ID(), Totals: Totals{Count: r.Uint64(), Sum: r.Uint64()}}
	default:
		return nil
	}
}

func (r *reader) putSession() PutSession {
	var c PutSession
	if r.Bool() {
		id := session.ID(r.ID())
		c.Replaces = &id
	}
	c.Session = r.session()
	return c
}

func (r *reader) createSession() CreateSession {
	var c CreateSession
	for range r.Count(MaxDelete, 17) {
		c.Ends = append(c.Ends, End{ID: r.ID(), Reason: r.reason()})
	}
	c.Put = r.putSession()
	return c
}

func appendReason(b []byte, reason session.Reason) ([]byte, error) {
	if reason.String() == "" {
		return b, malformed("no reason %d", reason)
	}
	return append(b, byte(reason)), nil
}

func (r *reader) reason() session.Reason {
	reason := session.Reason(r.Byte())
	if reason.String() == "" {
		r.Fail("no reason %d", reason)
	}
	return reason
}

func (r *reader) putIdentity() Command {
	if r.Err() != nil {
		return nil
	}
	i, err := decodeIdentity(r.End())
	if err != nil {
		r.Abort(err)
	}
	return PutIdentity{Identity: i}
}

func (r *reader) changeIdentity() Command {
	c := ChangeIdentity{Key: r.ID(), Minute: r.Uint64()}
	if kept := r.Bytes(); len(kept) > MaxKept {
		r.Fail("%d bytes to remember of a change, at most %d", len(kept), MaxKept)
	} else if len(kept) > 0 {
		c.Kept = append(c.Kept, kept...)
	}
	if put, ok := r.putIdentity().(PutIdentity); ok {
		c.Identity = put.Identity
	}
	return c
}

func (r *reader) restoreChunk() Command {
	c := RestoreChunk{Restore: r.ID()}
	for range r.Count(MaxCommand, 2) {
		p := Pair{Key: r.Bytes(), Value: r.Bytes()}
		if len(p.Key) == 0 || Own(p.Key) {
			r.Fail("a restored key is empty or the store's own")
		}
		c.Pairs = append(c.Pairs, p)
	}
	return c
}

func (Noop) appendPayload(b []byte) ([]byte, error) { return b, nil }

func (c ClusterID) appendPayload(b []byte) ([]byte, error) { return append(b, c.ID[:]...), nil }

func (c PutSession) appendPayload(b []byte) ([]byte, error) {
	b = octets.AppendBool(b, c.Replaces != nil)
	if c.Replaces != nil {
		b = append(b, c.Replaces[:]...)
	}
	start := len(b)
	b = AppendSession(b, c.Session)
	if n := len(b) - start; n > MaxRecord {
		return b, TooLarge("a session", n, MaxRecord)
	}
	return b, nil
}

func (c CreateSession) appendPayload(b []byte) ([]byte, error) {
	if len(c.Ends) > MaxDelete {
		return b, fmt.Errorf("%d sessions to end at once, at most %d", len(c.Ends), MaxDelete)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Ends)))
	for _, e := range c.Ends {
		var err error
		if b, err = appendReason(append(b, e.ID[:]...), e.Reason); err != nil {
			return b, err
		}
	}
	return c.Put.appendPayload(b)
}

// reasoned reports whether the reason must be written down.
func (c DeleteSessions) reasoned() bool { return c.Reason != 0 && c.Reason != session.Logout }

func (c DeleteSessions) appendPayload(b []byte) ([]byte, error) {
	if len(c.IDs) > MaxDelete {
		return b, fmt.Errorf("%d sessions to delete at once, at most %d", len(c.IDs), MaxDelete)
	}
	if c.reasoned() {
		var err error
		if b, err = appendReason(b, c.Reason); err != nil {
			return b, err
		}
	}
	b = appendTime(b, c.At)
	b = binary.AppendUvarint(b, uint64(len(c.IDs)))
	for _, id := range c.IDs {
		b = append(b, id[:]...)
	}
	return b, nil
}

func (c Touch) appendPayload(b []byte) ([]byte, error) {
	if len(c.Accesses) > MaxTouches {
		return b, fmt.Errorf("%d accesses at once, at most %d", len(c.Accesses), MaxTouches)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Accesses)))
	for _, a := range c.Accesses {
		b = append(b, a.ID[:]...)
		b = appendTime(b, a.At)
	}
	return b, nil
}

func (c Expire) appendPayload(b []byte) ([]byte, error) {
	if len(c.Dues) > MaxExpire {
		return b, fmt.Errorf("%d expiry entries at once, at most %d", len(c.Dues), MaxExpire)
	}
	b = appendTime(b, c.At)
	b = binary.AppendUvarint(b, uint64(len(c.Dues)))
	for _, d := range c.Dues {
		b = binary.BigEndian.AppendUint64(b, d.Minute)
		b = append(b, byte(d.Kind))
		b = append(b, d.ID[:]...)
	}
	return b, nil
}

func (c SetProperties) appendPayload(b []byte) ([]byte, error) {
	b = append(b, c.ID[:]...)
	start := len(b)
	b = appendMap(b, c.Properties)
	if n := len(b) - start; n > MaxRecord {
		return b, TooLarge("a list of properties", n, MaxRecord)
	}
	return b, nil
}

func (c PutIdentity) appendPayload(b []byte) ([]byte, error) {
	start := len(b)
	b, err := AppendIdentity(b, c.Identity)
	if n := len(b) - start; err == nil && n > MaxRecord {
		err = TooLarge("an identity", n, MaxRecord)
	}
	return b, err
}

func (c ChangeIdentity) appendPayload(b []byte) ([]byte, error) {
	if n := len(c.Kept); n > MaxKept {
		return b, TooLarge("what is remembered of a change", n, MaxKept)
	}
	b = append(b, c.Key[:]...)
	b = binary.BigEndian.AppendUint64(b, c.Minute)
	b = octets.AppendText(b, c.Kept)
	return PutIdentity{Identity: c.Identity}.appendPayload(b)
}

func (c DeleteIdentity) appendPayload(b []byte) ([]byte, error) {
	b = octets.AppendText(b, c.Realm)
	return octets.AppendText(b, c.Name), nil
}

func (c PutDocument) appendPayload(b []byte) ([]byte, error) {
	if n := len(c.Document.Body); n > realm.MaxDocument {
		return b, TooLarge("a document", n, realm.MaxDocument)
	}
	return appendDocument(b, c.Document), nil
}

func (c DeleteDocument) appendPayload(b []byte) ([]byte, error) {
	b = octets.AppendText(b, c.Kind)
	b = octets.AppendText(b, c.Realm)
	return octets.AppendText(b, c.ID), nil
}

func (c Wipe) appendPayload(b []byte) ([]byte, error) { return append(b, c.Restore[:]...), nil }

func (c RestoreChunk) appendPayload(b []byte) ([]byte, error) {
	b = append(b, c.Restore[:]...)
	b = binary.AppendUvarint(b, uint64(len(c.Pairs)))
	for _, p := range c.Pairs {
		b = octets.AppendText(b, p.Key)
		b = octets.AppendText(b, p.Value)
	}
	return b, nil
}

func (c RestoreDone) appendPayload(b []byte) ([]byte, error) {
	b = append(b, c.Restore[:]...)
	b = binary.BigEndian.AppendUint64(b, c.Totals.Count)
	return binary.BigEndian.AppendUint64(b, c.Totals.Sum), nil
}
