package identity

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// Limits on the parts of a hash, in bytes. Salts under 8 bytes repeat between
// users; a digest under 16 can be guessed instead of the password.
const (
	minSalt, maxSalt     = 8, 128
	minDigest, maxDigest = 16, 64
)

// phcParams reads "m=65536,t=3,p=4": exactly the names given, in that order,
// each a decimal number without sign, leading zero or overflow.
func phcParams(text string, names ...string) ([]uint32, error) {
	fields := strings.Split(text, ",")
	if len(fields) != len(names) {
		return nil, fmt.Errorf("%w: want the parameters %s", ErrHash, strings.Join(names, ","))
	}
	values := make([]uint32, len(names))
	for i, field := range fields {
		name, digits, _ := strings.Cut(field, "=")
		if name != names[i] {
			return nil, fmt.Errorf("%w: want the parameters %s", ErrHash, strings.Join(names, ","))
		}
		n, err := decimal(digits)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		values[i] = n
	}
	return values, nil
}

func decimal(digits string) (uint32, error) {
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, fmt.Errorf("%w: not a plain number below 2^32", ErrHash)
	}
	return uint32(n), nil
}

// saltAndDigest decodes the last two fields of a "$"-separated hash, base64
// without padding.
func saltAndDigest(salt64, digest64 string) (salt, digest []byte, err error) {
	salt, err = base64.RawStdEncoding.Strict().DecodeString(salt64)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the salt is not base64", ErrHash)
	}
	digest, err = base64.RawStdEncoding.Strict().DecodeString(digest64)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the digest is not base64", ErrHash)
	}
	if len(salt) < minSalt || len(salt) > maxSalt {
		return nil, nil, fmt.Errorf("%w: a salt of %d bytes, want %d to %d", ErrHash, len(salt), minSalt, maxSalt)
	}
	if len(digest) < minDigest || len(digest) > maxDigest {
		return nil, nil, fmt.Errorf("%w: a digest of %d bytes, want %d to %d", ErrHash, len(digest), minDigest, maxDigest)
	}
	return salt, digest, nil
}
