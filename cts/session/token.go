package session

import (
	"crypto/sha256"
	"crypto/subtle"
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
	// Mark authenticates a token, so that a forged one costs no look-up. Tokens
	// with a mark by one of Accepted are good as well: a token's mark is the one
	// thing about it that changes when it is made again after a rotation.
	Mark     []byte
	Accepted [][]byte
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
	typeJWT   = "JWT"
	// maxExtensions bounds the middle part of a token, in bytes.
	maxExtensions = 256

	// MaxToken bounds a token, in bytes: with a cookie's name it has to fit into
	// the 4096 bytes that browsers keep of a cookie.
	MaxToken = 4<<10 - 128
)

// alphabet is that of c66: base64 with "-" for "+", "_" for "/" and, as
// padding, "." for "=".
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

var c66 = base64.NewEncoding(alphabet).WithPadding('.').Strict() //nolint:gochecknoglobals // never changed

// Mint returns the token and the id of the session of a journey. index is the
// log index of the command that created it.
func (k Keys) Mint(journey [16]byte, index uint64, server string) TokenID {
	secret := k.secret(journey)
	var storage [secretLen]byte
	binary.BigEndian.PutUint64(storage[:], index)
	mark := mark(k.Mark, secret[:secretLen], index)
	copy(storage[8:], mark[:markLen])

	var extBytes, bytes, key [maxExtensions]byte // longer ones go to the heap
	ext := appendUTF(extBytes[:0], "SI")
	ext = appendUTF(ext, server)
	ext = appendUTF(ext, "SK")
	ext = appendUTF(ext, c66.AppendEncode(key[:0], storage[:]))
	ext = appendUTF(ext, "type")
	ext = appendUTF(ext, typeCTS)
	ext = appendUTF(ext, "S1")
	ext = appendUTF(ext, "")

	token := c66.AppendEncode(bytes[:0], secret[:secretLen])
	token = append(token, '*')
	token = c66.AppendEncode(token, ext)
	return TokenID(append(token, '*'))
}

// SessionID is the id that the session of a journey has, known before it is
// created.
func (k Keys) SessionID(journey [16]byte) ID {
	secret := k.secret(journey)
	return idOf(secret[:secretLen])
}

// Parse checks a token and returns the session's id and the log index that
// created it. It is run for every request that carries a cookie and allocates
// nothing.
func (k Keys) Parse(token TokenID) (ID, uint64, error) {
	first, rest, ok := strings.Cut(string(token), "*")
	if !ok || len(first) != c66.EncodedLen(secretLen) || len(rest) > maxExtensions {
		return ID{}, 0, ErrToken
	}
	var secret [secretLen + 1]byte
	if n := decode(secret[:], first); n != secretLen {
		return ID{}, 0, ErrToken
	}
	ext, tail, ok := strings.Cut(rest, "*")
	if !ok || tail != "" {
		return ID{}, 0, ErrToken
	}
	var storage [secretLen + 1]byte
	if n := storageKey(storage[:], ext); n != secretLen {
		return ID{}, 0, ErrToken
	}
	index := binary.BigEndian.Uint64(storage[:8])
	if !k.marked(storage[8:secretLen], secret[:secretLen], index) {
		return ID{}, 0, ErrToken
	}
	return idOf(secret[:secretLen]), index, nil
}

// marked reports whether one of the keys has made a mark.
func (k Keys) marked(got, secret []byte, index uint64) bool {
	want := mark(k.Mark, secret, index)
	if subtle.ConstantTimeCompare(got, want[:markLen]) == 1 {
		return true
	}
	for _, key := range k.Accepted {
		want = mark(key, secret, index)
		if subtle.ConstantTimeCompare(got, want[:markLen]) == 1 {
			return true
		}
	}
	return false
}

func (k Keys) secret(journey [16]byte) [sha256.Size]byte { return mac(k.Secret, journey[:]) }

func mark(key, secret []byte, index uint64) [sha256.Size]byte {
	var message [secretLen + 8]byte
	copy(message[:], secret)
	binary.BigEndian.PutUint64(message[secretLen:], index)
	return mac(key, message[:])
}

// mac is HMAC-SHA-256 (RFC 2104) of a message of at most 64 bytes. crypto/hmac
// allocates three hash states for each message; this needs none, so that
// parsing a token costs no garbage.
func mac(key, message []byte) [sha256.Size]byte {
	var inner, outer [2 * sha256.BlockSize]byte
	if len(key) > sha256.BlockSize {
		short := sha256.Sum256(key)
		key = short[:]
	}
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := copy(inner[sha256.BlockSize:], message)
	sum := sha256.Sum256(inner[:sha256.BlockSize+n])
	n = copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:sha256.BlockSize+n])
}

func idOf(secret []byte) ID {
	sum := sha256.Sum256(secret)
	return ID(sum[:16])
}

// storageKey finds SK among the extensions and decodes it into dst. It returns
// the decoded length, negative when there is none.
func storageKey(dst []byte, ext string) int {
	var raw [maxExtensions]byte
	n := decode(raw[:], ext)
	if n < 0 {
		return -1
	}
	value, ok := extension(raw[:n], "SK")
	if !ok {
		return -1
	}
	return decode(dst, value)
}

// extension finds the value of one of the extensions.
func extension(ext []byte, name string) (value []byte, ok bool) {
	for len(ext) > 0 {
		var key []byte
		if key, ext, ok = cutUTF(ext); !ok {
			return nil, false
		}
		if value, ext, ok = cutUTF(ext); !ok {
			return nil, false
		}
		if string(key) == name {
			return value, true
		}
	}
	return nil, false
}

func appendUTF[T string | []byte](b []byte, text T) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // our own short texts
	return append(b, text...)
}

func cutUTF(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// decode writes the decoded text to dst and returns its length, negative for a
// text that is not canonical c66 or longer than dst holds.
func decode[T string | []byte](dst []byte, text T) int {
	var in, out [maxExtensions]byte
	if len(text) > len(in) {
		return -1
	}
	for i := range len(text) {
		if text[i] == '\r' || text[i] == '\n' { // skipped by encoding/base64
			return -1
		}
		in[i] = text[i]
	}
	n, err := c66.Decode(out[:], in[:len(text)])
	if err != nil || n > len(dst) {
		return -1
	}
	return copy(dst, out[:n])
}

// Carry returns the token of a session that its holder keeps: in AM's grammar
// the text that says everything stands behind the extensions, and there is no
// random part.
//
//	"*" base64(SI type S1) "*" text
func Carry(text, server string) TokenID { return carrier(server) + TokenID(text) }

func carrier(server string) TokenID {
	ext := appendUTF([]byte(nil), "SI")
	ext = appendUTF(ext, server)
	ext = appendUTF(ext, "type")
	ext = appendUTF(ext, typeJWT)
	ext = appendUTF(ext, "S1")
	ext = appendUTF(ext, "")
	return TokenID("*" + c66.EncodeToString(ext) + "*")
}

// Carries reports whether the session of a token is inside it, and returns the
// text that says so, which may be anything.
func (t TokenID) Carries() (text string, ok bool) {
	if len(t) == 0 || t[0] != '*' {
		return "", false
	}
	ext, text, ok := strings.Cut(string(t[1:]), "*")
	if !ok || len(ext) > maxExtensions {
		return "", false
	}
	var raw [maxExtensions]byte
	n := decode(raw[:], ext)
	if n < 0 {
		return "", false
	}
	kind, ok := extension(raw[:n], "type")
	return text, ok && string(kind) == typeJWT
}
