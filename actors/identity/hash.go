package identity

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Hash is a stored password hash in its textual form: "$argon2id$v=19$…",
// "$2b$…", "{PBKDF2-HMAC-SHA256}…" and the like. It prints as [redacted].
type Hash string

func (Hash) String() string       { return redacted }
func (Hash) GoString() string     { return redacted }
func (Hash) LogValue() slog.Value { return slog.StringValue(redacted) }

// MaxPassword bounds a password, in bytes. It lets every passphrase through
// and keeps the work of a check from growing with what a client sends.
const MaxPassword = 1024

// What is wrong with a hash or a password. None of the texts holds any of
// either.
var (
	// ErrHash says that a text is no hash that can be checked: of a kind that
	// is not supported, or malformed.
	ErrHash = errors.New("not a supported password hash")
	// ErrCost says that a hash asks for more work or memory than a check may
	// take.
	ErrCost = errors.New("password hash costs too much")
	// ErrPassword says that no hash, or not this hash, can hold the password.
	ErrPassword = errors.New("password cannot be taken")
)

// Cost is what one check of a hash takes.
type Cost struct {
	// Memory is held during the check, in bytes.
	Memory int64
	// Time is what the check takes on one core of a server of 2023. It is an
	// estimate from the parameters alone, for limits and for operators.
	Time time.Duration
}

// MaxCost bounds every check. A hash comes from outside (an import, a stolen
// administrator's session), and each check of it is work that anybody may ask
// for, so what a hash says of its own cost is not believed beyond this. It
// lets through bcrypt up to cost 14, argon2 up to 256 MiB with 9 passes,
// scrypt with N=2^17, r=8, p=5 and 7.5 million rounds of PBKDF2-SHA256.
func MaxCost() Cost {
	return Cost{Memory: 256 << 20, Time: 1500 * time.Millisecond}
}

func (c Cost) check() error {
	limit := MaxCost()
	switch {
	case c.Memory > limit.Memory:
		return fmt.Errorf("%w: %d MiB a check, at most %d MiB are allowed", ErrCost, c.Memory>>20, limit.Memory>>20)
	case c.Time > limit.Time:
		return fmt.Errorf("%w: about %s a check, at most %s are allowed",
			ErrCost, c.Time.Round(10*time.Millisecond), limit.Time)
	}
	return nil
}

// scheme is a parsed hash: everything that a check needs but the password.
type scheme interface {
	// cost is known before any work is done.
	cost() Cost
	// longest is how many bytes of a password the hash function reads.
	longest() int
	// verify compares in constant time. Its error is a fault of the hash
	// function itself.
	verify(password Secret, derive Argon2id) (bool, error)
}

// CheckPassword reports whether a text can be a password at all: 1 to
// MaxPassword bytes, none of them zero (a zero byte ends the password in other
// implementations of bcrypt, so that a longer one would match a shorter one).
//
// Passwords are compared as the bytes that the client sent, without Unicode
// normalisation: a hash that is brought by import was made of such bytes, a
// directory gets such bytes in a bind, and input methods produce composed
// characters of themselves.
func CheckPassword(password Secret) error {
	switch {
	case password == "":
		return fmt.Errorf("%w: it is empty", ErrPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("%w: %d bytes, at most %d are taken", ErrPassword, len(password), MaxPassword)
	case strings.IndexByte(string(password), 0) >= 0:
		return fmt.Errorf("%w: it has a zero byte", ErrPassword)
	}
	return nil
}

// Verification is a password and the hash that it is compared with, both
// understood.
type Verification struct {
	scheme   scheme
	password Secret
}

// Prepare reads a hash to verify a password by. It costs no hashing.
// ErrPassword, ErrHash and ErrCost say that there is nothing to compare; bcrypt
// reads 72 bytes of a password, and a longer one is ErrPassword rather than cut
// off in silence.
//
// Understood are argon2id and argon2i as PHC strings, bcrypt ($2a, $2b, $2y),
// scrypt and PBKDF2 as passlib writes them, and the directory forms
// {PBKDF2}, {PBKDF2-HMAC-SHA256}, {PBKDF2-HMAC-SHA512}, {BCRYPT} and {ARGON2}.
// Hashes without a work factor ({SSHA} and its family, {SHA}, {MD5}, {CRYPT})
// are refused: whoever reads such a hash has the password the same day, so its
// user needs a new password rather than an import.
func Prepare(h Hash, password Secret) (Verification, error) {
	if err := CheckPassword(password); err != nil {
		return Verification{}, err
	}
	s, err := parse(h)
	if err != nil {
		return Verification{}, err
	}
	if len(password) > s.longest() {
		return Verification{}, fmt.Errorf("%w: %d bytes, and its hash takes %d", ErrPassword, len(password), s.longest())
	}
	return Verification{scheme: s, password: password}, nil
}

// Run hashes the password, with derive where the hash is argon2id, and reports
// whether it is the one that the hash was made of. A wrong password is no error.
func (v Verification) Run(derive Argon2id) (bool, error) { return v.scheme.verify(v.password, derive) }

// Verify is Prepare and Run.
func Verify(h Hash, password Secret) (bool, error) {
	v, err := Prepare(h, password)
	if err != nil {
		return false, err
	}
	return v.Run(idKey)
}

// Check reports whether h can be stored: whether Prepare understands it and a
// verification may spend what it costs.
func Check(h Hash) error {
	_, err := parse(h)
	return err
}

// CostOf is what one Verify of h takes; its errors are those of Check.
func CostOf(h Hash) (Cost, error) {
	s, err := parse(h)
	if err != nil {
		return Cost{}, err
	}
	return s.cost(), nil
}

// Make hashes password with argon2id and a salt that is read from rand. Its
// errors are ErrPassword, those of Params.Check, and rand's own.
func Make(password Secret, p Params, rand io.Reader) (Hash, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	if err := p.Check(); err != nil {
		return "", err
	}
	return makeArgon2id(password, p, rand)
}

// Outdated reports whether h is weaker than a hash that Make would give under
// p: of another kind, or of less memory or fewer passes. A text that is no
// hash is not outdated; it matches nothing.
func Outdated(h Hash, p Params) bool {
	s, err := parse(h)
	if err != nil {
		return false
	}
	a, ok := s.(argon2Hash)
	return !ok || a.kind != argon2id || a.params.Memory < p.Memory || a.params.Time < p.Time
}

// maxHash bounds the text of a hash, in bytes; the longest that the limits on
// salt and digest allow is about 450.
const maxHash = 512

// parse reads a hash and refuses one that costs too much.
func parse(h Hash) (scheme, error) {
	if len(h) > maxHash {
		return nil, fmt.Errorf("%w: %d bytes long, at most %d are taken", ErrHash, len(h), maxHash)
	}
	// Go's base64 skips line ends, which no hash has.
	if strings.ContainsFunc(string(h), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%w: it has spaces, control characters or letters beyond ASCII", ErrHash)
	}
	s, err := parseText(string(h))
	if err != nil {
		return nil, err
	}
	if err := s.cost().check(); err != nil {
		return nil, err
	}
	return s, nil
}

func parseText(text string) (scheme, error) {
	switch {
	case text == "":
		return nil, fmt.Errorf("%w: it is empty", ErrHash)
	case text[0] == '{':
		return parseDirectory(text)
	case strings.HasPrefix(text, "$2"):
		return parseBcrypt(text)
	case text[0] != '$':
		return nil, fmt.Errorf("%w: neither $kind$… nor {KIND}…; passwords in clear are not taken", ErrHash)
	}
	kind, _, _ := strings.Cut(text[1:], "$")
	switch kind {
	case string(argon2id), string(argon2i):
		return parseArgon2(text)
	case "scrypt":
		return parseScrypt(text)
	case "pbkdf2", "pbkdf2-sha1", "pbkdf2-sha256", "pbkdf2-sha512":
		return parsePasslibPBKDF2(text)
	}
	return nil, fmt.Errorf("%w: of an unknown kind", ErrHash)
}

// parseDirectory reads RFC 2307's {KIND} forms, whose kinds compare without
// case.
func parseDirectory(text string) (scheme, error) {
	kind, rest, ok := strings.Cut(text[1:], "}")
	if !ok {
		return nil, fmt.Errorf("%w: the kind has no closing brace", ErrHash)
	}
	switch strings.ToUpper(kind) {
	case "PBKDF2", "PBKDF2-HMAC-SHA1":
		return parseDirectoryPBKDF2(rest, sha1Digest)
	case "PBKDF2-HMAC-SHA256":
		return parseDirectoryPBKDF2(rest, sha256Digest)
	case "PBKDF2-HMAC-SHA512":
		return parseDirectoryPBKDF2(rest, sha512Digest)
	case "BCRYPT":
		return parseBcrypt(rest)
	case "ARGON2":
		return parseArgon2(rest)
	case "SHA", "SSHA", "SHA256", "SSHA256", "SHA384", "SSHA384", "SHA512", "SSHA512", "MD5", "SMD5", "CRYPT", "CLEAR":
		return nil, fmt.Errorf("%w: {%s} has no work factor; give its user a new password", ErrHash, strings.ToUpper(kind))
	}
	return nil, fmt.Errorf("%w: of an unknown kind", ErrHash)
}
