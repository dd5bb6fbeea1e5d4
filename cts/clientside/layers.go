package clientside

import (
	"crypto"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"hash"
	"io"
	"math/big"
	"strings"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
)

// sign wraps text into a signed token.
func (w *worker) sign(l layer, text []byte) ([]byte, error) {
	header := w.headers[l]
	out := make([]byte, 0, len(header)+1+b64.EncodedLen(len(text))+1+b64.EncodedLen(512))
	out = append(out, header...)
	out = append(out, '.')
	out = b64.AppendEncode(out, text)
	signature, err := w.signature(out)
	if err != nil {
		return nil, err
	}
	out = append(out, '.')
	return b64.AppendEncode(out, signature), nil
}

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
		mac := hmac.New(newHash, w.Secret)
		mac.Write(content)
		return mac.Sum(nil), nil
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

// verify checks a signature, which must have its one spelling.
func (w *worker) verify(content, signature string) bool {
	raw, ok := decode(signature)
	if !ok {
		return false
	}
	id, newHash := w.Algorithm.hasher()
	if w.Algorithm.Symmetric() {
		mac := hmac.New(newHash, w.Secret)
		_, _ = io.WriteString(mac, content)
		return hmac.Equal(mac.Sum(nil), raw)
	}
	h := newHash()
	_, _ = io.WriteString(h, content)
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

// Sizes of A128CBC-HS256 (RFC 7518 section 5.2.3), in bytes.
const (
	contentKey = 32
	nonceSize  = aes.BlockSize
	tagSize    = 16
)

// seal wraps claims into an encrypted token.
func (w *worker) seal(packed bool, claims []byte, random io.Reader) ([]byte, error) {
	header := w.headers[plain(packed)]
	var fresh [contentKey + nonceSize]byte
	if _, err := io.ReadFull(random, fresh[:]); err != nil {
		return nil, err
	}
	key, nonce := fresh[:contentKey], fresh[contentKey:]
	aead, wrapped := w.aead, []byte(nil)
	var err error
	switch w.Algorithm {
	case KeyWrap:
		wrapped, err = josecipher.KeyWrap(w.block, key)
	case OAEP:
		private := w.Private.(*rsa.PrivateKey) //nolint:errcheck,forcetypeassert // checked by fits
		wrapped, err = rsa.EncryptOAEP(sha256.New(), random, &private.PublicKey, key, nil)
	default:
	}
	if err == nil && aead == nil {
		aead, err = josecipher.NewCBCHMAC(key, aes.NewCipher)
	}
	if err != nil {
		return nil, err
	}
	sealed := aead.Seal(nil, nonce, claims, []byte(header))
	text, tag := sealed[:len(sealed)-tagSize], sealed[len(sealed)-tagSize:]
	out := make([]byte, 0, len(header)+4+b64.EncodedLen(len(wrapped))+b64.EncodedLen(nonceSize)+b64.EncodedLen(len(text))+b64.EncodedLen(tagSize))
	out = append(out, header...)
	for _, part := range [][]byte{wrapped, nonce, text, tag} {
		out = append(out, '.')
		out = b64.AppendEncode(out, part)
	}
	return out, nil
}

var errContentKey = errors.New("not a content key")

// decrypt reads the parts of an encrypted token behind its header.
func (w *worker) decrypt(l layer, text string) ([]byte, error) {
	var parts [4][]byte
	for i := range parts {
		part, rest, more := strings.Cut(text, ".")
		raw, ok := decode(part)
		if !ok || more != (i < len(parts)-1) {
			return nil, ErrToken
		}
		parts[i], text = raw, rest
	}
	wrapped, nonce, sealed, tag := parts[0], parts[1], parts[2], parts[3]
	if len(nonce) != nonceSize || len(tag) != tagSize {
		return nil, ErrToken
	}
	aead := w.aead
	var key []byte
	var err error
	switch w.Algorithm {
	case KeyWrap:
		key, err = josecipher.KeyUnwrap(w.block, wrapped)
	case OAEP:
		private := w.Private.(*rsa.PrivateKey) //nolint:errcheck,forcetypeassert // checked by fits
		key, err = rsa.DecryptOAEP(sha256.New(), nil, private, wrapped, nil)
	default:
		if len(wrapped) > 0 {
			err = errContentKey
		}
	}
	if err == nil && aead == nil {
		if len(key) != contentKey {
			return nil, ErrToken
		}
		aead, err = josecipher.NewCBCHMAC(key, aes.NewCipher)
	}
	if err != nil {
		return nil, ErrToken
	}
	claims, err := aead.Open(nil, nonce, append(sealed, tag...), []byte(w.headers[l]))
	if err != nil {
		return nil, ErrToken
	}
	return claims, nil
}
