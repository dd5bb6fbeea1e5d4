package command

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
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

func appendText[T ~string | ~[]byte](b []byte, text T) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
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
		b = appendText(b, key)
		b = appendText(b, m[key])
	}
	return b
}

// A reader takes values off bytes. After the first fault it yields zero values;
// done reports the fault.
type reader struct {
	rest []byte
	err  error
	// shared, when not empty, is text that ends as rest does: texts are then parts
	// of it.
	shared string
}

// share makes all texts from here on parts of one string: for values with many
// texts, which are kept or dropped together.
func (r *reader) share() { r.shared = string(r.rest) }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(format, args...)
	}
	r.rest = nil
}

// take returns the next n bytes, which belong to the input.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail("%d bytes wanted, %d left", n, len(r.rest))
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) bool() bool {
	switch b := r.byte(); b {
	case 0:
		return false
	case 1:
		return true
	default:
		r.fail("%d is no truth value", b)
		return false
	}
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) time() time.Time {
	return fromNanos(int64(r.uint64())) //nolint:gosec // two's complement, as it was written
}

func (r *reader) id() (id [16]byte) {
	if b := r.take(16); b != nil {
		id = [16]byte(b)
	}
	return id
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || (n > 1 && r.rest[n-1] == 0) { // one value, one encoding
		r.fail("not a number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads how many items follow, each of at least size bytes, and refuses
// more than the input can hold or limit allows.
func (r *reader) count(limit, size int) int {
	n := r.uvarint()
	if n > uint64(limit) || n > uint64(len(r.rest)/size) { //nolint:gosec // limits are positive
		r.fail("%d items", n)
		return 0
	}
	return int(n) //nolint:gosec // at most limit
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail("%d bytes wanted, %d left", n, len(r.rest))
		return nil
	}
	return r.take(int(n)) //nolint:gosec // at most the input's length
}

func (r *reader) text() string {
	b := r.bytes()
	if r.shared == "" {
		return string(b)
	}
	end := len(r.shared) - len(r.rest)
	return r.shared[end-len(b) : end]
}

// strings reads a map that appendMap wrote; nil when it is empty.
func (r *reader) strings() map[string]string {
	n := r.count(math.MaxInt32, 2)
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	last := ""
	for i := range n {
		key := r.text()
		if r.err == nil && i > 0 && key <= last {
			r.fail("keys out of order")
		}
		m[key], last = r.text(), key
	}
	return m
}

// done reports the first fault, or that bytes are left over.
func (r *reader) done() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes left over", len(r.rest))
	}
	return r.err
}
