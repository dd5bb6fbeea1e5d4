package command

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sojourn/cts/internal/octets"
)

// ErrMalformed says that bytes are no command, entry or record.
var ErrMalformed = errors.New("malformed")

// VersionError says that bytes were written by a later release.
type VersionError struct {
	What    string
	Version byte
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has version %d, which this release does not know: run the release that wrote it, or a later one",
		e.What, e.Version)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Zero times have no nanoseconds since 1970; they are written as this.
const zeroTime = math.MinInt64

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return zeroTime
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == zeroTime {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(nanos(t))) //nolint:gosec // two's complement, read back the same way
}

// appendMap writes a map in the order of its keys: equal maps, equal bytes.
func appendMap(b []byte, m map[string]string) []byte {
	b = binary.AppendUvarint(b, uint64(len(m)))
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		b = octets.AppendText(b, key)
		b = octets.AppendText(b, m[key])
	}
	return b
}

// reader is octets.Reader with the values of this package.
type reader struct{ octets.Reader }

func on(data []byte) reader { return reader{octets.On(data, ErrMalformed)} }

func (r *reader) time() time.Time {
	return fromNanos(int64(r.Uint64())) //nolint:gosec // two's complement, as it was written
}

// strings reads a map that appendMap wrote; nil when it is empty.
func (r *reader) strings() map[string]string {
	n := r.Count(math.MaxInt32, 2)
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	last := ""
	for i := range n {
		key := r.Text()
		if r.Err() == nil && i > 0 && key <= last {
			r.Fail("keys out of order")
		}
		m[key], last = r.Text(), key
	}
	return m
}
