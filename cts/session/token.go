package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// ErrToken says that a text is no token of this cluster: malformed, forged or
// made under another key. Nothing more is said about it.
var ErrToken = errors.New("not a session token")

// Keys are the two secrets behind tokens, one for each purpose.
type Keys struct {
	// Secret makes the unguessable part of a token out of its journey's id.
	// Whoever asks twice for one journey's token gets the same one.
	Secret []byte
	// Mark authenticates a token, so that a forged one costs no look-up.
	Mark []byte
}

// A token has AM's grammar (am-contract section 2.2): random*extensions*tail,
// with the alphabet of c66 encoding. Ours is
//
//	base64(secret, 20 bytes) "*" base64(SI SK type S1) "*"
//
// SK, AM's storage key, is 20 bytes: the log index that created the session
// (big endian, 8) and a mark over secret and index (12). A member that has
// applied less than the index knows that it must wait before it says that
// there is no such session.
const (
	secretLen = 20
	markLen   = 12
	typeCTS   = "CTS"
)

var c66 = base64.StdEncoding

// Mint returns the token and the id of the session of a journey. index is the
// log index of the command that created it.
func (k Keys) Mint(journey [16]byte, index uint64, server string) TokenID {
	secret := k.secret(journey)
	storage := binary.BigEndian.AppendUint64(make([]byte, 0, secretLen), index)
	storage = append(storage, k.mark(secret, index)...)

	ext := appendUTF(nil, "SI")
	ext = appendUTF(ext, server)
	ext = appendUTF(ext, "SK")
	ext = appendUTF(ext, encode(storage))
	ext = appendUTF(ext, "type")
	ext = appendUTF(ext, typeCTS)
	ext = appendUTF(ext, "S1")
	ext = appendUTF(ext, "")
	return TokenID(encode(secret) + "*" + encode(ext) + "*")
}

// SessionID is the id that the session of a journey has, known before it is
// created.
func (k Keys) SessionID(journey [16]byte) ID { return idOf(k.secret(journey)) }

// Parse checks a token and returns the session's id and the log index that
// created it.
func (k Keys) Parse(token TokenID) (ID, uint64, error) {
	first, rest, ok := strings.Cut(string(token), "*")
	if !ok || len(first) != c66.EncodedLen(secretLen) || len(rest) > 256 {
		return ID{}, 0, ErrToken
	}
	var secret [secretLen + 1]byte
	if n, err := decode(secret[:], first); err != nil || n != secretLen {
		return ID{}, 0, ErrToken
	}
	ext, tail, ok := strings.Cut(rest, "*")
	if !ok || tail != "" {
		return ID{}, 0, ErrToken
	}
	var storage [secretLen + 1]byte
	if n, err := storageKey(storage[:], ext); err != nil || n != secretLen {
		return ID{}, 0, ErrToken
	}
	index := binary.BigEndian.Uint64(storage[:8])
	if !hmac.Equal(storage[8:secretLen], k.mark(secret[:secretLen], index)) {
		return ID{}, 0, ErrToken
	}
	return idOf(secret[:secretLen]), index, nil
}

func (k Keys) secret(journey [16]byte) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write(journey[:])
	return h.Sum(nil)[:secretLen]
}

func (k Keys) mark(secret []byte, index uint64) []byte {
	h := hmac.New(sha256.New, k.Mark)
	h.Write(secret)
	h.Write(binary.BigEndian.AppendUint64(nil, index))
	return h.Sum(nil)[:markLen]
}

func idOf(secret []byte) ID {
	sum := sha256.Sum256(secret)
	return ID(sum[:16])
}

// storageKey finds SK among the extensions and decodes it into dst.
func storageKey(dst []byte, ext string) (int, error) {
	var raw [192]byte
	if c66.DecodedLen(len(ext)) > len(raw) {
		return 0, ErrToken
	}
	n, err := decode(raw[:], ext)
	if err != nil {
		return 0, ErrToken
	}
	rest := raw[:n]
	for len(rest) > 0 {
		var key, value []byte
		if key, rest, err = cutUTF(rest); err != nil {
			return 0, err
		}
		if value, rest, err = cutUTF(rest); err != nil {
			return 0, err
		}
		if string(key) == "SK" {
			return decode(dst, string(value))
		}
	}
	return 0, ErrToken
}

func appendUTF(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // our own short texts
	return append(b, text...)
}

func cutUTF(b []byte) (text, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, ErrToken
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, ErrToken
	}
	return b[2 : 2+n], b[2+n:], nil
}

// encode writes base64 in c66's alphabet: "-" for "+", "_" for "/", "." for "=".
func encode(raw []byte) string {
	text := []byte(c66.EncodeToString(raw))
	for i, c := range text {
		switch c {
		case '+':
			text[i] = '-'
		case '/':
			text[i] = '_'
		case '=':
			text[i] = '.'
		}
	}
	return string(text)
}

func decode(dst []byte, text string) (int, error) {
	if c66.DecodedLen(len(text)) > len(dst)+2 {
		return 0, ErrToken
	}
	var std [256]byte
	if len(text) > len(std) {
		return 0, ErrToken
	}
	for i := range len(text) {
		c := text[i]
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		case '.':
			c = '='
		case '+', '/', '=':
			return 0, ErrToken
		}
		std[i] = c
	}
	var out [194]byte
	n, err := c66.Decode(out[:], std[:len(text)])
	if err != nil || n > len(dst) {
		return 0, ErrToken
	}
	return copy(dst, out[:n]), nil
}
