package clientside

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"sojourn/actors/realm"
)

// Algorithm is what a key is used with, by its JOSE name (RFC 7518).
type Algorithm string

// The algorithms. AES key wrap has a key of 256 bits, as have AM's secrets.
const (
	HS256   Algorithm = "HS256"
	HS384   Algorithm = "HS384"
	HS512   Algorithm = "HS512"
	RS256   Algorithm = "RS256"
	ES256   Algorithm = "ES256"
	ES384   Algorithm = "ES384"
	ES512   Algorithm = "ES512"
	Direct  Algorithm = "dir"
	KeyWrap Algorithm = "A256KW"
	OAEP    Algorithm = "RSA-OAEP-256"
)

// Symmetric reports whether the algorithm's key is a secret of SecretSize bytes,
// and not a private key.
func (a Algorithm) Symmetric() bool { return a.SecretSize() > 0 }

// SecretSize is the length of a symmetric key, in bytes; zero for others.
func (a Algorithm) SecretSize() int {
	switch a {
	case HS256, Direct, KeyWrap:
		return 32
	case HS384:
		return 48
	case HS512:
		return 64
	case RS256, ES256, ES384, ES512, OAEP:
	}
	return 0
}

// Algorithms lists them all.
func Algorithms() []Algorithm {
	return []Algorithm{HS256, HS384, HS512, RS256, ES256, ES384, ES512, Direct, KeyWrap, OAEP}
}

// signatures and encryptions say which algorithm AM's settings name.
func signatures() map[realm.Signing]Algorithm {
	return map[realm.Signing]Algorithm{
		realm.HS256: HS256, realm.HS384: HS384, realm.HS512: HS512, realm.RS256: RS256,
		realm.ES256: ES256, realm.ES384: ES384, realm.ES512: ES512,
	}
}

func encryptions() map[realm.Encryption]Algorithm {
	return map[realm.Encryption]Algorithm{realm.Direct: Direct, realm.AESKeyWrap: KeyWrap, realm.RSAEncryption: OAEP}
}

// Needs lists the algorithms that settings which Check takes need keys for.
func Needs(how realm.ClientSide) []Algorithm {
	needs := []Algorithm{Direct} // of journeys and persistent cookies, whatever else is set
	if a, ok := signatures()[how.Signing]; ok {
		needs = append(needs, a)
	}
	if a, ok := encryptions()[how.Encryption]; ok && a != Direct {
		needs = append(needs, a)
	}
	return needs
}

// Key is a key for one purpose and one algorithm. It prints as [redacted].
type Key struct {
	Purpose   Purpose
	Algorithm Algorithm
	// Generation counts from 1 within purpose and algorithm.
	Generation uint32
	// Active keys seal; all others only open. One of each purpose and algorithm
	// may be.
	Active bool
	// Secret has Algorithm.SecretSize bytes; of other algorithms Private is set:
	// an *ecdsa.PrivateKey on the algorithm's curve, or an *rsa.PrivateKey of at
	// least 2048 bits.
	Secret  []byte
	Private crypto.Signer
}

// ID is the kid: what tells the key from all others.
func (k Key) ID() string {
	return k.Purpose.String() + "." + string(k.Algorithm) + "." + strconv.FormatUint(uint64(k.Generation), 10)
}

const redacted = "[redacted]"

// Format writes the kid and [redacted] for every verb.
func (k Key) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, k.ID()+" "+redacted) }
func (k Key) LogValue() slog.Value         { return slog.StringValue(k.ID() + " " + redacted) }
func (k Key) MarshalText() ([]byte, error) { return []byte(k.ID() + " " + redacted), nil }

// Keys are all keys that tokens are sealed and opened with at a time. They are
// never changed: others take their place.
type Keys struct {
	// forms are the headers that a token may have, encoded.
	forms map[string]form
	use   map[use]*worker
	// newest generation of each purpose and algorithm.
	newest map[use]uint32
}

type use struct {
	purpose   Purpose
	algorithm Algorithm
}

// form is what a header says.
type form struct {
	*worker
	layer layer
}

// layer is what stands inside a token: claims, plain or packed, or for a signed
// one an encrypted token.
type layer byte

const (
	claimsLayer layer = iota
	packedLayer
	nested
	layers
)

func plain(packed bool) layer {
	if packed {
		return packedLayer
	}
	return claimsLayer
}

// worker is a key with all that can be made ready beforehand.
type worker struct {
	Key
	headers [layers]string // encoded; empty where the algorithm has no such form
	block   cipher.Block   // of KeyWrap
	content content        // of Direct
}

// NewKeys makes keys ready. It refuses a key that does not fit its algorithm, a
// second key of the same id, and a second active one of a purpose and algorithm.
func NewKeys(all []Key) (*Keys, error) {
	keys := &Keys{forms: map[string]form{}, use: map[use]*worker{}, newest: map[use]uint32{}}
	for _, k := range all {
		w, err := newWorker(k)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID(), err)
		}
		for l, header := range w.headers {
			if header == "" {
				continue
			}
			if _, twice := keys.forms[header]; twice {
				return nil, fmt.Errorf("key %s: %w", k.ID(), errTwice)
			}
			keys.forms[header] = form{w, layer(l)} //nolint:gosec // one of a few
		}
		u := use{k.Purpose, k.Algorithm}
		keys.newest[u] = max(keys.newest[u], k.Generation)
		if !k.Active {
			continue
		}
		if keys.use[u] != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID(), errActive)
		}
		keys.use[u] = w
	}
	return keys, nil
}

var (
	errTwice     = errors.New("it is there twice")
	errActive    = errors.New("another one is active")
	errPurpose   = errors.New("it has no purpose that is known")
	errAlgorithm = errors.New("it does not fit its algorithm")
)

func newWorker(k Key) (*worker, error) {
	if k.Purpose < Session || k.Purpose > PersistentCookie {
		return nil, errPurpose
	}
	if !fits(k) {
		return nil, errAlgorithm
	}
	w := &worker{Key: k}
	kid := `{"typ":"JWT","kid":"` + k.ID() + `"`
	alg := `,"alg":"` + string(k.Algorithm) + `"}`
	encoded := func(between string) string { return b64.EncodeToString([]byte(kid + between + alg)) }
	const enc, zip = `,"enc":"A128CBC-HS256"`, `,"zip":"DEF"`
	var err error
	switch k.Algorithm {
	case Direct:
		w.content, err = newContent(k.Secret)
	case KeyWrap:
		w.block, err = aes.NewCipher(k.Secret)
	case OAEP:
	default:
		w.headers = [layers]string{encoded(""), encoded(zip), encoded(`,"cty":"JWT"`)}
		return w, nil
	}
	w.headers = [layers]string{encoded(enc), encoded(enc + zip)}
	return w, err
}

// fits reports whether the key is one for its algorithm.
func fits(k Key) bool {
	if size := k.Algorithm.SecretSize(); size > 0 {
		return len(k.Secret) == size && k.Private == nil
	}
	if len(k.Secret) > 0 {
		return false
	}
	switch private := k.Private.(type) {
	case *rsa.PrivateKey:
		return (k.Algorithm == RS256 || k.Algorithm == OAEP) && private.N.BitLen() >= 2048
	case *ecdsa.PrivateKey:
		return private.Curve == curve(k.Algorithm) && private.Curve != nil
	}
	return false
}

func curve(a Algorithm) elliptic.Curve {
	switch a {
	case ES256:
		return elliptic.P256()
	case ES384:
		return elliptic.P384()
	case ES512:
		return elliptic.P521()
	default:
		return nil
	}
}

// active are the keys to seal with; nil for a layer that is not wanted.
func (k *Keys) active(p Purpose, how realm.ClientSide) (signing, encryption *worker, err error) {
	if a, wanted := signatures()[how.Signing]; wanted {
		if signing = k.use[use{p, a}]; signing == nil {
			return nil, nil, &MissingKeyError{p, a}
		}
	}
	if a, wanted := encryptions()[how.Encryption]; wanted {
		if encryption = k.use[use{p, a}]; encryption == nil {
			return nil, nil, &MissingKeyError{p, a}
		}
	}
	return signing, encryption, nil
}

// open verifies and decrypts a token, down to its claims, which may be packed.
func (k *Keys) open(p Purpose, text string) (claims []byte, packed bool, err error) {
	room := make([]byte, macRoom+len(text))
	outer := room[macRoom : macRoom+copy(room[macRoom:], text)]
	header, rest, _ := bytes.Cut(outer, dot)
	f, known := k.forms[string(header)]
	switch {
	case !known:
		return nil, false, k.unknown(p, header)
	case f.Purpose != p || f.Algorithm == OAEP: // alone anybody can make one
		return nil, false, ErrToken
	case f.encrypts():
		claims, err = f.decrypt(f.layer, rest)
		return claims, f.layer == packedLayer, err
	}
	signed := bytes.LastIndexByte(outer, '.')
	if signed <= len(header) || !f.verify(room[:macRoom+signed], outer[signed+1:]) {
		return nil, false, ErrToken
	}
	payload := outer[len(header)+1 : signed]
	inner := make([]byte, b64.DecodedLen(len(payload)))
	if !decode(inner, payload) {
		return nil, false, ErrToken
	}
	if f.layer != nested {
		return inner, f.layer == packedLayer, nil
	}
	header, rest, _ = bytes.Cut(inner, dot)
	within, known := k.forms[string(header)]
	if !known || within.Purpose != p || !within.encrypts() {
		return nil, false, ErrToken
	}
	claims, err = within.decrypt(within.layer, rest)
	return claims, within.layer == packedLayer, err
}

// unknown tells a header with a newer kid from one that is not ours.
func (k *Keys) unknown(p Purpose, header []byte) error {
	header = header[:min(len(header), 512)]
	raw := make([]byte, b64.DecodedLen(len(header)))
	if !decode(raw, header) {
		return ErrToken
	}
	_, rest, _ := strings.Cut(string(raw), `"kid":"`)
	kid, _, _ := strings.Cut(rest, `"`)
	rest, ours := strings.CutPrefix(kid, p.String()+".")
	algorithm, number, _ := strings.Cut(rest, ".")
	generation, err := strconv.ParseUint(number, 10, 32)
	newest, there := k.newest[use{p, Algorithm(algorithm)}]
	if !ours || err != nil || there && uint32(generation) <= newest || !there && !isAlgorithm(algorithm) {
		return ErrToken
	}
	return &NewerKeyError{p}
}

func isAlgorithm(name string) bool {
	for _, a := range Algorithms() {
		if string(a) == name {
			return true
		}
	}
	return false
}

//nolint:gochecknoglobals // never changed
var (
	// b64 takes no spare bits; decode no line ends either.
	b64 = base64.RawURLEncoding.Strict()
	dot = []byte(".")
)

// decode fills dst, which is as long as the text says, and reports whether the
// text is what dst is spelled as.
func decode(dst, text []byte) bool {
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 || b64.DecodedLen(len(text)) != len(dst) {
		return false
	}
	n, err := b64.Decode(dst, text)
	return err == nil && n == len(dst)
}
