// Package octets writes and reads the values of which commands, records and
// messages are made. Each value has one encoding and no other is read: what
// equals in bytes equals in meaning. Numbers are big-endian or, where a name
// says so, varints; texts have their length before them.
package octets

import (
	"encoding/binary"
	"fmt"
)

// AppendText writes a text.
func AppendText[T ~string | ~[]byte](b []byte, text T) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// AppendBool writes a truth value: 1 or 0.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// Reader takes values off bytes. After the first fault it yields zero values;
// Err tells the fault. It never reads beyond its input, and allocates no more
// than the input holds.
type Reader struct {
	rest  []byte
	err   error
	fault error
	// shared, when not empty, is text that ends as rest does: texts are then parts
	// of it.
	shared string
}

// On returns a reader of data, whose faults wrap fault.
func On(data []byte, fault error) Reader { return Reader{rest: data, fault: fault} }

// Err is the first fault, nil while there is none.
func (r *Reader) Err() error { return r.err }

// Left is how many bytes are left.
func (r *Reader) Left() int { return len(r.rest) }

// Fail notes a fault, unless there is one already, and ends the input.
func (r *Reader) Fail(format string, args ...any) {
	r.Abort(fmt.Errorf("%w: %s", r.fault, fmt.Sprintf(format, args...)))
}

// Abort is Fail with an error that says all.
func (r *Reader) Abort(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

// Share makes all texts from here on parts of one string: for values with many
// texts, which are kept or dropped together.
func (r *Reader) Share() { r.shared = string(r.rest) }

// Take returns the next n bytes, which belong to the input.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.Fail("%d bytes wanted, %d left", n, len(r.rest))
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// End takes all that is left.
func (r *Reader) End() []byte {
	b := r.rest
	r.rest = nil
	return b
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Bool reads what AppendBool wrote.
func (r *Reader) Bool() bool {
	b := r.Byte()
	if b > 1 {
		r.Fail("%d is no truth value", b)
	}
	return b == 1
}

// Uint64 reads eight bytes.
func (r *Reader) Uint64() uint64 {
	if b := r.Take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// ID reads sixteen bytes.
func (r *Reader) ID() (id [16]byte) {
	copy(id[:], r.Take(len(id)))
	return id
}

// Uvarint reads a number of 1 to 10 bytes, in its shortest form.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if !r.shortest(n) {
		return 0
	}
	return v
}

// Varint is Uvarint for numbers that may be negative.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.rest)
	if !r.shortest(n) {
		return 0
	}
	return v
}

// shortest takes a number of n bytes, unless a shorter form would do.
func (r *Reader) shortest(n int) bool {
	if n <= 0 || n > 1 && r.rest[n-1] == 0 {
		r.Fail("not a number")
		return false
	}
	r.rest = r.rest[n:]
	return true
}

// Count reads how many items follow, each of at least size bytes, and refuses
// more than the input can hold or limit allows.
func (r *Reader) Count(limit, size int) int {
	n := r.Uvarint()
	if n > uint64(limit) || n > uint64(len(r.rest)/size) { //nolint:gosec // limits are positive
		r.Fail("%d items", n)
		return 0
	}
	return int(n) //nolint:gosec // at most limit
}

// Bytes reads what AppendText wrote. They belong to the input.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.rest)) {
		r.Fail("%d bytes wanted, %d left", n, len(r.rest))
		return nil
	}
	return r.Take(int(n)) //nolint:gosec // at most the input's length
}

// Text is Bytes as a string of its own, or a part of the one that Share made.
func (r *Reader) Text() string {
	b := r.Bytes()
	if r.shared == "" {
		return string(b)
	}
	end := len(r.shared) - len(r.rest)
	return r.shared[end-len(b) : end]
}

// Done reports the first fault, or that bytes are left over.
func (r *Reader) Done() error {
	if r.err == nil && len(r.rest) > 0 {
		r.Fail("%d bytes left over", len(r.rest))
	}
	return r.err
}
