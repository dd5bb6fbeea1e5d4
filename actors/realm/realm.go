// Package realm names realms and holds the settings that scope to one.
//
// A realm is a slash path: "/" is the top level, "/alpha" a realm below it,
// "/alpha/eu" one below that. Trees, identities and settings belong to exactly
// one realm; nothing is inherited from a parent realm.
package realm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Name is a realm's slash path in canonical form: it starts with a slash, has
// no empty part and no trailing slash. The zero value is not a realm.
type Name string

// Root is the top level realm. It always exists.
const Root Name = "/"

// MaxDepth and MaxPart bound a realm path: parts, and bytes in each.
const (
	MaxDepth = 8
	MaxPart  = 64
)

// ErrName says that a text is not a realm path.
var ErrName = errors.New("not a realm name")

// Parse reads a realm path as people write it: "", "/", "root" and "/root" are
// the top level; a leading slash is optional. It returns ErrName for anything
// that could not be a realm: control characters, empty or oversized parts.
func Parse(text string) (Name, error) {
	trimmed := strings.Trim(text, "/")
	if trimmed == "" || trimmed == "root" {
		return Root, nil
	}
	parts := strings.Split(strings.TrimPrefix(trimmed, "root/"), "/")
	if len(parts) > MaxDepth {
		return "", fmt.Errorf("%w: %q is deeper than %d", ErrName, text, MaxDepth)
	}
	for _, part := range parts {
		if !validPart(part) {
			return "", fmt.Errorf("%w: %q", ErrName, text)
		}
	}
	return Name("/" + strings.Join(parts, "/")), nil
}

func validPart(part string) bool {
	if part == "" || len(part) > MaxPart || part == "." || part == ".." {
		return false
	}
	for _, r := range part {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r == '-', r == '_', r == '.', r > 0x7f:
		default:
			return false
		}
	}
	return true
}

// Parts returns the path's parts, none for Root.
func (n Name) Parts() []string {
	if n == Root || n == "" {
		return nil
	}
	return strings.Split(strings.TrimPrefix(string(n), "/"), "/")
}

// DN is the realm's distinguished name below suffix, as AM writes it in
// universal ids: the suffix itself for Root, else
// "o=eu,ou=services,o=alpha,ou=services,<suffix>"; the innermost realm first.
func (n Name) DN(suffix string) string {
	var b strings.Builder
	for _, part := range slices.Backward(n.Parts()) {
		b.WriteString("o=")
		b.WriteString(part)
		b.WriteString(",ou=services,")
	}
	b.WriteString(suffix)
	return b.String()
}

// UniversalID is AM's name for a user across realms:
// "id=<name>,ou=user,<realm DN>". AM lower-cases the user's name in it.
func (n Name) UniversalID(username, suffix string) string {
	return "id=" + strings.ToLower(username) + ",ou=user," + n.DN(suffix)
}
