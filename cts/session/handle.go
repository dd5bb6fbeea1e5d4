package session

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// Handle names a session to list or end it; it opens nothing. That of a session
// which its holder keeps also says until when that session has to be denied:
// nobody else knows.
//
//	"shandle:" base64url(ID, 16 bytes)
//	"shandle:" base64url(ID, 16 bytes; end in seconds of Unix time, big endian, 8)
type Handle string

const (
	handlePrefix = "shandle:"
	handleEnd    = 8
)

// ErrHandle says that a text is not a session handle.
var ErrHandle = errors.New("not a session handle")

// Handle returns the handle of a session that the token store keeps.
func (id ID) Handle() Handle {
	return Handle(handlePrefix + base64.RawURLEncoding.EncodeToString(id[:]))
}

// Handle returns the session's handle.
func (s Session) Handle() Handle {
	if !s.ClientSide {
		return s.ID.Handle()
	}
	end := s.MaxExpires().Add(time.Second - 1).Unix()
	raw := binary.BigEndian.AppendUint64(s.ID[:], uint64(end)) //nolint:gosec // read back the same way
	return Handle(handlePrefix + base64.RawURLEncoding.EncodeToString(raw))
}

// ID reads a handle back.
func (h Handle) ID() (ID, error) {
	raw, err := h.bytes()
	if err != nil {
		return ID{}, err
	}
	return ID(raw[:len(ID{})]), nil
}

// Denial is what denies the session of a handle; false when its holder does not
// keep it, or the text is no handle.
func (h Handle) Denial() (Denial, bool) {
	raw, err := h.bytes()
	if err != nil || len(raw) == len(ID{}) {
		return Denial{}, false
	}
	end := int64(binary.BigEndian.Uint64(raw[len(ID{}):])) //nolint:gosec // written the same way
	return Denial{ID: ID(raw[:len(ID{})]), Until: time.Unix(end, 0).UTC()}, true
}

func (h Handle) bytes() ([]byte, error) {
	const longest = len(handlePrefix) + (len(ID{})+handleEnd+2)/3*4
	if len(h) < len(handlePrefix) || len(h) > longest || h[:len(handlePrefix)] != handlePrefix {
		return nil, ErrHandle
	}
	text := string(h[len(handlePrefix):])
	if strings.ContainsAny(text, "\r\n") { // passed over by encoding/base64
		return nil, ErrHandle
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(ID{}) && len(raw) != len(ID{})+handleEnd {
		return nil, ErrHandle
	}
	return raw, nil
}
