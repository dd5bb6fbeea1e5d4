package rest

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
)

// OperatorToken is the secret of those who run the cluster: who presents it as
// a bearer token may do everything. It prints as [redacted]. Empty, it opens
// nothing.
type OperatorToken string

const redacted = "[redacted]"

func (OperatorToken) String() string       { return redacted }
func (OperatorToken) GoString() string     { return redacted }
func (OperatorToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// equal compares in time that does not depend on where two tokens differ.
func (t OperatorToken) equal(given string) bool {
	want, got := sha256.Sum256([]byte(t)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && t != ""
}
