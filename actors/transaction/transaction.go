// Package transaction is what a user authorises by a journey of its own, such as
// a payment: AM's transactional authorisation, with its back-channel calls
// (am-contract section 1.8).
//
// The package is pure; where transactions are kept is their keeper's business.
package transaction

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Life is how long a transaction can be authorised, and asked about.
const Life = 10 * time.Minute

// Limits of what a transaction may say, in bytes.
const (
	MaxData     = 16 << 10
	maxName     = 255
	maxTracking = 36
)

// State is how far a transaction has come, by AM's word for it.
type State string

// The states. A transaction is in progress from the first journey on that is
// begun for it, and completed once for good.
const (
	Created    State = "CREATED"
	InProgress State = "IN_PROGRESS"
	Completed  State = "COMPLETED"
)

// Result is what came of a transaction, by AM's word for it.
type Result string

// The results.
const (
	Unknown  Result = "UNKNOWN"
	Approved Result = "APPROVED"
	Denied   Result = "DENIED"
)

// Request is what somebody wants authorised.
type Request struct {
	Tree string `json:"tree"`
	// Subject is who is to authorise it; empty: whoever's session the journey
	// runs in.
	Subject string `json:"subject,omitempty"`
	// Session, when set, is the session that the journey has to run in.
	Session session.Handle `json:"session,omitempty"`
	// Data is what the journey is to know: a JSON object, nil for none.
	Data json.RawMessage `json:"data,omitempty"`
	// Retry lets the user try again after a journey that failed.
	Retry bool `json:"retry,omitempty"`
	// TrackingID is the caller's name for it in records.
	TrackingID string `json:"trackingId,omitempty"`
}

// Check says what is wrong with a request; the text is for its sender.
func (r Request) Check() error {
	switch {
	case r.Tree == "" || len(r.Tree) > maxName:
		return errors.New("value: the name of a tree is needed")
	case len(r.Subject) > maxName:
		return errors.New("subject: the name is too long")
	case len(r.Data) > MaxData:
		return fmt.Errorf("data: more than %d bytes", MaxData)
	case len(r.TrackingID) > maxTracking || strings.Trim(r.TrackingID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "":
		return fmt.Errorf("trackingId: up to %d letters, digits, hyphens and underscores", maxTracking)
	}
	if r.Session != "" {
		if _, err := r.Session.ID(); err != nil {
			return errors.New("session: a session's handle is needed")
		}
	}
	if r.Data != nil {
		var object map[string]any
		if json.Unmarshal(r.Data, &object) != nil || object == nil {
			return errors.New("data: an object is needed")
		}
	}
	return nil
}

// Transaction is a request on its way. It is a plain value.
type Transaction struct {
	Version int        `json:"v"`
	Realm   realm.Name `json:"realm"`
	Request Request    `json:"request"`
	State   State      `json:"state"`
	Result  Result     `json:"result"`
	// Properties are the session properties that the journey set.
	Properties map[string]string `json:"properties,omitempty"`
	// By names the attempt that completed it.
	By string `json:"by,omitempty"`
}

const version = 1

// New is a transaction that nobody has looked at yet.
func New(r realm.Name, q Request) Transaction {
	return Transaction{Version: version, Realm: r, Request: q, State: Created, Result: Unknown}
}

// Encode writes a transaction as JSON with a version in it.
func (t Transaction) Encode() ([]byte, error) { return json.Marshal(t) }

// Decode reads what Encode wrote.
func Decode(raw []byte) (Transaction, error) {
	var t Transaction
	if err := json.Unmarshal(raw, &t); err != nil || t.Version != version {
		return Transaction{}, errors.New("not a transaction of a known version")
	}
	return t, nil
}

// What can be wrong with an attempt to authorise a transaction.
var (
	// ErrUnknown: there is no such transaction in the realm, or it is over.
	ErrUnknown = errors.New("the transaction is not known, or is over")
	// ErrSession: it is for another session or another user.
	ErrSession = errors.New("the transaction is for another session")
)

// Begin is the transaction with a journey begun for it by somebody with a
// session, nil for none.
func (t Transaction) Begin(r realm.Name, x *session.Session) (Transaction, error) {
	switch {
	case t.Realm != r || t.State == Completed:
		return t, ErrUnknown
	case !t.in(x),
		t.Request.Subject != "" && x != nil && !strings.EqualFold(x.Principal.Username, t.Request.Subject):
		return t, ErrSession
	}
	t.State = InProgress
	return t, nil
}

// in reports whether somebody's session is the one that the transaction is tied to,
// if it is. A session that its holder keeps has a handle that says more than the
// ID, so that the IDs are compared.
func (t Transaction) in(x *session.Session) bool {
	if t.Request.Session == "" {
		return true
	}
	id, err := t.Request.Session.ID()
	return err == nil && x != nil && x.ID == id
}

// User is whose success authorises the transaction in a journey of somebody with
// this session; empty for anybody's.
func (t Transaction) User(x *session.Session) string {
	if x != nil {
		return x.Principal.Username
	}
	return t.Request.Subject
}

// Settle is the transaction after the end of a journey; by names the attempt,
// the same when it is made again. ok is false when another attempt has completed
// the transaction, and so nothing has changed. One that failed leaves it open if
// its user may try again.
func (t Transaction) Settle(approved bool, properties map[string]string, by string) (_ Transaction, ok bool) {
	switch {
	case t.State == Completed:
		return t, t.By == by && approved == (t.Result == Approved)
	case approved:
		t.State, t.Result, t.Properties, t.By = Completed, Approved, properties, by
	case !t.Request.Retry:
		t.State, t.Result, t.By = Completed, Denied, by
	}
	return t, true
}

// ID names a transaction for its user: a random UUID.
type ID [16]byte

// NewID draws an ID.
func NewID(random io.Reader) (ID, error) {
	var id ID
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return id, fmt.Errorf("draw the id of a transaction: %w", err)
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}

// Key is what the transaction is kept under: who reads the store cannot make the
// id of it.
func (id ID) Key() [16]byte {
	sum := sha256.Sum256(append([]byte("sojourn transaction\x00"), id[:]...))
	return [16]byte(sum[:16])
}

func (id ID) String() string {
	text := hex.EncodeToString(id[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// ParseID reads what String wrote.
func ParseID(text string) (ID, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != len(ID{}) || ID(raw).String() != text {
		return ID{}, ErrUnknown
	}
	return ID(raw), nil
}
