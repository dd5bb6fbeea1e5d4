package clientside

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// Sizes of A128CBC-HS256 (RFC 7518 section 5.2.3), in bytes.
const (
	contentKey = 32 // half of it for the hash, half for AES
	nonceSize  = aes.BlockSize
	tagSize    = 16
)

// macRoom is what must be left free in front of a message for mac.
const macRoom = sha256.BlockSize

// mac is HMAC-SHA-256 (RFC 2104), under a key of at most one block, of what
// follows the first macRoom bytes. These are overwritten: so that no hash has to
// be set up, which costs more than hashing a token.
func mac(key, room []byte) [sha256.Size]byte {
	var outer [macRoom + sha256.Size]byte
	inner := room[:macRoom]
	clear(inner)
	copy(inner, key)
	copy(outer[:], key)
	for i := range macRoom {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	sum := sha256.Sum256(room)
	copy(outer[macRoom:], sum[:])
	return sha256.Sum256(outer[:])
}

// content is the encryption of a token's content: A128CBC-HS256 under one key.
type content struct {
	mac   []byte
	block cipher.Block
}

func newContent(key []byte) (content, error) {
	block, err := aes.NewCipher(key[contentKey/2:])
	return content{key[:contentKey/2], block}, err
}

// A frame is what the tag of A128CBC-HS256 is made of, with room in front:
//
//	room | header | nonce | ciphertext | length of the header in bits
//
// seal encrypts claims and returns nonce and ciphertext inside a new frame, and
// the tag.
func (c content) seal(header string, nonce, claims []byte) (ciphertext []byte, tag [sha256.Size]byte) {
	padding := aes.BlockSize - len(claims)%aes.BlockSize
	frame, at := newFrame(header, len(claims)+padding)
	copy(frame[at-nonceSize:], nonce)
	ciphertext = frame[at : len(frame)-8]
	for i := copy(ciphertext, claims); i < len(ciphertext); i++ {
		ciphertext[i] = byte(padding)
	}
	cipher.NewCBCEncrypter(c.block, nonce).CryptBlocks(ciphertext, ciphertext)
	return ciphertext, mac(c.mac, frame)
}

// open decrypts a ciphertext of some bytes that fill writes, with the nonce in
// front of it, into a new frame. It reports whether all was as it should be.
func (c content) open(header string, size int, tag []byte, fill func(nonce, ciphertext []byte) bool) ([]byte, bool) {
	if size == 0 || size%aes.BlockSize != 0 {
		return nil, false
	}
	frame, at := newFrame(header, size)
	nonce, ciphertext := frame[at-nonceSize:at], frame[at:len(frame)-8]
	if !fill(nonce, ciphertext) {
		return nil, false
	}
	want := mac(c.mac, frame)
	if subtle.ConstantTimeCompare(want[:tagSize], tag) != 1 {
		return nil, false
	}
	// The tag was right: what follows tells nothing to a forger.
	cipher.NewCBCDecrypter(c.block, nonce).CryptBlocks(ciphertext, ciphertext)
	padding := int(ciphertext[size-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, false
	}
	for _, b := range ciphertext[size-padding:] {
		if int(b) != padding {
			return nil, false
		}
	}
	return ciphertext[: size-padding : size-padding], true
}

// newFrame makes a frame for so much ciphertext, which begins at.
func newFrame(header string, size int) (frame []byte, at int) {
	at = macRoom + len(header) + nonceSize
	frame = make([]byte, at+size+8)
	copy(frame[macRoom:], header)
	binary.BigEndian.PutUint64(frame[at+size:], 8*uint64(len(header)))
	return frame, at
}
