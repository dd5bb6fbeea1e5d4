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
	// maxLife bounds what a token may say of its whole life: longer is as long.
	maxLife = 100 * 365 * 24 * time.Hour
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
	Type    any            `json:"stype"`   // a number, or a word
	State   any            `json:"state"`   // as Type
	Props   map[string]any `json:"props"`
}

// Open returns the session that a token of AM says, which may have expired. Its
// id is a hash of the token's jti, so that all tokens of one session are denied
// together. Its end is not after the configured date and not after MaxHolderLife,
// since denials are not kept for longer; it began before now, and it is no
// administrator's. The error is ErrToken, also for what is no session of a user
// who has logged in.
func (r *Reader) Open(token string, now time.Time) (session.Session, error) {
	if len(token) > MaxText || !now.Before(r.until) {
		return session.Session{}, ErrToken
	}
	text, ok := carried(token)
	if !ok {
		return session.Session{}, ErrToken
	}
	payload, err := r.payload(text)
	if err != nil {
		return session.Session{}, ErrToken
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return session.Session{}, ErrToken
	}
	return r.session(c, now)
}

// carried is the JWT of a token: all of it, or what is behind the extensions when
// these say that it is a session's. Journeys have others, by the same keys.
func carried(token string) (text string, ok bool) {
	star := strings.IndexByte(token, '*')
	if star < 0 {
		return token, true
	}
	text, ok = session.TokenID(token[star:]).Carries()
	return text, ok && !strings.Contains(text, "*")
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
func (r *Reader) session(c claims, now time.Time) (session.Session, error) {
	name, inUser, isUser := userOf(c.Subject)
	in, known := realmOf(c.Issuer, inUser)
	expires, timed := seconds(c.Expires)
	if !isUser || !known || !timed || c.ID == "" || !oneOf(c.State, 1, "valid") || !oneOf(c.Type, 0, "user") {
		return session.Session{}, ErrToken
	}
	if to, mapped := r.realms[in]; mapped {
		in = to
	}
	created := c.created(expires, now)
	if created.After(now) {
		return session.Session{}, ErrToken
	}
	sum := sha256.Sum256([]byte("a session of AM\x00" + c.ID))
	x := session.Session{
		ID:         session.ID(sum[:16]),
		Principal:  session.Principal{Realm: in, Username: name, UniversalID: in.UniversalID(name, r.suffix)},
		Created:    created,
		ClientSide: true,
		Properties: map[string]string{},
	}
	x.LastAccess = x.Created
	if expires.After(r.until) {
		expires = r.until
	}
	if x.Policy.MaxSession = min(expires.Sub(created), session.MaxHolderLife); x.Policy.MaxSession <= 0 {
		return session.Session{}, ErrToken
	}
	for name, value := range c.Props {
		text, ok := value.(string)
		switch {
		case !ok:
		case name == "AuthLevel":
			x.AuthLevel = level(text)
		case name == "Service" && text != "":
			x.Trees = []string{text}
		case ours(name):
			x.Properties[name] = text
		}
	}
	return x, nil
}

// ours reports whether a property is kept: of those that the server alone sets
// only what has the same meaning here.
func ours(name string) bool {
	return name == session.PropertyContextID || name == session.PropertyWebhooks || !session.Protected(name)
}

// created is when a session began: maxtime before its end. Where that is not said,
// or not yet (AM's clock is ahead), it counts as made as long before its end as
// sessions may live, so that whatever has ended all of its user's ends it too.
func (c claims) created(expires, now time.Time) time.Time {
	if c.MaxTime != nil && *c.MaxTime > 0 {
		minutes := math.Min(math.Ceil(*c.MaxTime), maxLife.Minutes())
		if at := expires.Add(-time.Duration(minutes) * time.Minute); !at.After(now) {
			return at
		}
	}
	return expires.Add(-session.MaxHolderLife)
}

// oneOf reports whether a claim that AM leaves out when it is usual is the usual
// number or word.
func oneOf(claim any, number float64, word string) bool {
	if text, ok := claim.(string); ok {
		return strings.EqualFold(text, word)
	}
	return claim == nil || claim == number
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
