package tree

import (
	"encoding/hex"
	"fmt"
)

// MarshalText writes the version as 32 hexadecimal digits.
func (v Version) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, v[:]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (v *Version) UnmarshalText(text []byte) error {
	var read Version
	if len(text) != hex.EncodedLen(len(read)) {
		return fmt.Errorf("%.40q is not a tree version", text)
	}
	if _, err := hex.Decode(read[:], text); err != nil {
		return fmt.Errorf("%q is not a tree version", text)
	}
	*v = read
	return nil
}
