package clientside

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

var (
	errText = errors.New("subject and realm must be UTF-8")
	errBody = errors.New("the body of a session must be a JSON object without white space in front")
)

// appendClaims writes the claims of a token. The body of a session follows as it
// is, that of others as the claim "state", in base64url.
func appendClaims(p Purpose, c Content) ([]byte, error) {
	if !utf8.ValidString(c.Subject) || !utf8.ValidString(c.Realm) {
		return nil, errText
	}
	out := make([]byte, 0, 192+2*len(c.Subject)+2*len(c.Realm)+b64.EncodedLen(len(c.Body)))
	out = append(out, `{"jti":"`...)
	out = b64.AppendEncode(out, c.ID[:])
	out = append(out, `","sub":`...)
	out = appendString(out, c.Subject)
	out = append(out, `,"iss":`...)
	out = appendString(out, c.Realm)
	out = append(out, `,"iat":`...)
	out = strconv.AppendInt(out, c.Issued.Unix(), 10)
	out = append(out, `,"exp":`...)
	out = strconv.AppendInt(out, roundUp(c.Expires), 10)
	switch {
	case len(c.Body) == 0:
		out = append(out, '}')
	case p != Session:
		out = append(out, `,"state":"`...)
		out = b64.AppendEncode(out, c.Body)
		out = append(out, `"}`...)
	case string(c.Body) == "{}":
		out = append(out, '}')
	case !bytes.HasPrefix(c.Body, []byte(`{"`)) || !json.Valid(c.Body):
		return nil, errBody
	default:
		out = append(out, ',')
		out = append(out, c.Body[1:]...)
	}
	if len(out) > MaxClaims {
		return nil, ErrSize
	}
	return out, nil
}

func appendString(out []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			raw, _ := json.Marshal(text) // a string of UTF-8 has a JSON form
			return append(out, raw...)
		}
	}
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"')
}

func roundUp(t time.Time) int64 {
	seconds := t.Unix()
	if t.Nanosecond() > 0 {
		seconds++
	}
	return seconds
}

// readClaims reads what appendClaims has written. The bytes were made by a
// holder of the keys; all the same nothing else is taken.
func readClaims(p Purpose, claims []byte) (Content, error) {
	var c Content
	r := reader{rest: claims}
	r.literal(`{"jti":"`)
	id := r.take(b64.EncodedLen(len(c.ID)))
	if n, err := b64.Decode(c.ID[:], id); err != nil || n != len(c.ID) {
		return Content{}, ErrToken
	}
	r.literal(`","sub":`)
	c.Subject = r.text()
	r.literal(`,"iss":`)
	c.Realm = r.text()
	r.literal(`,"iat":`)
	c.Issued = r.time()
	r.literal(`,"exp":`)
	c.Expires = r.time()
	if r.failed || len(r.rest) == 0 {
		return Content{}, ErrToken
	}
	if len(r.rest) == 1 && r.rest[0] == '}' {
		return c, nil
	}
	if p == Session {
		if !bytes.HasPrefix(r.rest, []byte(`,"`)) || r.rest[len(r.rest)-1] != '}' {
			return Content{}, ErrToken
		}
		r.rest[0] = '{' // claims are the token's own bytes by now
		c.Body = r.rest
		return c, nil
	}
	r.literal(`,"state":"`)
	state, end, ok := bytes.Cut(r.rest, []byte(`"`))
	if r.failed || !ok || string(end) != "}" {
		return Content{}, ErrToken
	}
	body := make([]byte, b64.DecodedLen(len(state)))
	n, err := b64.Decode(body, state)
	if err != nil {
		return Content{}, ErrToken
	}
	c.Body = body[:n]
	return c, nil
}

// reader takes claims from their beginning.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || len(r.rest) < n {
		r.failed = true
		return nil
	}
	head := r.rest[:n]
	r.rest = r.rest[n:]
	return head
}

func (r *reader) literal(want string) {
	if string(r.take(len(want))) != want {
		r.failed = true
	}
}

// text reads a JSON string.
func (r *reader) text() string {
	if r.failed || len(r.rest) == 0 || r.rest[0] != '"' {
		r.failed = true
		return ""
	}
	for i := 1; i < len(r.rest); i++ {
		switch r.rest[i] {
		case '\\':
			i++ // whatever follows does not end the string
		case '"':
			raw := r.take(i + 1)
			if bytes.IndexByte(raw, '\\') < 0 {
				return string(raw[1:i])
			}
			var text string
			if json.Unmarshal(raw, &text) != nil {
				r.failed = true
			}
			return text
		}
	}
	r.failed = true
	return ""
}

func (r *reader) time() time.Time {
	n := 0
	for n < len(r.rest) && (r.rest[n] == '-' || r.rest[n] >= '0' && r.rest[n] <= '9') {
		n++
	}
	seconds, err := strconv.ParseInt(string(r.take(n)), 10, 64)
	if err != nil {
		r.failed = true
	}
	return time.Unix(seconds, 0).UTC()
}

// pack compresses claims (RFC 1951).
func pack(claims []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err) // for levels that do not exist
	}
	_, _ = w.Write(claims) // into memory
	_ = w.Close()
	return out.Bytes()
}

var errUnpacked = errors.New("too much is packed")

// unpack reads at most MaxClaims, whatever the bytes would unfold to.
func unpack(packed []byte) ([]byte, error) {
	r := flate.NewReader(bytes.NewReader(packed))
	claims, err := io.ReadAll(io.LimitReader(r, MaxClaims+1))
	if err == nil && len(claims) > MaxClaims {
		err = errUnpacked
	}
	return claims, err
}
