package amtoken

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sojourn/actors/realm"
)

// Config says which tokens are taken.
type Config struct {
	// Until is when the last of them ends.
	Until time.Time
	// Signing is AM's statelessSigningType, and SigningKeys what its signatures
	// are verified with: for HS256 and its like the secret in base64, as AM
	// exports it; for others the public key, or a certificate, in PEM. None for
	// NONE; of several any will do.
	Signing     realm.Signing
	SigningKeys [][]byte
	// Encryption is statelessEncryptionType, and EncryptionKeys what it is undone
	// with: for DIRECT and AES_KEYWRAP the secret in base64, for RSA the private
	// key in PEM.
	Encryption     realm.Encryption
	EncryptionKeys [][]byte
	// Realms says which realm here an AM's realm is; one that is not among them
	// has its own name.
	Realms map[realm.Name]realm.Name
	// Suffix is what universal ids end with here: a user has the one that a login
	// here gives, not the one of that AM.
	Suffix string
}

// MaxKeys bounds the keys of each kind: a token is tried with each.
const MaxKeys = 4

var (
	errUntil       = errors.New("a date is needed until which tokens of AM are taken")
	errUnprotected = errors.New("tokens that are neither signed nor encrypted, or encrypted with RSA alone, can be made by anybody")
	errNoKey       = errors.New("at least one key is needed")
	errKeys        = fmt.Errorf("at most %d keys are understood", MaxKeys)
	errSpare       = errors.New("there are keys, but nothing that they are for")
	errSecret      = errors.New("not a secret in base64 of at least 16 bytes")
	errDirect      = errors.New("a secret of 32 bytes in base64 is needed: A128CBC-HS256 has no other")
	errWrap        = errors.New("a secret of 16, 24 or 32 bytes in base64 is needed")
	errPEM         = errors.New("not a key in PEM")
	errPublic      = errors.New("the key does not fit the signing algorithm")
	errPrivate     = errors.New("an RSA private key of at least 2048 bits is needed")
)

// Reader opens AM's tokens. It is safe for concurrent use.
type Reader struct {
	until              time.Time
	realms             map[realm.Name]realm.Name
	suffix             string
	signing            []jose.SignatureAlgorithm // one, or none
	encryption         []jose.KeyAlgorithm       // one, or none
	verifies, decrypts []any
}

// New makes the keys ready. It tells which setting is wrong with a
// *SettingError.
func New(c Config) (*Reader, error) {
	if c.Until.IsZero() {
		return nil, &SettingError{"until", errUntil}
	}
	r := &Reader{until: c.Until, realms: c.Realms, suffix: c.Suffix}
	if c.Signing != realm.SigningNone {
		r.signing = []jose.SignatureAlgorithm{jose.SignatureAlgorithm(c.Signing)}
	}
	if err := keysOf(c.SigningKeys, len(r.signing) > 0, &r.verifies, func(text []byte) (any, error) { return verifying(c.Signing, text) }); err != nil {
		return nil, &SettingError{"signingKeys", err}
	}
	switch c.Encryption {
	case realm.EncryptionNone:
	case realm.Direct:
		r.encryption = []jose.KeyAlgorithm{jose.DIRECT}
	case realm.AESKeyWrap:
		r.encryption = []jose.KeyAlgorithm{jose.A128KW, jose.A192KW, jose.A256KW}
	case realm.RSAEncryption:
		r.encryption = []jose.KeyAlgorithm{jose.RSA_OAEP_256}
	default:
		return nil, &SettingError{"encryption", fmt.Errorf("%q is none of NONE, DIRECT, AES_KEYWRAP, RSA", c.Encryption)}
	}
	if err := keysOf(c.EncryptionKeys, len(r.encryption) > 0, &r.decrypts, func(text []byte) (any, error) { return decrypting(c.Encryption, text) }); err != nil {
		return nil, &SettingError{"encryptionKeys", err}
	}
	if c.Signing == realm.SigningNone && (c.Encryption == realm.EncryptionNone || c.Encryption == realm.RSAEncryption) {
		return nil, &SettingError{"signing", errUnprotected}
	}
	return r, nil
}

// SettingError says which setting of a Config is wrong.
type SettingError struct {
	Setting string
	Err     error
}

func (e *SettingError) Error() string { return e.Setting + ": " + e.Err.Error() }
func (e *SettingError) Unwrap() error { return e.Err }

func keysOf(texts [][]byte, wanted bool, keys *[]any, read func([]byte) (any, error)) error {
	switch {
	case !wanted && len(texts) > 0:
		return errSpare
	case wanted && len(texts) == 0:
		return errNoKey
	case len(texts) > MaxKeys:
		return errKeys
	}
	for i, text := range texts {
		key, err := read(text)
		if err != nil {
			return fmt.Errorf("key %d: %w", i+1, err)
		}
		*keys = append(*keys, key)
	}
	return nil
}

// verifying reads a key for a signing algorithm.
func verifying(s realm.Signing, text []byte) (any, error) {
	switch s {
	case realm.HS256, realm.HS384, realm.HS512:
		key, err := secretOf(text)
		if err != nil || len(key) < 16 {
			return nil, errSecret
		}
		return key, nil
	case realm.RS256, realm.ES256, realm.ES384, realm.ES512:
		return public(s, text)
	case realm.SigningNone:
	}
	return nil, fmt.Errorf("%q is none of NONE, HS256, HS384, HS512, RS256, ES256, ES384, ES512", s)
}

func public(s realm.Signing, text []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errPEM
	}
	var key any
	if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
		key = certificate.PublicKey
	} else if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return nil, errPEM
	}
	curves := map[realm.Signing]elliptic.Curve{realm.ES256: elliptic.P256(), realm.ES384: elliptic.P384(), realm.ES512: elliptic.P521()}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if s == realm.RS256 && k.N.BitLen() >= 2048 {
			return k, nil
		}
	case *ecdsa.PublicKey:
		if curves[s] != nil && curves[s] == k.Curve {
			return k, nil
		}
	}
	return nil, errPublic
}

// decrypting reads a key for an encryption.
func decrypting(e realm.Encryption, text []byte) (any, error) {
	if e == realm.RSAEncryption {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, errPEM
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		}
		if private, ok := key.(*rsa.PrivateKey); err == nil && ok && private.N.BitLen() >= 2048 {
			return private, nil
		}
		return nil, errPrivate
	}
	key, err := secretOf(text)
	switch {
	case e == realm.Direct && (err != nil || len(key) != 32):
		return nil, errDirect
	case err != nil || len(key) != 16 && len(key) != 24 && len(key) != 32:
		return nil, errWrap
	}
	return key, nil
}

func secretOf(text []byte) ([]byte, error) {
	return base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
}
