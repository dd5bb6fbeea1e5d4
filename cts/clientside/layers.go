package clientside

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/asn1"
	"hash"
	"io"
	"math/big"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
)

// sign wraps text into a signed token.
func (w *worker) sign(l layer, text []byte) ([]byte, error) {
	header := w.headers[l]
	out := make([]byte, macRoom, macRoom+len(header)+1+b64.EncodedLen(len(text))+1+b64.EncodedLen(maxSignature))
	out = append(out, header...)
	out = append(out, '.')
	out = b64.AppendEncode(out, text)
	var sum [sha256.Size]byte
	signature := sum[:]
	if w.Algorithm == HS256 {
		sum = mac(w.Secret, out)
	} else {
		var err error
		if signature, err = w.signature(out[macRoom:]); err != nil {
			return nil, err
		}
	}
	out = append(out, '.')
	return b64.AppendEncode(out, signature)[macRoom:], nil
}

// maxSignature is about the longest there is, in bytes: that of an RSA key of
// 4096 bits.
const maxSignature = 512

// hasher is the hash of a signing algorithm.
func (a Algorithm) hasher() (crypto.Hash, func() hash.Hash) {
	switch a {
	case HS384, ES384:
		return crypto.SHA384, sha512.New384
	case HS512, ES512:
		return crypto.SHA512, sha512.New
	default:
		return crypto.SHA256, sha256.New
	}
}

func (w *worker) signature(content []byte) ([]byte, error) {
	id, newHash := w.Algorithm.hasher()
	if w.Algorithm.Symmetric() {
		sum := hmac.New(newHash, w.Secret)
		sum.Write(content)
		return sum.Sum(nil), nil
	}
	h := newHash()
	h.Write(content)
	digest := h.Sum(nil)
	// Both kinds of signature are deterministic: PKCS #1 v1.5 is by itself,
	// ECDSA without randomness is (RFC 6979).
	signature, err := w.Private.Sign(nil, digest, id)
	key, isEC := w.Private.(*ecdsa.PrivateKey)
	if err != nil || !isEC {
		return signature, err
	}
	var parts struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &parts); err != nil {
		return nil, err
	}
	n := key.Params().N
	if parts.S.Cmp(half(n)) > 0 {
		parts.S.Sub(n, parts.S)
	}
	size := (n.BitLen() + 7) / 8
	out := make([]byte, 2*size)
	parts.R.FillBytes(out[:size])
	parts.S.FillBytes(out[size:])
	return out, nil
}

func half(n *big.Int) *big.Int { return new(big.Int).Rsh(n, 1) }

// verify checks the signature of what stands behind the first macRoom bytes. It
// must have its one spelling.
func (w *worker) verify(signed, signature []byte) bool {
	raw := make([]byte, b64.DecodedLen(len(signature)))
	if len(raw) > 2*maxSignature || !decode(raw, signature) {
		return false
	}
	if w.Algorithm == HS256 {
		sum := mac(w.Secret, signed)
		return subtle.ConstantTimeCompare(sum[:], raw) == 1
	}
	text := signed[macRoom:]
	id, newHash := w.Algorithm.hasher()
	if w.Algorithm.Symmetric() {
		sum := hmac.New(newHash, w.Secret)
		sum.Write(text)
		return hmac.Equal(sum.Sum(nil), raw)
	}
	h := newHash()
	h.Write(text)
	digest := h.Sum(nil)
	switch key := w.Private.(type) {
	case *rsa.PrivateKey:
		return rsa.VerifyPKCS1v15(&key.PublicKey, id, digest, raw) == nil
	case *ecdsa.PrivateKey:
		n := key.Params().N
		size := (n.BitLen() + 7) / 8
		if len(raw) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(raw[:size]), new(big.Int).SetBytes(raw[size:])
		return s.Cmp(half(n)) <= 0 && ecdsa.Verify(&key.PublicKey, digest, r, s)
	}
	return false
}

func (w *worker) encrypts() bool {
	return w.Algorithm == Direct || w.Algorithm == KeyWrap || w.Algorithm == OAEP
}

// seal wraps claims into an encrypted token.
func (w *worker) seal(packed bool, claims []byte, random io.Reader) ([]byte, error) {
	header := w.headers[plain(packed)]
	var fresh [contentKey + nonceSize]byte
	if _, err := io.ReadFull(random, fresh[:]); err != nil {
		return nil, err
	}
	key, nonce := fresh[:contentKey], fresh[contentKey:]
	by, wrapped := w.content, []byte(nil)
	var err error
	switch w.Algorithm {
	case KeyWrap:
		wrapped, err = josecipher.KeyWrap(w.block, key)
	case OAEP:
		private := w.Private.(*rsa.PrivateKey) //nolint:errcheck,forcetypeassert // checked by fits
		wrapped, err = rsa.EncryptOAEP(sha256.New(), random, &private.PublicKey, key, nil)
	default:
	}
	if err == nil && w.Algorithm != Direct {
		by, err = newContent(key)
	}
	if err != nil {
		return nil, err
	}
	text, tag := by.seal(header, nonce, claims)
	out := make([]byte, 0, len(header)+4+b64.EncodedLen(len(wrapped))+b64.EncodedLen(nonceSize)+b64.EncodedLen(len(text))+b64.EncodedLen(tagSize))
	out = append(out, header...)
	for _, part := range [...][]byte{wrapped, nonce, text, tag[:tagSize]} {
		out = append(out, '.')
		out = b64.AppendEncode(out, part)
	}
	return out, nil
}

// decrypt reads the parts of an encrypted token behind its header.
func (w *worker) decrypt(l layer, text []byte) ([]byte, error) {
	wrapped, text, _ := bytes.Cut(text, dot)
	nonce, text, _ := bytes.Cut(text, dot)
	sealed, sum, _ := bytes.Cut(text, dot)
	if len(nonce) != b64.EncodedLen(nonceSize) || len(sum) != b64.EncodedLen(tagSize) {
		return nil, ErrToken
	}
	by, err := w.unwrap(wrapped)
	if err != nil {
		return nil, ErrToken
	}
	var tag [tagSize]byte
	if !decode(tag[:], sum) {
		return nil, ErrToken
	}
	claims, ok := by.open(w.headers[l], b64.DecodedLen(len(sealed)), tag[:], func(iv, ciphertext []byte) bool {
		return decode(iv, nonce) && decode(ciphertext, sealed)
	})
	if !ok {
		return nil, ErrToken
	}
	return claims, nil
}

// unwrap is the encryption of a token whose wrapped key is given as text.
func (w *worker) unwrap(wrapped []byte) (content, error) {
	if w.Algorithm == Direct {
		if len(wrapped) > 0 {
			return content{}, ErrToken
		}
		return w.content, nil
	}
	raw := make([]byte, b64.DecodedLen(len(wrapped)))
	if !decode(raw, wrapped) {
		return content{}, ErrToken
	}
	var key []byte
	var err error
	if w.Algorithm == KeyWrap {
		key, err = josecipher.KeyUnwrap(w.block, raw)
	} else {
		private := w.Private.(*rsa.PrivateKey) //nolint:errcheck,forcetypeassert // checked by fits
		key, err = rsa.DecryptOAEP(sha256.New(), nil, private, raw, nil)
	}
	if err != nil || len(key) != contentKey {
		return content{}, ErrToken
	}
	return newContent(key)
}
