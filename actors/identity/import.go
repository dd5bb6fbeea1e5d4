package identity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxImportEntry bounds one user in an import file, in bytes.
const MaxImportEntry = 256 << 10

// ImportError says which entry of an import file is wrong, and how. Both
// numbers count from one; Line is where the entry ends or, where the text breaks
// off or is not JSON, where that part begins.
type ImportError struct {
	Entry, Line int
	// Last says that nothing behind this place was read.
	Last bool
	Err  error
}

func (e *ImportError) Error() string {
	text := fmt.Sprintf("entry %d, line %d: %v", e.Entry, e.Line, e.Err)
	if e.Last {
		text += "; nothing behind it was read"
	}
	return text
}

func (e *ImportError) Unwrap() error { return e.Err }

// What is wrong with an import file as such; reading ends there.
var (
	errEntryTooLong = fmt.Errorf("entry is longer than %d bytes", MaxImportEntry)
	errNoUsers      = errors.New(`want users, one JSON object a line, or [...], or {"result":[...]}`)
)

// ReadImport reads users from JSON: one object a line, an array of objects, or
// an answer {"result":[...]} of AM's or IDM's REST API. The realm of what it
// yields is empty; that is the caller's to say.
//
// An entry with "name" is Sojourn's own form and has only name, attributes,
// hash and status. Any other entry is a user as AM or IDM show it: the name is
// userName, username, uid or _id, the hash password, userPassword or _hash (as
// our own REST API calls it), the status accountStatus or inetUserStatus, each
// in capitals or not, and each further member with text in it becomes an
// attribute. Other members whose names start with "_", objects, and what belongs
// to another store (dn, objectClass, realm, universalid, timestamps) are left
// out.
//
// Content is strict: names pass CheckName, hashes Check, a status is active or
// inactive, and no member comes twice. A wrong entry yields an *ImportError and
// reading goes on with the next; text that is not JSON yields one and ends it,
// as does the reader's own error. Memory is bounded by MaxImportEntry.
func ReadImport(r io.Reader) iter.Seq2[Identity, error] {
	return func(yield func(Identity, error) bool) {
		f := newImportFile(r)
		err := f.read(func(raw json.RawMessage) bool {
			i, err := decodeEntry(raw)
			if err != nil {
				return yield(Identity{}, f.fault(f.decoder.InputOffset(), false, err))
			}
			return yield(i, nil)
		})
		if err != nil {
			yield(Identity{}, f.fault(f.ahead(), true, err))
		}
	}
}

// importFile walks over the entries of a file.
type importFile struct {
	head    *bufio.Reader
	source  *lineReader
	decoder *json.Decoder
	entry   int
}

func newImportFile(r io.Reader) *importFile {
	head := bufio.NewReader(r)
	if bom, err := head.Peek(3); err == nil && string(bom) == "\xef\xbb\xbf" {
		_, _ = head.Discard(len(bom)) // just peeked, so it is there
	}
	source := &lineReader{from: head}
	return &importFile{head: head, source: source, decoder: json.NewDecoder(source)}
}

func (f *importFile) fault(offset int64, last bool, err error) error {
	return &ImportError{Entry: f.entry, Line: f.source.line(offset), Last: last, Err: err}
}

// ahead is the offset of the first byte behind what was decoded that is more
// than a blank.
func (f *importFile) ahead() int64 {
	rest, _ := io.ReadAll(f.decoder.Buffered()) // from memory
	return f.decoder.InputOffset() + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n")))
}

// read hands each entry to each until that returns false.
func (f *importFile) read(each func(json.RawMessage) bool) error {
	f.entry = 1
	f.source.left = MaxImportEntry
	switch f.shape() {
	case '[':
		if _, err := f.decoder.Token(); err != nil {
			return err
		}
		if more, err := f.array(each); err != nil || !more {
			return err
		}
		return f.end()
	case 'r':
		if more, err := f.answer(each); err != nil || !more {
			return err
		}
		return f.end()
	case '{':
		for {
			raw, err := f.next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if !each(raw) {
				return nil
			}
			f.entry++
		}
	case 0:
		return nil
	}
	return errNoUsers
}

// shape looks at the beginning: '[', '{', 'r' for an object that is a REST
// answer rather than a user, 0 for an empty file and ' ' for anything else.
func (f *importFile) shape() byte {
	ahead, _ := f.head.Peek(f.head.Size()) // shorter in a small file
	ahead = bytes.TrimLeft(ahead, " \t\r\n")
	if len(ahead) == 0 {
		if _, err := f.head.Peek(1); errors.Is(err, io.EOF) {
			return 0
		}
		return '{' // the decoder skips what blank there is, or fails
	}
	if ahead[0] != '{' {
		if ahead[0] == '[' {
			return '['
		}
		return ' '
	}
	first := json.NewDecoder(bytes.NewReader(ahead))
	_, _ = first.Token() // the brace just seen
	switch key, _ := first.Token(); key {
	case "result", "resultCount", "pagedResultsCookie", "totalPagedResultsPolicy", "totalPagedResults",
		"remainingPagedResults":
		return 'r'
	}
	return '{'
}

// next reads one entry within its limit.
func (f *importFile) next() (json.RawMessage, error) {
	f.source.left = MaxImportEntry
	var raw json.RawMessage
	err := f.decoder.Decode(&raw)
	f.source.pass(f.decoder.InputOffset())
	return raw, err
}

// array reads the entries up to the closing bracket and reports whether the
// reader of them wants more.
func (f *importFile) array(each func(json.RawMessage) bool) (bool, error) {
	for f.more() {
		raw, err := f.next()
		if err != nil {
			return false, cut(err)
		}
		if !each(raw) {
			return false, nil
		}
		f.entry++
	}
	_, err := f.decoder.Token()
	return true, cut(err)
}

func (f *importFile) more() bool {
	f.source.left = MaxImportEntry
	return f.decoder.More()
}

// answer reads {"result":[...], ...}; only result matters.
func (f *importFile) answer(each func(json.RawMessage) bool) (bool, error) {
	if _, err := f.decoder.Token(); err != nil {
		return false, cut(err)
	}
	found := false
	for f.more() {
		key, err := f.decoder.Token()
		if err != nil {
			return false, cut(err)
		}
		if key != "result" {
			if _, err := f.next(); err != nil {
				return false, cut(err)
			}
			continue
		}
		open, err := f.decoder.Token()
		if err != nil {
			return false, cut(err)
		}
		if open != json.Delim('[') || found {
			return false, errNoUsers
		}
		found = true
		if more, err := f.array(each); err != nil || !more {
			return more, err
		}
	}
	if !found {
		return false, errNoUsers
	}
	_, err := f.decoder.Token()
	return true, cut(err)
}

// end wants nothing but blanks behind the last entry.
func (f *importFile) end() error {
	_, err := f.decoder.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errors.New("text after the end of the users")
}

// cut makes the end of the file within an entry the fault that it is.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lineReader knows the line of each offset that is still of interest, and
// fails when one entry wants more than left bytes.
type lineReader struct {
	from   io.Reader
	left   int
	offset int64
	passed int     // lines before ends
	ends   []int64 // offsets of the line ends read, the oldest first
}

func (l *lineReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errEntryTooLong
	}
	n, err := l.from.Read(p[:min(len(p), l.left)])
	for i, b := range p[:n] {
		if b == '\n' {
			l.ends = append(l.ends, l.offset+int64(i))
		}
	}
	l.left -= n
	l.offset += int64(n)
	return n, err
}

// pass forgets the line ends before an offset, which must not shrink from call
// to call.
func (l *lineReader) pass(offset int64) {
	for len(l.ends) > 0 && l.ends[0] < offset {
		l.ends = l.ends[1:]
		l.passed++
	}
}

// line tells the line of an offset, under the same rule.
func (l *lineReader) line(offset int64) int {
	l.pass(offset)
	return l.passed + 1
}
