package clientside

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
)

// FuzzContent compares the encryption of contents with that of go-jose: what one
// makes the other reads, and what the one refuses the other refuses too.
func FuzzContent(f *testing.F) {
	f.Add([]byte("key"), "header", []byte("nonce"), []byte("claims"), uint16(3))
	f.Add([]byte{1}, "", []byte{2}, bytes.Repeat([]byte{3}, 64), uint16(70))
	f.Fuzz(func(t *testing.T, secret []byte, header string, iv, claims []byte, at uint16) {
		key, nonce := make([]byte, contentKey), make([]byte, nonceSize)
		copy(key, secret)
		copy(nonce, iv)
		ours, err := newContent(key)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := josecipher.NewCBCHMAC(key, aes.NewCipher)
		if err != nil {
			t.Fatal(err)
		}
		ciphertext, tag := ours.seal(header, nonce, claims)
		sealed := theirs.Seal(nil, nonce, claims, []byte(header))
		if got := append(bytes.Clone(ciphertext), tag[:tagSize]...); !bytes.Equal(got, sealed) {
			t.Fatalf("sealed %x, go-jose %x", got, sealed)
		}
		open := func(sealed []byte) ([]byte, bool) {
			size := len(sealed) - tagSize
			return ours.open(header, size, sealed[size:], func(n, c []byte) bool {
				copy(n, nonce)
				copy(c, sealed)
				return true
			})
		}
		if got, ok := open(sealed); !ok || !bytes.Equal(got, claims) {
			t.Fatalf("opened %x, %v; sealed %x", got, ok, claims)
		}
		sealed[int(at)%len(sealed)] ^= byte(1 + at>>8)
		got, ok := open(sealed)
		want, err := theirs.Open(nil, nonce, sealed, []byte(header))
		if ok != (err == nil) || !bytes.Equal(got, want) {
			t.Fatalf("changed: opened %x, %v; go-jose %x, %v", got, ok, want, err)
		}
	})
}

// FuzzMac compares mac with crypto/hmac.
func FuzzMac(f *testing.F) {
	f.Add([]byte("key"), []byte("message"))
	f.Fuzz(func(t *testing.T, key, message []byte) {
		key = key[:min(len(key), macRoom)]
		sum := hmac.New(sha256.New, key)
		sum.Write(message)
		if got := mac(key, append(bytes.Repeat([]byte{0xa5}, macRoom), message...)); !bytes.Equal(got[:], sum.Sum(nil)) {
			t.Fatalf("mac of %x is %x", message, got)
		}
	})
}

// What has the right tag and the wrong padding is refused: its maker holds the
// key, but is not us.
func TestWrongPadding(t *testing.T) {
	c, err := newContent(secretOf("padding", contentKey))
	if err != nil {
		t.Fatal(err)
	}
	block := func(last ...byte) []byte { return append(make([]byte, aes.BlockSize-len(last)), last...) }
	for name, tc := range map[string]struct {
		plain []byte
		good  bool
	}{
		"one byte":          {block(1), true},
		"a whole block":     {bytes.Repeat([]byte{aes.BlockSize}, aes.BlockSize), true},
		"none":              {block(0), false},
		"more than a block": {block(17), false},
		"bytes that differ": {block(3, 2, 3), false},
	} {
		frame, at := newFrame("h", len(tc.plain))
		ciphertext := frame[at : len(frame)-8]
		cipher.NewCBCEncrypter(c.block, frame[at-nonceSize:at]).CryptBlocks(ciphertext, tc.plain)
		tag := mac(c.mac, frame)
		_, ok := c.open("h", len(ciphertext), tag[:tagSize], func(_, into []byte) bool { copy(into, ciphertext); return true })
		if ok != tc.good {
			t.Errorf("%s: opened %v, want %v", name, ok, tc.good)
		}
	}
	for _, size := range []int{0, 1, aes.BlockSize - 1, aes.BlockSize + 1} {
		if _, ok := c.open("h", size, make([]byte, tagSize), func(_, _ []byte) bool { return true }); ok {
			t.Errorf("opened %d bytes", size)
		}
	}
}
