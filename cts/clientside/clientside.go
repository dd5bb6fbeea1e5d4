package clientside

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sojourn/actors/realm"
)

// Purpose is what a token is for. Each has keys of its own.
type Purpose byte

// The purposes.
const (
	Session          Purpose = iota + 1 // an authenticated session
	Journey                             // a journey between two requests
	PersistentCookie                    // who may log in again without a password
)

// String is the purpose's name, as it stands in kids.
func (p Purpose) String() string {
	switch p {
	case Session:
		return "session"
	case Journey:
		return "journey"
	case PersistentCookie:
		return "cookie"
	}
	return fmt.Sprintf("Purpose(%d)", byte(p))
}

// Purposes lists them all.
func Purposes() []Purpose { return []Purpose{Session, Journey, PersistentCookie} }

// Content is what a token says.
type Content struct {
	// ID is the claim jti, Subject sub and Realm iss.
	ID             [16]byte
	Subject, Realm string
	// Issued and Expires count whole seconds in a token: Issued is rounded down,
	// Expires up.
	Issued, Expires time.Time
	// Body is opaque. That of a Session is a JSON object (empty for none, and
	// when opened) whose members stand beside the claims above and must be named
	// otherwise.
	Body []byte
}

// Limits, in bytes.
const (
	// MaxText bounds a token.
	MaxText = 24 << 10
	// MaxClaims bounds what a token says, unpacked (AM's limit).
	MaxClaims = 32 << 10
)

// What can be wrong with a token.
var (
	// ErrToken says that a text is no token of this cluster for this purpose:
	// malformed, forged, made under a key that is gone. Nothing more is said.
	ErrToken = errors.New("not a token of this cluster")
	// ErrSize says that what should be sealed is more than MaxClaims or would be
	// more than MaxText.
	ErrSize = errors.New("the token would be too long")
)

// NewerKeyError is of a text whose kid is newer than all keys of its purpose
// here. If it is no forgery, this member has yet to learn of the key: it cannot
// judge the token.
type NewerKeyError struct{ Purpose Purpose }

func (e *NewerKeyError) Error() string {
	return fmt.Sprintf("a %s token under a key that is not known yet", e.Purpose)
}

// MissingKeyError says that there is no key to seal with. An algorithm with a
// private key has one only once somebody has made it.
type MissingKeyError struct {
	Purpose   Purpose
	Algorithm Algorithm
}

func (e *MissingKeyError) Error() string {
	return fmt.Sprintf("no key for %s tokens with %s", e.Purpose, e.Algorithm)
}

// What Check refuses.
var (
	errUnprotected = errors.New("client-side tokens must be signed or encrypted: " +
		"with statelessSigningType NONE set statelessEncryptionType to DIRECT or AES_KEYWRAP")
	errAnybody = errors.New("client-side tokens that are encrypted with RSA must be signed: " +
		"whoever has the public key could make one, so set statelessSigningType")
	errSigning    = errors.New("statelessSigningType must be one of NONE, HS256, HS384, HS512, RS256, ES256, ES384, ES512")
	errEncryption = errors.New("statelessEncryptionType must be one of NONE, DIRECT, AES_KEYWRAP, RSA")
)

// Check tells what is wrong with a realm's settings of client-side tokens, in
// words for whoever sets them.
func Check(how realm.ClientSide) error {
	_, signs := signatures()[how.Signing]
	_, encrypts := encryptions()[how.Encryption]
	signed, encrypted := how.Signing != realm.SigningNone, how.Encryption != realm.EncryptionNone
	switch {
	case signed && !signs:
		return errSigning
	case encrypted && !encrypts:
		return errEncryption
	case !signed && !encrypted:
		return errUnprotected
	case !signed && how.Encryption == realm.RSAEncryption:
		return errAnybody
	}
	return nil
}

// Codec seals and opens tokens. It is safe for concurrent use as far as its
// source of randomness is.
type Codec struct {
	keys   func() *Keys
	random io.Reader
}

// New makes a codec of the keys that keys returns; it is called for each token,
// so that a key can come and go.
func New(keys func() *Keys, random io.Reader) *Codec { return &Codec{keys, random} }

// Seal makes a token. Settings that Check refuses are refused here too.
//
// A journey or a persistent cookie is always encrypted, with DIRECT where how
// says NONE: they hold what their holder must not read, such as the one-time
// password that a journey waits for.
//
// The error is a *MissingKeyError when a key has to be made first, and ErrSize
// for a content that is too long.
func (c *Codec) Seal(p Purpose, how realm.ClientSide, content Content) (string, error) {
	if err := Check(how); err != nil {
		return "", err
	}
	if p != Session && how.Encryption == realm.EncryptionNone {
		how.Encryption = realm.Direct
	}
	signing, encryption, err := c.keys().active(p, how)
	if err != nil {
		return "", err
	}
	claims, err := appendClaims(p, content)
	if err != nil {
		return "", err
	}
	if how.Compression {
		claims = pack(claims)
	}
	text := claims
	if encryption != nil {
		if text, err = encryption.seal(how.Compression, claims, c.random); err != nil {
			return "", fmt.Errorf("encrypt a %s token: %w", p, err)
		}
	}
	if signing != nil {
		layer := nested
		if encryption == nil {
			layer = plain(how.Compression)
		}
		if text, err = signing.sign(layer, text); err != nil {
			return "", fmt.Errorf("sign a %s token: %w", p, err)
		}
	}
	if len(text) > MaxText {
		return "", ErrSize
	}
	return string(text), nil
}

// Open reads a token that was sealed for the same purpose, whatever it was
// sealed with. Whether it has expired is the caller's to judge. The error is
// ErrToken, or a *NewerKeyError.
func (c *Codec) Open(p Purpose, text string) (Content, error) {
	if len(text) > MaxText {
		return Content{}, ErrToken
	}
	claims, packed, err := c.keys().open(p, text)
	if err != nil {
		return Content{}, err
	}
	if packed {
		if claims, err = unpack(claims); err != nil {
			return Content{}, ErrToken
		}
	}
	return readClaims(p, claims)
}
