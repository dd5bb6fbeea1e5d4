package node

import (
	"log/slog"
	"time"

	"sojourn/actors/identity"
	"sojourn/actors/realm"
)

// Effect is something that a node wants done outside its journey. A closed
// set: the shell switches over all of them. Each has one kind of Result.
type Effect interface{ effect() }

// Result is an effect's answer. An effect that failed (a store that is
// unavailable, a full queue) never comes back as a Result, but for an Optional
// Update: the request is refused as unavailable and the journey stays where it
// was.
type Result interface{ result() }

// Authenticate checks a password; its Result is Authenticated. Lockout is the
// realm's: under it the check waits for its turn among those for the same user,
// and a locked account is Locked without a check.
type Authenticate struct {
	User     string
	Password identity.Secret
	Lockout  realm.Lockout
}

// Authenticated answers Authenticate. Identity and UniversalID are set unless
// the verdict is Unknown.
type Authenticated struct {
	Verdict     identity.Verdict
	Identity    identity.Identity
	UniversalID string
}

// Lookup finds a user by name, or by an attribute when one is given; its
// Result is Found.
type Lookup struct {
	User             string
	Attribute, Value string
}

// Found answers Lookup and Update. OK is false when no user, or more than one,
// matched, and when an Optional update was not made.
type Found struct {
	OK          bool
	Identity    identity.Identity
	UniversalID string
}

// Update changes a user; its Result is Found with what is stored then.
type Update struct {
	User   string
	Change identity.Change
	// Optional says that the journey goes on without the change: a store that
	// is unavailable or read only is logged, and the Result is Found, not OK.
	Optional bool
}

// ChangePassword replaces a password on behalf of its owner: the store checks
// the old one, though it may have expired, and hashes and stores the new one.
// Its Result is PasswordChanged.
type ChangePassword struct {
	User     string
	Old, New identity.Secret
	Lockout  realm.Lockout // as in Authenticate
}

// PasswordChanged answers ChangePassword. Only Match means that the new
// password is stored: Mismatch and Unknown are a wrong old one, Locked an
// account that takes none, Expired one that its owner may not renew any more.
// Refused is a right old password whose successor the store does not accept.
// Identity and UniversalID are set with Match.
type PasswordChanged struct {
	Verdict     identity.Verdict
	Refused     bool
	Identity    identity.Identity
	UniversalID string
}

// MeasureKind tells a meter from a timer.
type MeasureKind int

// Kinds of Measure.
const (
	Meter MeasureKind = iota // one more event
	Timer                    // one duration
)

// Measure records a metric under an operator's key; its Result is Measured.
type Measure struct {
	Kind  MeasureKind
	Key   string
	Value time.Duration // Timer only
}

// Measured answers Measure.
type Measured struct{}

// SealedText is the text of a persistent cookie: who has it is let in. It
// prints as [redacted].
type SealedText string

func (SealedText) String() string       { return "[redacted]" }
func (SealedText) GoString() string     { return "[redacted]" }
func (SealedText) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// OpenCookie reads a persistent cookie; its Result is CookieOpened.
type OpenCookie struct{ Text SealedText }

// CookieOpened answers OpenCookie. OK is false for what is no persistent cookie
// of this cluster; whether the cookie is good is the node's to judge.
type CookieOpened struct {
	OK     bool
	Cookie PersistentCookie
}

// SealCookie makes a persistent cookie; its Result is CookieSealed. Its text is
// another each time it is made.
type SealCookie struct {
	ID     [16]byte // random
	Cookie PersistentCookie
}

// CookieSealed answers SealCookie.
type CookieSealed struct{ Text SealedText }

// SendMail has a mail made of a template of the realm and sent; its Result is
// MailSent. It is not waited for that the mail arrives.
type SendMail struct {
	To       string
	Template string
	// Locales are the reader's languages, best first. Values are what the
	// template calls "object".
	Locales []string
	Values  map[string]any
}

// MailSent answers SendMail. OK is false for an address that is none. Fault
// says why no mail at all can be sent so, for the operator.
type MailSent struct {
	OK    bool
	Fault string
}

func (SendMail) effect() {}
func (MailSent) result() {}

// Settle says what came of the transaction that a journey is to authorise; its
// Result is Settled.
type Settle struct {
	Transaction [16]byte // the key that it is kept under
	Approved    bool
	// Properties are those that the journey set for a session.
	Properties map[string]string
}

// Settled answers Settle. OK is false when the transaction was over before.
type Settled struct{ OK bool }

func (Settle) effect()  {}
func (Settled) result() {}

func (OpenCookie) effect()   {}
func (SealCookie) effect()   {}
func (CookieOpened) result() {}
func (CookieSealed) result() {}

func (Authenticate) effect()   {}
func (ChangePassword) effect() {}
func (Lookup) effect()         {}
func (Update) effect()         {}
func (Measure) effect()        {}

func (Authenticated) result()   {}
func (PasswordChanged) result() {}
func (Found) result()           {}
func (Measured) result()        {}
