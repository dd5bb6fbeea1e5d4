// Package secret holds the cluster secret and makes every other key from it.
//
// An operator carries one secret: 32 random bytes or more, written in base64,
// the same for all members. Each purpose gets a key of its own by HKDF-SHA256
// (RFC 5869) with the purpose's label, so that no key tells anything about
// another. The package is pure: bytes and randomness come in from the caller.
package secret

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
)

// Size is the length of a new secret and of every derived key; a secret may be
// up to MaxSize. Bytes.
const (
	Size    = 32
	MaxSize = 1024
)

// What Parse refuses, and CheckMode.
var (
	ErrEmpty    = errors.New("secret is empty")
	ErrEncoding = errors.New("secret is not base64")
	ErrShort    = fmt.Errorf("secret is shorter than %d bytes", Size)
	ErrLong     = fmt.Errorf("secret is longer than %d bytes", MaxSize)
	ErrWeak     = errors.New("secret is not random")
	ErrMode     = errors.New("secret file is readable by others")
)

// Secret is the cluster secret. It prints as [redacted]. The zero value is not
// a secret: deriving from it panics.
type Secret struct{ root []byte }

// Generate makes a new secret of Size bytes from random and returns it in the
// form that Parse reads.
func Generate(random io.Reader) (string, error) {
	raw := make([]byte, Size)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// Parse reads a secret as it stands in a file or a variable: base64, standard
// or URL alphabet, padded or not, with white space around it. It refuses what
// is empty, short, or plainly not random. The errors carry nothing of the text.
func Parse(text []byte) (Secret, error) {
	raw, err := ParseKey(text)
	if err != nil {
		return Secret{}, err
	}
	root, err := hkdf.Extract(sha256.New, raw, []byte("sojourn cluster secret"))
	if err != nil {
		return Secret{}, fmt.Errorf("extract: %w", err)
	}
	return Secret{root}, nil
}

// ParseKey reads a key file that takes the place of a derived key. The form and
// the demands are those of Parse; the bytes are returned as they are.
func ParseKey(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil, ErrEmpty
	}
	if len(text) > 2*MaxSize {
		return nil, ErrLong
	}
	text = bytes.TrimRight(text, "=")
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	raw := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Strict().Decode(raw, text)
	raw = raw[:n]
	switch {
	case err != nil:
		return nil, ErrEncoding
	case n < Size:
		return nil, ErrShort
	case n > MaxSize:
		return nil, ErrLong
	case weak(raw):
		return nil, ErrWeak
	}
	return raw, nil
}

// weak recognises what people type or copy instead of drawing it at random:
// text, a repeated byte or pattern, an ascending row. A random secret is taken
// for one of them with a chance below 2^-40.
func weak(raw []byte) bool {
	var seen [256]bool
	distinct, printable := 0, 0
	for _, b := range raw {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
		if b >= ' ' && b < 0x7f {
			printable++
		}
	}
	if distinct < Size/2 || printable == len(raw) {
		return true
	}
	steady := 0 // neighbours that differ by the same step as the pair before
	for i := 2; i < len(raw); i++ {
		if raw[i]-raw[i-1] == raw[i-1]-raw[i-2] {
			steady++
		}
	}
	return steady > len(raw)/2
}

// CheckMode refuses a secret's file that group or others may read.
func CheckMode(mode fs.FileMode) error {
	if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("%w (mode %#o): chmod 600 it", ErrMode, mode.Perm())
	}
	return nil
}

// Purpose says what a derived key is for.
type Purpose string

// The purposes. A label that changes makes everything worthless that its key
// protects, so they never do; a new purpose gets a new label.
const (
	AuthID       Purpose = "sojourn/1/authid-signing"
	TokenSecret  Purpose = "sojourn/1/token-secret"
	TokenMark    Purpose = "sojourn/1/token-mark"
	Handle       Purpose = "sojourn/1/session-handle"
	AnswerDigest Purpose = "sojourn/1/answer-digest"
	Operator     Purpose = "sojourn/1/operator-token"
	AtRest       Purpose = "sojourn/1/at-rest"
	Backup       Purpose = "sojourn/1/backup"
	Gossip       Purpose = "sojourn/1/gossip"
	MemberCA     Purpose = "sojourn/1/member-ca"
)

// Purposes lists them all.
func Purposes() []Purpose {
	return []Purpose{AuthID, TokenSecret, TokenMark, Handle, AnswerDigest, Operator, AtRest, Backup, Gossip, MemberCA}
}

// Derive returns the key for a purpose: Size bytes, always the same for the
// same secret.
func (s Secret) Derive(p Purpose) []byte {
	return s.Expand(string(p), Size)
}

// Expand returns the key of a label that is not a Purpose, size bytes, which may
// be up to 255 * 32. Package keyring says which labels there are.
func (s Secret) Expand(label string, size int) []byte {
	if len(s.root) == 0 {
		panic("secret: derive from no secret")
	}
	key, err := hkdf.Expand(sha256.New, s.root, label, size)
	if err != nil {
		panic(fmt.Sprintf("secret: expand %s: %v", label, err)) // only for sizes beyond the bound
	}
	return key
}

// OperatorToken is the bearer token with which the command line talks to a
// member. Members derive the same and compare; it opens the whole
// administration API.
func (s Secret) OperatorToken() Token {
	return Token(tokenPrefix + base64.RawURLEncoding.EncodeToString(s.Derive(Operator)))
}

// tokenPrefix lets scanners for leaked credentials recognise an operator token.
const tokenPrefix = "sojourn_op_"

// Token is a bearer token. It prints as [redacted]; Reveal gives the text.
type Token string

// Reveal returns the token's text, for the Authorization header.
func (t Token) Reveal() string { return string(t) }

const redacted = "[redacted]"

// Format writes [redacted] for every verb, so that no format shows the bytes.
func (Secret) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format is described at Secret.Format.
func (Token) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }
func (Token) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
