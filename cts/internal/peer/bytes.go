package peer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"sojourn/cts/session"
)

// ErrMalformed says that bytes are no message of this version.
var ErrMalformed = errors.New("malformed message")

func appendText[T ~string | ~[]byte](b []byte, text T) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// appendTexts writes at most MaxStores texts.
func appendTexts(b []byte, all []string) []byte {
	all = all[:min(len(all), MaxStores)]
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, text := range all {
		b = appendText(b, text)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// reader takes values off bytes. After the first fault it yields zero values.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	r.rest = nil
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
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
	b := r.byte()
	if b > 1 {
		r.fail("%d is no truth value", b)
	}
	return b == 1
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) id() (id session.ID) {
	copy(id[:], r.take(len(id)))
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

// count reads how many items follow, at most limit, each of size bytes at least.
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

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) texts() (all []string) {
	for range r.count(MaxStores, 1) {
		all = append(all, r.text())
	}
	return all
}

// end takes all that is left.
func (r *reader) end() []byte {
	b := r.rest
	r.rest = nil
	return b
}

func (r *reader) done() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes left over", len(r.rest))
	}
	return r.err
}

// open reads version and kind.
func open(data []byte) (*reader, byte) {
	r := &reader{rest: data}
	if v := r.byte(); r.err == nil && v != version {
		r.fail("version %d, this release knows %d", v, version)
	}
	return r, r.byte()
}
