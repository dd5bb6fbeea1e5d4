package wire

import (
	"errors"
	"fmt"
)

// AuthIDKeys sign and verify authIds with HMAC-SHA256. Rotation: the new key
// becomes Active, the old one moves to Older for as long as a journey may last.
type AuthIDKeys struct {
	// Active signs and verifies; at least MinKey bytes.
	Active []byte
	// Older only verify.
	Older [][]byte
}

// MinKey is the least length of a signing key, in bytes.
const MinKey = 32

var errShortKey = errors.New("a signing key is too short")

// Validate reports a key that is missing or too short.
func (k AuthIDKeys) Validate() error {
	if len(k.Active) < MinKey {
		return fmt.Errorf("%w: the active one has %d bytes of %d", errShortKey, len(k.Active), MinKey)
	}
	for i, old := range k.Older {
		if len(old) < MinKey {
			return fmt.Errorf("%w: older key %d has %d bytes of %d", errShortKey, i, len(old), MinKey)
		}
	}
	return nil
}
