package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// SignedAuthID is an authId as it travels: a compact JWS. Whoever holds it can
// go on with the journey, so it prints as [redacted].
type SignedAuthID string

func (SignedAuthID) String() string       { return redacted }
func (SignedAuthID) GoString() string     { return redacted }
func (SignedAuthID) LogValue() slog.Value { return slog.StringValue(redacted) }

// AuthID is what an authId says: which journey and step the next request
// means. Its holder can read it (AM's own pages do), so it holds no secret.
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
}

// Limits on an authId, in bytes.
const (
	MaxAuthID = 8 << 10 // the signed text
	MaxTrace  = 3 << 10
)

// What can be wrong with an authId.
var (
	// ErrNotJWT: the text is no JWT at all. AM's answer starts with it.
	ErrNotJWT = errors.New("Failed to parse JWT") //nolint:revive,staticcheck // AM's text, sent as it stands
	// ErrSignature: a JWT, but not one that these keys have signed as it is.
	ErrSignature = errors.New("AuthId JWT Signature not valid") //nolint:revive,staticcheck // AM's text, sent as it stands
	// ErrExpired: signed by these keys, but the journey's time is over.
	ErrExpired = errors.New("the authId has expired")
	// ErrAuthIDSize: what should be signed does not fit into MaxAuthID.
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

// The sessionId claim is the journey's id in hex, then what AM's grammar wants
// behind it (am-contract section 2.2): the extensions SI "01", SK "", type
// "IN_MEMORY_AUTH" and S1 "01" in c66 encoding, between stars.
const sessionTail = "*AAJTSQACMDEAAlNLAAAABHR5cGUADklOX01FTU9SWV9BVVRIAAJTMQACMDE.*"

//nolint:gochecknoglobals // never changed
var (
	b64 = base64.RawURLEncoding
	// b32 spells AM's otk: 26 characters of 0-9a-v.
	b32 = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
)

// Sign returns the authId that says a, under the active key. Claims stand in
// AM's order; two that AM does not have, step and trace, follow sessionId. It
// returns ErrAuthIDSize for claims that do not fit.
func (k *AuthIDs) Sign(a AuthID) (SignedAuthID, error) {
	if len(a.Trace) > MaxTrace {
		return "", ErrAuthIDSize
	}
	var space [1024]byte
	claims := a.appendClaims(space[:0])
	size := len(header) + b64.EncodedLen(len(claims)) + 1 + b64.EncodedLen(sha256.Size)
	if size > MaxAuthID {
		return "", ErrAuthIDSize
	}
	out := append(make([]byte, 0, size), header...)
	out = b64.AppendEncode(out, claims)
	content := out
	out = append(out, '.')
	out = k.active.append(out, content)
	return SignedAuthID(out), nil
}

func (a AuthID) appendClaims(b []byte) []byte {
	b = append(b, '{')
	if a.IndexValue != "" {
		b = append(b, `"authIndexValue":`...)
		b = AppendString(b, a.IndexValue)
		b = append(b, ',')
	}
	b = append(b, `"otk":"`...)
	otk := a.otk()
	b = b32.AppendEncode(b, otk[:])
	b = append(b, '"')
	if a.IndexType != "" {
		b = append(b, `,"authIndexType":`...)
		b = AppendString(b, a.IndexType)
	}
	b = append(b, `,"realm":`...)
	b = AppendString(b, a.Realm)
	b = append(b, `,"sessionId":"`...)
	b = hex.AppendEncode(b, a.Journey[:])
	b = append(b, sessionTail...)
	b = append(b, `","step":`...)
	b = strconv.AppendUint(b, uint64(a.Step), 10)
	if len(a.Trace) > 0 {
		b = append(b, `,"trace":"`...)
		b = b64.AppendEncode(b, a.Trace)
		b = append(b, '"')
	}
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, roundUp(a.Expires), 10)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, a.Issued.Unix(), 10)
	return append(b, '}')
}

// otk is AM's one-time value: another one for each journey and step. It needs
// no randomness of its own, as the signature is what protects an authId.
func (a AuthID) otk() [16]byte {
	otk := a.Journey
	for i := range 4 {
		otk[12+i] ^= byte(a.Step >> (8 * i)) //nolint:gosec // one byte is meant
	}
	return otk
}

func roundUp(t time.Time) int64 {
	seconds := t.Unix()
	if t.Nanosecond() > 0 {
		seconds++
	}
	return seconds
}

// Verify reads an authId that must have been signed by one of the keys and not
// be over at now. The algorithm is fixed, nothing is taken from the header. It
// returns ErrNotJWT (wrapped, saying why), ErrSignature or ErrExpired.
func (k *AuthIDs) Verify(text SignedAuthID, now time.Time) (AuthID, error) {
	if len(text) > MaxAuthID {
		return AuthID{}, fmt.Errorf("%w, it is longer than %d bytes", ErrNotJWT, MaxAuthID)
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

var errClaims = errors.New("its claims are not those of an authId")

func decodeClaims(claims []byte) (AuthID, error) {
	var a AuthID
	var journey, exp, iat bool
	s := scanner{data: claims}
	err := s.object(func(name []byte) error {
		var err error
		switch string(name) {
		case "authIndexValue":
			a.IndexValue, err = s.text()
		case "authIndexType":
			a.IndexType, err = s.text()
		case "realm":
			a.Realm, err = s.text()
		case "sessionId":
			journey = true
			a.Journey, err = s.journey()
		case "step":
			var n int64
			n, err = s.natural()
			a.Step = uint32(n) //nolint:gosec // checked below
			if int64(a.Step) != n {
				err = errClaims
			}
		case "trace":
			a.Trace, err = s.trace()
		case "exp":
			exp = true
			a.Expires, err = s.time()
		case "iat":
			iat = true
			a.Issued, err = s.time()
		default:
			err = s.skip()
		}
		return err
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && (!journey || !exp || !iat) {
		err = errClaims
	}
	return a, err
}

func (s *scanner) journey() (id [16]byte, err error) {
	text, err := s.textBytes()
	if err != nil {
		return id, err
	}
	hexed, _, ok := bytes.Cut(text, []byte("*"))
	if !ok || len(hexed) != hex.EncodedLen(len(id)) {
		return id, errClaims
	}
	if _, err := hex.Decode(id[:], hexed); err != nil {
		return id, errClaims
	}
	return id, nil
}

func (s *scanner) trace() ([]byte, error) {
	text, err := s.textBytes()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, b64.DecodedLen(len(text)))
	n, err := b64.Decode(raw, text)
	if err != nil || n > MaxTrace {
		return nil, errClaims
	}
	return raw[:n], nil
}

func (s *scanner) time() (time.Time, error) {
	seconds, err := s.natural()
	return time.Unix(seconds, 0).UTC(), err
}

// natural reads a number that is whole and not negative, below 2^53.
func (s *scanner) natural() (int64, error) {
	s.peek()
	f, err := s.number()
	if err == nil && (f < 0 || f >= 1<<53 || f != float64(int64(f))) {
		err = errClaims
	}
	return int64(f), err
}
