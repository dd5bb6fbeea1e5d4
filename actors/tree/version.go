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
	if n, err := hex.Decode(v[:], text); err != nil || n != len(v) {
		return fmt.Errorf("%q is not a tree version", text)
	}
	return nil
}
