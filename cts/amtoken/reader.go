package amtoken

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// Limits, in bytes.
const (
	// MaxText bounds a token: AM's is a cookie.
	MaxText = 4 << 10
	// maxClaims bounds what it says, unpacked (AM's limit).
	maxClaims = 32 << 10
	// maxName bounds the names in it: of a realm, of a user.
	maxName = 256
)

// ErrToken says that a text is no token of that AM, or comes too late.
var ErrToken = errors.New("not a token of AM")

// claims are those of AM's session, as far as they count here.
type claims struct {
	ID      string         `json:"jti"`
	Subject string         `json:"sub"`
	Issuer  string         `json:"iss"`
	Expires *float64       `json:"exp"`     // seconds
	MaxTime *float64       `json:"maxtime"` // minutes
	Props   map[string]any `json:"props"`
}

// Open returns the session that a token of AM says, which may have expired. Its
// id is a hash of the token's jti, so that all tokens of one session are denied
// together. Its end is not after the configured date, and it is no
// administrator's. The error is ErrToken.
func (r *Reader) Open(token string, now time.Time) (session.Session, error) {
	if len(token) > MaxText || !now.Before(r.until) {
		return session.Session{}, ErrToken
	}
	text := token[strings.LastIndexByte(token, '*')+1:]
	payload, err := r.payload(text)
	if err != nil {
		return session.Session{}, ErrToken
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return session.Session{}, ErrToken
	}
	return r.session(c)
}

// payload verifies and decrypts a JWT down to its claims.
func (r *Reader) payload(text string) ([]byte, error) {
	packed := false
	content := []byte(text)
	if len(r.signing) > 0 {
		signed, err := jose.ParseSignedCompact(text, r.signing)
		if err != nil {
			return nil, err
		}
		header := signed.Signatures[0].Header
		if content, err = verify(signed, r.verifies); err != nil {
			return nil, err
		}
		switch header.ExtraHeaders["zip"] {
		case nil, "NONE":
		case "DEF":
			packed = true
		default:
			return nil, ErrToken
		}
	}
	if len(r.encryption) > 0 {
		if packed {
			return nil, ErrToken // what is encrypted is packed inside
		}
		sealed, err := jose.ParseEncryptedCompact(string(content), r.encryption, []jose.ContentEncryption{jose.A128CBC_HS256})
		if err != nil {
			return nil, err
		}
		if content, err = decrypt(sealed, r.decrypts); err != nil {
			return nil, err
		}
	}
	if packed {
		var err error
		content, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(content)), maxClaims+1))
		if err != nil {
			return nil, err
		}
	}
	if len(content) > maxClaims {
		return nil, ErrToken
	}
	return content, nil
}

func verify(signed *jose.JSONWebSignature, keys []any) (content []byte, err error) {
	for _, key := range keys {
		if content, err = signed.Verify(key); err == nil {
			return content, nil
		}
	}
	return nil, err
}

func decrypt(sealed *jose.JSONWebEncryption, keys []any) (content []byte, err error) {
	for _, key := range keys {
		if content, err = sealed.Decrypt(key); err == nil {
			return content, nil
		}
	}
	return nil, err
}

// session makes a session of what a token says.
func (r *Reader) session(c claims) (session.Session, error) {
	name, inUser, isUser := userOf(c.Subject)
	in, known := realmOf(c.Issuer, inUser)
	expires, timed := seconds(c.Expires)
	if !isUser || !known || !timed || c.ID == "" {
		return session.Session{}, ErrToken
	}
	if to, mapped := r.realms[in]; mapped {
		in = to
	}
	life := session.MaxHolderLife
	if c.MaxTime != nil && *c.MaxTime > 0 && *c.MaxTime < life.Minutes() {
		life = time.Duration(*c.MaxTime) * time.Minute
	}
	sum := sha256.Sum256([]byte("a session of AM\x00" + c.ID))
	x := session.Session{
		ID:         session.ID(sum[:16]),
		Principal:  session.Principal{Realm: in, Username: name, UniversalID: c.Subject},
		Created:    expires.Add(-life),
		ClientSide: true,
		Properties: map[string]string{},
	}
	x.LastAccess = x.Created
	if expires.After(r.until) {
		expires = r.until
	}
	if x.Policy.MaxSession = expires.Sub(x.Created); x.Policy.MaxSession <= 0 {
		return session.Session{}, ErrToken
	}
	for name, value := range c.Props {
		if text, ok := value.(string); ok {
			x.Properties[name] = text
		}
	}
	x.AuthLevel = level(x.Properties["AuthLevel"])
	if tree := x.Properties["Service"]; tree != "" {
		x.Trees = []string{tree}
	}
	return x, nil
}

// userOf reads a universal id: id=demo,ou=user,o=alpha,ou=services,dc=am. The
// rest says in which realm.
func userOf(universal string) (name, rest string, ok bool) {
	first, rest, found := strings.Cut(universal, ",")
	name, isID := strings.CutPrefix(first, "id=")
	rest, isUser := strings.CutPrefix(rest, "ou=user")
	ok = found && isID && isUser && name != "" && len(name) <= maxName && !strings.ContainsAny(name, "\\\"+<>;#\x00")
	return name, strings.TrimPrefix(rest, ","), ok
}

// realmOf reads the realm that a token was made in: its issuer as a path or as a
// DN, which must be that of the user's id.
func realmOf(issuer, ofUser string) (realm.Name, bool) {
	path, ok := pathOf(ofUser)
	if !ok {
		return "", false
	}
	if issuer == "" {
		return path, true
	}
	if strings.HasPrefix(issuer, "/") {
		return path, realm.Name(issuer) == path
	}
	in, ok := pathOf(issuer)
	return path, ok && in == path
}

// pathOf is /alpha/eu for o=eu,o=alpha,ou=services,dc=am, with ou=services once
// or behind each part, and / for dc=am.
func pathOf(dn string) (realm.Name, bool) {
	if len(dn) > maxName || strings.ContainsAny(dn, "\\\"\x00") {
		return "", false
	}
	var parts []string
	for part := range strings.SplitSeq(dn, ",") {
		name, isRealm := strings.CutPrefix(part, "o=")
		if isRealm && (name == "" || strings.Contains(name, "/")) {
			return "", false
		}
		if isRealm {
			parts = append(parts, name)
		} else if part != "ou=services" {
			break
		}
	}
	slices.Reverse(parts)
	path, err := realm.Parse(strings.Join(parts, "/"))
	return path, err == nil
}

// level reads AM's AuthLevel: a number, or one behind the realm's name.
func level(text string) int {
	n, err := strconv.Atoi(text[strings.LastIndexByte(text, ':')+1:])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// seconds reads a time of this millennium.
func seconds(n *float64) (time.Time, bool) {
	if n == nil || *n != math.Trunc(*n) || *n < 0 || *n > 1<<37 {
		return time.Time{}, false
	}
	return time.Unix(int64(*n), 0).UTC(), true
}
