package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxName bounds a user's name, in bytes.
const MaxName = 255

// ErrName says that a text cannot be the name of a user.
var ErrName = errors.New("not a user name")

// notInNames lists what would break out of the places a name is written to: a
// distinguished name ("id=<name>,ou=user,…", where the realm's DN does not
// escape), a REST path and AM's wildcard search. "+" and "#" stay allowed,
// since mail addresses are names and carry them.
const notInNames = `,=<>;"\*/`

// CheckName reports whether a user may be created under name: 1 to MaxName
// bytes of UTF-8 without control or invisible characters, without a space at
// either end and without any of , = < > ; " \ * /. The error is ErrName with
// the reason.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case len(name) > MaxName:
		return fmt.Errorf("%w: %d bytes, at most %d are taken", ErrName, len(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: it is not UTF-8", ErrName)
	case name == "." || name == "..":
		return fmt.Errorf("%w: %q is a path", ErrName, name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%w: %q starts or ends with a space", ErrName, name)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%w: %q has the character %U", ErrName, name, r)
		}
		if strings.ContainsRune(notInNames, r) {
			return fmt.Errorf("%w: %q has the character %q", ErrName, name, r)
		}
	}
	return nil
}

// Key is the form under which names compare: two names with one key are one
// user. As a directory's caseIgnoreMatch prepares strings (RFC 4518), it is
// compatibility-normalised, case-folded, without spaces at the ends and with
// single spaces inside. Key of a key is that key.
func Key(name string) string {
	if key, ok := plainKey(name); ok {
		return key
	}
	// Folding can undo normal form and normal form can undo folding, so both
	// run until nothing changes; three rounds are more than Unicode needs.
	key := name
	for range 4 {
		next := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(key)))
		if next == key {
			break
		}
		key = next
	}
	return strings.Join(strings.Fields(key), " ")
}

// plainKey is Key for names of ASCII letters, digits and signs, which nearly
// all are.
func plainKey(name string) (string, bool) {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return "", false
		}
	}
	return strings.ToLower(name), true
}
