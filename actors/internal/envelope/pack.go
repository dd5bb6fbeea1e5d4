package envelope

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"time"
)

// Numbers are varints, texts and lists have their length before them; that of
// a list or map is one more than its size, and zero for nil. Maps are sorted,
// so that one value has one encoding.

// maxDepth bounds how deep lists and objects may nest in a value. Values of
// clients are bounded lower (http/wire).
const maxDepth = 1000

// writer appends values to a message; the first error stays.
type writer struct {
	b     []byte
	more  bool // of Version3
	depth int
	err   error
}

func newWriter() *writer {
	return &writer{b: append(make([]byte, 0, 1024), Version)}
}

func (w *writer) done() ([]byte, error) {
	if w.err == nil && len(w.b) > MaxSize {
		w.err = ErrSize
	}
	return w.b, w.err
}

func (w *writer) byte(b byte)       { w.b = append(w.b, b) }
func (w *writer) raw(b []byte)      { w.b = append(w.b, b...) }
func (w *writer) uvarint(n uint64)  { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) varint(n int64)    { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) float64(f float64) { w.b = binary.BigEndian.AppendUint64(w.b, math.Float64bits(f)) }

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

func (w *writer) text(s string) {
	w.uvarint(uint64(len(s)))
	w.b = append(w.b, s...)
}

// blob is a byte string that may be nil.
func (w *writer) blob(b []byte) {
	w.size(len(b), b == nil)
	w.raw(b)
}

// time keeps the instant, to the nanosecond.
func (w *writer) time(t time.Time) {
	w.varint(t.Unix())
	w.uvarint(uint64(t.Nanosecond())) //nolint:gosec // never below zero
}

// size begins a list or map.
func (w *writer) size(n int, none bool) {
	if none {
		w.uvarint(0)
		return
	}
	w.uvarint(uint64(n) + 1) //nolint:gosec // a length
}

func sorted[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (w *writer) texts(list []string) {
	w.size(len(list), list == nil)
	for _, s := range list {
		w.text(s)
	}
}

func (w *writer) textMap(m map[string]string) {
	w.size(len(m), m == nil)
	for _, key := range sorted(m) {
		w.text(key)
		w.text(m[key])
	}
}

func (w *writer) textsMap(m map[string][]string) {
	w.size(len(m), m == nil)
	for _, key := range sorted(m) {
		w.text(key)
		w.texts(m[key])
	}
}

// What the byte before a value says of it.
const (
	valueNil = iota
	valueFalse
	valueTrue
	valueText
	valueFloat
	valueInt
	valueList
	valueTexts
	valueMap
	valueJSON
)

// value is a JSON value in the types that callbacks use; another type travels
// as its JSON.
func (w *writer) value(v any) {
	if w.depth++; w.depth > maxDepth {
		w.err = ErrSize
		return
	}
	defer func() { w.depth-- }()
	switch v := v.(type) {
	case nil:
		w.byte(valueNil)
	case bool:
		if v {
			w.byte(valueTrue)
		} else {
			w.byte(valueFalse)
		}
	case string:
		w.byte(valueText)
		w.text(v)
	case float64:
		w.byte(valueFloat)
		w.float64(v)
	case int:
		w.byte(valueInt)
		w.varint(int64(v))
	case []any:
		w.byte(valueList)
		w.values(v)
	case []string:
		w.byte(valueTexts)
		w.texts(v)
	case map[string]any:
		w.byte(valueMap)
		w.size(len(v), v == nil)
		for _, key := range sorted(v) {
			w.text(key)
			w.value(v[key])
		}
	default:
		body, err := json.Marshal(v)
		if err != nil {
			w.err = err
			return
		}
		w.byte(valueJSON)
		w.blob(body)
	}
}

func (w *writer) values(list []any) {
	w.size(len(list), list == nil)
	for _, v := range list {
		w.value(v)
	}
}

// reader takes values off a message. After a fault it gives zero values; done
// tells.
type reader struct {
	rest  []byte
	more  bool // of Version3
	depth int
	bad   bool
}

func (r *reader) done() error {
	if r.bad || len(r.rest) > 0 {
		return ErrMalformed
	}
	return nil
}

func (r *reader) fail() {
	r.bad, r.rest = true, nil
}

// take returns the next n bytes, which are the message's own.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// fill reads as many bytes as b has.
func (r *reader) fill(b []byte) { copy(b, r.take(uint64(len(b)))) }

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) bool() bool {
	b := r.byte()
	if b > 1 {
		r.fail()
	}
	return b == 1
}

func (r *reader) uvarint() uint64 {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

func (r *reader) varint() int64 {
	n, used := binary.Varint(r.rest)
	if used <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

func (r *reader) float64() float64 {
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) text() string { return string(r.take(r.uvarint())) }

func (r *reader) blob() []byte {
	n, some := r.size()
	if !some {
		return nil
	}
	return append(make([]byte, 0, n), r.take(uint64(n))...) //nolint:gosec // a length
}

func (r *reader) time() time.Time {
	seconds, nanos := r.varint(), r.uvarint()
	if nanos >= 1e9 {
		r.fail()
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanos)).UTC()
}

// size begins a list or map. Each of its items takes a byte at least.
func (r *reader) size() (n int, some bool) {
	size := r.uvarint()
	if size == 0 {
		return 0, false
	}
	if size-1 > uint64(len(r.rest)) {
		r.fail()
		return 0, false
	}
	return int(size - 1), true //nolint:gosec // bounded by the line above
}

// room is how many items a list is made for before they have been read: a
// message that claims many must have them.
func room(n int) int { return min(n, 64) }

func (r *reader) texts() []string {
	n, some := r.size()
	if !some {
		return nil
	}
	list := make([]string, 0, room(n))
	for i := 0; i < n && !r.bad; i++ {
		list = append(list, r.text())
	}
	return list
}

func (r *reader) textMap() map[string]string {
	n, some := r.size()
	if !some {
		return nil
	}
	m := make(map[string]string, room(n))
	for i := 0; i < n && !r.bad; i++ {
		key := r.text()
		m[key] = r.text()
	}
	return m
}

func (r *reader) textsMap() map[string][]string {
	n, some := r.size()
	if !some {
		return nil
	}
	m := make(map[string][]string, room(n))
	for i := 0; i < n && !r.bad; i++ {
		key := r.text()
		m[key] = r.texts()
	}
	return m
}

func (r *reader) value() any {
	if r.depth++; r.depth > maxDepth {
		r.fail()
		return nil
	}
	defer func() { r.depth-- }()
	switch r.byte() {
	case valueNil:
		return nil
	case valueFalse:
		return false
	case valueTrue:
		return true
	case valueText:
		return r.text()
	case valueFloat:
		return r.float64()
	case valueInt:
		return int(r.varint())
	case valueList:
		return r.values()
	case valueTexts:
		return r.texts()
	case valueMap:
		return r.object()
	case valueJSON:
		var v any
		if err := json.Unmarshal(r.blob(), &v); err != nil {
			r.fail()
		}
		return v
	}
	r.fail()
	return nil
}

func (r *reader) values() []any {
	n, some := r.size()
	if !some {
		return nil
	}
	list := make([]any, 0, room(n))
	for i := 0; i < n && !r.bad; i++ {
		list = append(list, r.value())
	}
	return list
}

func (r *reader) object() map[string]any {
	n, some := r.size()
	if !some {
		return nil
	}
	m := make(map[string]any, room(n))
	for i := 0; i < n && !r.bad; i++ {
		key := r.text()
		m[key] = r.value()
	}
	return m
}
