// Package stream is the form of a whole store outside of it: a backup, or a
// snapshot on its way to another member.
//
//	magic "sojourn\x00" | version 1 | sealed (0 or 1) | index (8) | term (8) |
//	config index (8) | config length (4) | config |
//	{ length (4) | frame }... | length with the top bit set (4) | last frame | SHA-256 of all before (32)
//
// A frame holds pairs of key and value, each with its length (uvarint) before
// it; the last frame holds the count and sum of all pairs (8 + 8). Sealed frames
// are bound to the header and their number, so that none can be left out,
// moved, or taken from another file.
package stream

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"sojourn/cts/command"
	"sojourn/cts/internal/seal"
)

const (
	magic     = "sojourn\x00"
	version   = 1
	headerLen = len(magic) + 2 + 3*8 + 4
	maxConfig = 1 << 20
	maxFrame  = command.MaxCommand + command.ChunkSize + seal.Overhead
	last      = 1 << 31
)

// ErrFormat says that a stream is not what was written: cut short, changed,
// sealed under another key, or something else altogether.
var ErrFormat = errors.New("not a whole backup")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// Header says which state of the store a stream holds.
type Header struct {
	Index, Term uint64
	// Config is the configuration as raft encodes it, empty in a backup.
	ConfigIndex uint64
	Config      []byte
}

func (h Header) append(b []byte, sealed bool) []byte {
	b = append(b, magic...)
	b = append(b, version, 0)
	if sealed {
		b[len(b)-1] = 1
	}
	b = binary.BigEndian.AppendUint64(b, h.Index)
	b = binary.BigEndian.AppendUint64(b, h.Term)
	b = binary.BigEndian.AppendUint64(b, h.ConfigIndex)
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.Config))) //nolint:gosec // a configuration is small
	return append(b, h.Config...)
}

// Writer writes one stream.
type Writer struct {
	to     *bufio.Writer
	sum    hash.Hash
	box    *seal.Box
	place  []byte
	frame  []byte
	frames uint64
}

// NewWriter begins a stream; box seals it, nil leaves it plain.
func NewWriter(to io.Writer, h Header, box *seal.Box) (*Writer, error) {
	w := &Writer{to: bufio.NewWriterSize(to, 1<<16), sum: sha256.New(), box: box}
	header := h.append(nil, box != nil)
	id := sha256.Sum256(header)
	w.place = id[:]
	return w, w.write(header)
}

func (w *Writer) write(b []byte) error {
	w.sum.Write(b)
	if _, err := w.to.Write(b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// Pair adds one key and its value.
func (w *Writer) Pair(key, value []byte) error {
	w.frame = appendBytes(appendBytes(w.frame, key), value)
	if len(w.frame) < command.ChunkSize {
		return nil
	}
	return w.flush(0)
}

func appendBytes(b, text []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

func (w *Writer) flush(flag uint32) error {
	content := w.frame
	if w.box != nil {
		content = w.box.Seal(nil, content, framePlace(w.place, w.frames, flag))
	}
	w.frames++
	w.frame = w.frame[:0]
	if err := w.write(binary.BigEndian.AppendUint32(nil, uint32(len(content))|flag)); err != nil { //nolint:gosec // at most maxFrame
		return err
	}
	return w.write(content)
}

func framePlace(header []byte, number uint64, flag uint32) []byte {
	b := append([]byte(nil), header...)
	b = binary.BigEndian.AppendUint64(b, number)
	return binary.BigEndian.AppendUint32(b, flag)
}

// Close ends the stream. totals are those of the pairs.
func (w *Writer) Close(totals command.Totals) error {
	if len(w.frame) > 0 {
		if err := w.flush(0); err != nil {
			return err
		}
	}
	w.frame = binary.BigEndian.AppendUint64(w.frame, totals.Count)
	w.frame = binary.BigEndian.AppendUint64(w.frame, totals.Sum)
	if err := w.flush(last); err != nil {
		return err
	}
	if err := w.write(w.sum.Sum(nil)); err != nil {
		return err
	}
	if err := w.to.Flush(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// Read reads a whole stream. Pairs are given to visit frame by frame and belong
// to it. Whoever cannot undo what visit did reads the stream twice, first with
// a visit that does nothing: only the end tells whether it is whole.
func Read(from io.Reader, box *seal.Box, visit func(Header, []command.Pair) error) (Header, command.Totals, error) {
	r := reader{from: bufio.NewReaderSize(from, 1<<16), sum: sha256.New(), box: box}
	h, err := r.header()
	if err != nil {
		return h, command.Totals{}, err
	}
	for {
		pairs, totals, err := r.next()
		if err != nil || totals != nil {
			return h, valueOf(totals), err
		}
		if err := visit(h, pairs); err != nil {
			return h, command.Totals{}, err
		}
	}
}

func valueOf(t *command.Totals) command.Totals {
	if t == nil {
		return command.Totals{}
	}
	return *t
}

type reader struct {
	from   *bufio.Reader
	sum    hash.Hash
	box    *seal.Box
	place  []byte
	frames uint64
}

func (r *reader) read(n int) ([]byte, error) {
	var b bytes.Buffer // grows as bytes come: a length alone costs nothing
	if m, err := io.CopyN(&b, r.from, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, malformed("it ends after %d of %d bytes", m, n)
		}
		return nil, fmt.Errorf("read: %w", err)
	}
	r.sum.Write(b.Bytes())
	return b.Bytes(), nil
}

func (r *reader) header() (Header, error) {
	b, err := r.read(headerLen)
	if err != nil {
		return Header{}, err
	}
	if string(b[:len(magic)]) != magic {
		return Header{}, malformed("it does not begin as one")
	}
	rest := b[len(magic):]
	if rest[0] != version {
		return Header{}, &command.VersionError{What: "a backup", Version: rest[0]}
	}
	switch sealed := rest[1]; {
	case sealed == 1 && r.box == nil:
		return Header{}, malformed("it is encrypted, and no backup key is configured")
	case sealed == 0 && r.box != nil:
		return Header{}, malformed("it is not encrypted, though a backup key is configured")
	case sealed > 1:
		return Header{}, malformed("its header is damaged")
	}
	h := Header{
		Index: binary.BigEndian.Uint64(rest[2:]), Term: binary.BigEndian.Uint64(rest[10:]),
		ConfigIndex: binary.BigEndian.Uint64(rest[18:]),
	}
	n := binary.BigEndian.Uint32(rest[26:])
	if n > maxConfig {
		return Header{}, malformed("its header is damaged")
	}
	config, err := r.read(int(n))
	if err != nil {
		return Header{}, err
	}
	h.Config = append(h.Config, config...)
	id := sha256.Sum256(append(b, config...))
	r.place = id[:]
	return h, nil
}

// next returns the pairs of a frame, or after the last one the totals.
func (r *reader) next() ([]command.Pair, *command.Totals, error) {
	b, err := r.read(4)
	if err != nil {
		return nil, nil, err
	}
	n := binary.BigEndian.Uint32(b)
	flag := n & last
	if n &^= last; n > maxFrame {
		return nil, nil, malformed("frame %d has %d bytes", r.frames, n)
	}
	content, err := r.read(int(n))
	if err != nil {
		return nil, nil, err
	}
	if r.box != nil {
		content, err = r.box.Open(nil, content, framePlace(r.place, r.frames, flag))
		if err != nil {
			return nil, nil, malformed("frame %d: %v", r.frames, err)
		}
	}
	r.frames++
	if flag == 0 {
		pairs, err := decodePairs(content)
		return pairs, nil, err
	}
	if len(content) != 16 {
		return nil, nil, malformed("its last frame has %d bytes", len(content))
	}
	totals := &command.Totals{Count: binary.BigEndian.Uint64(content), Sum: binary.BigEndian.Uint64(content[8:])}
	return nil, totals, r.end()
}

func (r *reader) end() error {
	want := r.sum.Sum(nil)
	got, err := r.read(len(want))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return malformed("its checksum is wrong")
	}
	if _, err := r.from.ReadByte(); !errors.Is(err, io.EOF) {
		return malformed("something follows its end")
	}
	return nil
}

func decodePairs(b []byte) ([]command.Pair, error) {
	var pairs []command.Pair
	for len(b) > 0 {
		var p command.Pair
		var ok bool
		if p.Key, b, ok = cutBytes(b); !ok {
			return nil, malformed("a key is cut short")
		}
		if p.Value, b, ok = cutBytes(b); !ok {
			return nil, malformed("a value is cut short")
		}
		if len(p.Key) == 0 {
			return nil, malformed("a key is empty")
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func cutBytes(b []byte) (text, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) { //nolint:gosec // size is at most the length
		return nil, nil, false
	}
	b = b[size:]
	return b[:n:n], b[n:], true
}
