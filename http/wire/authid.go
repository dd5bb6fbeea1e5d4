package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"strings"
	"time"

	"sojourn/actors/realm"
)

// SignedAuthID is an authId as it travels: a compact JWS. Whoever holds it can
// go on with the journey, so it prints as [redacted].
type SignedAuthID string

func (SignedAuthID) String() string       { return redacted }
func (SignedAuthID) GoString() string     { return redacted }
func (SignedAuthID) LogValue() slog.Value { return slog.StringValue(redacted) }

// AuthID is what an authId says: which journey and step the next request
// means. Its holder can read it (AM's own pages do), so it holds no secret that
// is not sealed.
type AuthID struct {
	Journey [16]byte
	Step    uint32
	Realm   string
	// IndexType and IndexValue are as the client asked; empty ones are left
	// out.
	IndexType, IndexValue string
	// Issued and Expires count whole seconds on the wire: Issued is rounded
	// down, Expires up.
	Issued, Expires time.Time
	// Trace is opaque here; left out when empty.
	Trace []byte
	// Store says where the journey waits; in the text it is the type in the
	// extensions of sessionId, and one that is not known is read as InMemory. Index is of the CTS store alone, below
	// 2^53 and left out when zero; Sealed of the JWT store, a compact JWT that
	// holds the journey, empty as long as Trace does.
	Store  realm.JourneyStore
	Index  uint64
	Sealed Sealed
	// Allowlist is AM's whitelist-state, new on every step; zero for a journey
	// that is not allowlisted.
	Allowlist [16]byte
}

// Sealed is a journey that its client carries, a compact JWT. Not all
// encryptions of it hide what it says, so it prints as [redacted].
type Sealed string

func (Sealed) String() string       { return redacted }
func (Sealed) GoString() string     { return redacted }
func (Sealed) LogValue() slog.Value { return slog.StringValue(redacted) }

// Limits on an authId, in bytes.
const (
	MaxAuthID       = 8 << 10  // the signed text
	MaxSealedAuthID = 64 << 10 // the same with Sealed
	MaxTrace        = 3 << 10
)

// What can be wrong with an authId.
var (
	// ErrNotJWT: the text is no JWT at all. AM's answer starts with it.
	ErrNotJWT = errors.New("Failed to parse JWT") //nolint:revive,staticcheck // AM's text, sent as it stands
	// ErrSignature: a JWT, but not one that these keys have signed as it is.
	ErrSignature = errors.New("AuthId JWT Signature not valid") //nolint:revive,staticcheck // AM's text, sent as it stands
	// ErrExpired: signed by these keys, but the journey's time is over.
	ErrExpired = errors.New("the authId has expired")
	// ErrAuthIDSize: what should be signed does not fit into MaxAuthID, or with
	// Sealed into MaxSealedAuthID.
	ErrAuthIDSize = errors.New("the authId would be too long")
)

// AuthIDKeys are what authIds are signed with. Rotation: the new key becomes
// Active, the old one moves to Older for as long as a journey may last.
type AuthIDKeys struct {
	// Active signs and verifies; at least MinKey bytes.
	Active []byte
	// Older only verify.
	Older [][]byte
}

// MinKey is the least length of a signing key, in bytes.
const MinKey = 32

var errShortKey = errors.New("a signing key is too short")

// AuthIDs sign and verify authIds with HMAC-SHA256. Setting up a hash costs as
// much as signing an authId, so it is kept and used again: AuthIDs are for one
// goroutine at a time.
type AuthIDs struct {
	active *signer
	older  []*signer
}

// NewAuthIDs refuses a key that is missing or too short.
func NewAuthIDs(k AuthIDKeys) (*AuthIDs, error) {
	if len(k.Active) < MinKey {
		return nil, fmt.Errorf("%w: the active one has %d bytes of %d", errShortKey, len(k.Active), MinKey)
	}
	ids := &AuthIDs{active: newSigner(k.Active)}
	for i, old := range k.Older {
		if len(old) < MinKey {
			return nil, fmt.Errorf("%w: older key %d has %d bytes of %d", errShortKey, i, len(old), MinKey)
		}
		ids.older = append(ids.older, newSigner(old))
	}
	return ids, nil
}

// signer makes signatures of one key.
type signer struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

func newSigner(key []byte) *signer { return &signer{hash: hmac.New(sha256.New, key)} }

// append appends the signature of content, as it travels.
func (s *signer) append(b, content []byte) []byte {
	s.hash.Reset()
	s.hash.Write(content)
	return b64.AppendEncode(b, s.hash.Sum(s.sum[:0]))
}

// header is the one header that an authId has, {"typ":"JWT","alg":"HS256"},
// encoded. A text with any other is not ours, whatever it claims.
const header = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."

//nolint:gochecknoglobals // never changed
var (
	b64 = base64.RawURLEncoding
	// b32 spells AM's otk: 26 characters of 0-9a-v.
	b32 = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
)

// Sign returns the authId that says a, under the active key. Claims stand in
// AM's order; those that AM does not have, step, index and trace, follow
// sessionId. It returns ErrAuthIDSize for claims that do not fit.
func (k *AuthIDs) Sign(a AuthID) (SignedAuthID, error) {
	most := a.most()
	if len(a.Trace) > MaxTrace || len(a.Sealed) > most {
		return "", ErrAuthIDSize
	}
	var space [1024]byte
	claims := a.appendClaims(space[:0])
	size := len(header) + b64.EncodedLen(len(claims)) + 1 + b64.EncodedLen(sha256.Size)
	if size > most {
		return "", ErrAuthIDSize
	}
	out := append(make([]byte, 0, size), header...)
	out = b64.AppendEncode(out, claims)
	content := out
	out = append(out, '.')
	out = k.active.append(out, content)
	return SignedAuthID(out), nil
}

// most is how long the signed text may be.
func (a AuthID) most() int {
	if a.Sealed != "" {
		return MaxSealedAuthID
	}
	return MaxAuthID
}

// Verify reads an authId that must have been signed by one of the keys and not
// be over at now. The algorithm is fixed, nothing is taken from the header. It
// returns ErrNotJWT (wrapped, saying why), ErrSignature or ErrExpired.
func (k *AuthIDs) Verify(text SignedAuthID, now time.Time) (AuthID, error) {
	if len(text) > MaxSealedAuthID {
		return AuthID{}, fmt.Errorf("%w, it is longer than %d bytes", ErrNotJWT, MaxSealedAuthID)
	}
	signed := strings.LastIndexByte(string(text), '.')
	if !strings.HasPrefix(string(text), header) || signed < len(header) ||
		strings.IndexByte(string(text[len(header):signed]), '.') >= 0 {
		return AuthID{}, foreign(string(text))
	}
	raw := []byte(text)
	content, signature := raw[:signed], raw[signed+1:]
	if !k.signed(content, signature) {
		return AuthID{}, ErrSignature
	}
	claims, err := b64.AppendDecode(nil, content[len(header):])
	if err != nil {
		return AuthID{}, fmt.Errorf("%w, its claims are not base64url", ErrNotJWT)
	}
	a, err := decodeClaims(claims)
	if err != nil {
		return AuthID{}, fmt.Errorf("%w, %w", ErrNotJWT, err)
	}
	if len(text) > a.most() {
		return AuthID{}, fmt.Errorf("%w, it is longer than %d bytes", ErrNotJWT, MaxAuthID)
	}
	if !now.Before(a.Expires) {
		return AuthID{}, ErrExpired
	}
	return a, nil
}

// signed compares the signature as text, so that only its one canonical
// spelling is taken.
func (k *AuthIDs) signed(content, signature []byte) bool {
	if k.active.signed(content, signature) {
		return true
	}
	for _, old := range k.older {
		if old.signed(content, signature) {
			return true
		}
	}
	return false
}

func (s *signer) signed(content, signature []byte) bool {
	var space [64]byte
	return hmac.Equal(s.append(space[:0], content), signature)
}

// foreign tells a JWT that is not ours from a text that is no JWT.
func foreign(text string) error {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return fmt.Errorf("%w, it is not of three parts", ErrNotJWT)
	}
	for _, part := range parts[:2] {
		raw, err := b64.DecodeString(part)
		if err != nil {
			return fmt.Errorf("%w, a part is not base64url", ErrNotJWT)
		}
		if err := Members(raw, func(_, _ []byte) error { return nil }); err != nil {
			return fmt.Errorf("%w, a part is not a JSON object", ErrNotJWT)
		}
	}
	return ErrSignature
}
