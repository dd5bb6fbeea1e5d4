package peer

import (
	"encoding/binary"
	"errors"

	"sojourn/cts/internal/octets"
)

// ErrMalformed says that bytes are no message of this version.
var ErrMalformed = errors.New("malformed message")

// appendTexts writes at most MaxStores texts.
func appendTexts(b []byte, all []string) []byte {
	all = all[:min(len(all), MaxStores)]
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, text := range all {
		b = octets.AppendText(b, text)
	}
	return b
}

// reader is octets.Reader with the values of this package.
type reader struct{ octets.Reader }

func on(data []byte) reader { return reader{octets.On(data, ErrMalformed)} }

func (r *reader) texts() (all []string) {
	for range r.Count(MaxStores, 1) {
		all = append(all, r.Text())
	}
	return all
}

// open reads version and kind.
func open(data []byte) (*reader, byte) {
	r := on(data)
	if v := r.Byte(); r.Err() == nil && v != version {
		r.Fail("version %d, this release knows %d", v, version)
	}
	return &r, r.Byte()
}
