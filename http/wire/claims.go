package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"sojourn/actors/realm"
)

// The sessionId claim is the journey's id in hex, then what AM's grammar wants
// behind it (am-contract section 2.2): extensions in c66 encoding, between
// stars. They are SI "01", SK "", type and S1 "01", where type is
// "IN_MEMORY_AUTH" or "CTS_AUTH". Of type "JWT_AUTH" there is no SK; there the
// sealed journey follows, and the part before the first star is empty. Then
// nothing names the journey but otk.
const (
	inMemoryTail = "*AAJTSQACMDEAAlNLAAAABHR5cGUADklOX01FTU9SWV9BVVRIAAJTMQACMDE.*"
	ctsTail      = "*AAJTSQACMDEAAlNLAAAABHR5cGUACENUU19BVVRIAAJTMQACMDE.*"
	jwtTail      = "*AAJTSQACMDEABHR5cGUACEpXVF9BVVRIAAJTMQACMDE.*"
)

// tailOf is what follows the journey's id in the sessionId of a store.
func tailOf(s realm.JourneyStore) string {
	switch s {
	case realm.CTS:
		return ctsTail
	case realm.JWT:
		return jwtTail
	case realm.InMemory:
	}
	return inMemoryTail
}

func (a AuthID) appendClaims(b []byte) []byte {
	b = append(b, '{')
	listed := a.Allowlist != [16]byte{}
	if listed {
		b = append(b, `"whitelist-state":"`...)
		b = appendUUID(b, a.Allowlist)
		b = append(b, `",`...)
	}
	if a.IndexValue != "" {
		b = append(b, `"authIndexValue":`...)
		b = AppendString(b, a.IndexValue)
		b = append(b, ',')
	}
	b = append(b, `"otk":"`...)
	otk := a.otk()
	b = b32.AppendEncode(b, otk[:])
	b = append(b, '"')
	if listed {
		b = append(b, `,"whitelist-lock-expiry":"0"`...)
	}
	if a.IndexType != "" {
		b = append(b, `,"authIndexType":`...)
		b = AppendString(b, a.IndexType)
	}
	b = append(b, `,"realm":`...)
	b = AppendString(b, a.Realm)
	b = append(b, `,"sessionId":"`...)
	if a.Store != realm.JWT || a.Sealed == "" {
		b = hex.AppendEncode(b, a.Journey[:])
	}
	b = append(b, tailOf(a.Store)...)
	if a.Store == realm.JWT {
		b = appendEscaped(b, string(a.Sealed))
	}
	b = append(b, `","step":`...)
	b = strconv.AppendUint(b, uint64(a.Step), 10)
	if a.Index > 0 {
		b = append(b, `,"index":`...)
		b = strconv.AppendUint(b, a.Index, 10)
	}
	if len(a.Trace) > 0 {
		b = append(b, `,"trace":"`...)
		b = b64.AppendEncode(b, a.Trace)
		b = append(b, '"')
	}
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, roundUp(a.Expires), 10)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, a.Issued.Unix(), 10)
	return append(b, '}')
}

// otk is AM's one-time value: another one for each journey and step. It needs
// no randomness of its own, as the signature is what protects an authId.
func (a AuthID) otk() [16]byte { return stepped(a.Journey, a.Step) }

// stepped is the otk of a journey's step, and of that and the step the journey.
func stepped(id [16]byte, step uint32) [16]byte {
	for i := range 4 {
		id[12+i] ^= byte(step >> (8 * i)) //nolint:gosec // one byte is meant
	}
	return id
}

// appendUUID appends 16 bytes as AM spells a UUID.
func appendUUID(b []byte, id [16]byte) []byte {
	b = hex.AppendEncode(b, id[:4])
	for _, part := range [...][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		b = hex.AppendEncode(append(b, '-'), part)
	}
	return b
}

func roundUp(t time.Time) int64 {
	seconds := t.Unix()
	if t.Nanosecond() > 0 {
		seconds++
	}
	return seconds
}

var errClaims = errors.New("its claims are not those of an authId")

func decodeClaims(claims []byte) (AuthID, error) {
	c := claimed{scanner: scanner{data: claims}}
	err := c.object(func(name []byte) error { return c.claim(string(name)) })
	if err == nil {
		err = c.end()
	}
	sealed := c.Sealed != ""
	if err == nil && (!c.journey || !c.exp || !c.iat || sealed && !c.named) {
		err = errClaims
	}
	if sealed {
		c.Journey = stepped(c.otk, c.Step)
	}
	return c.AuthID, err
}

// claimed is an authId being read: which of the claims it must have were there,
// and its otk.
type claimed struct {
	scanner
	AuthID

	journey, exp, iat, named bool

	otk [16]byte
}

func (c *claimed) claim(name string) (err error) {
	switch name {
	case "whitelist-state":
		c.Allowlist, err = c.uuid()
	case "authIndexValue":
		c.IndexValue, err = c.text()
	case "otk":
		c.otk, c.named, err = c.oneTime()
	case "authIndexType":
		c.IndexType, err = c.text()
	case "realm":
		c.Realm, err = c.text()
	case "sessionId":
		c.journey = true
		err = c.sessionID(&c.AuthID)
	case "step":
		var n int64
		n, err = c.natural()
		c.Step = uint32(n) //nolint:gosec // checked below
		if int64(c.Step) != n {
			err = errClaims
		}
	case "index":
		var n int64
		n, err = c.natural()
		c.Index = uint64(n) //nolint:gosec // not negative
	case "trace":
		c.Trace, err = c.trace()
	case "exp":
		c.exp = true
		c.Expires, err = c.time()
	case "iat":
		c.iat = true
		c.Issued, err = c.time()
	default:
		err = c.skip()
	}
	return err
}

// sessionID reads which journey is meant and where it waits.
func (s *scanner) sessionID(a *AuthID) error {
	text, err := s.textBytes()
	if err != nil {
		return err
	}
	hexed, rest, ok := bytes.Cut(text, []byte("*"))
	if !ok {
		return errClaims
	}
	switch tail := text[len(hexed):]; {
	case bytes.HasPrefix(tail, []byte(jwtTail)):
		a.Store, a.Sealed = realm.JWT, Sealed(rest[len(jwtTail)-1:])
		if a.Sealed != "" {
			if len(hexed) > 0 {
				return errClaims
			}
			return nil
		}
	case string(tail) == ctsTail:
		a.Store = realm.CTS
	}
	if len(hexed) != hex.EncodedLen(len(a.Journey)) {
		return errClaims
	}
	if _, err := hex.Decode(a.Journey[:], hexed); err != nil {
		return errClaims
	}
	return nil
}

// oneTime reads an otk. One of another form is passed over: only a sealed
// journey has its name there alone.
func (s *scanner) oneTime() (otk [16]byte, ok bool, err error) {
	text, err := s.textBytes()
	if err != nil || len(text) != b32.EncodedLen(len(otk)) {
		return otk, false, err
	}
	_, fault := b32.Decode(otk[:], text)
	return otk, fault == nil, nil
}

func (s *scanner) uuid() (id [16]byte, err error) {
	text, err := s.textBytes()
	if err != nil {
		return id, err
	}
	raw := bytes.ReplaceAll(text, []byte("-"), nil)
	if len(raw) != hex.EncodedLen(len(id)) {
		return id, errClaims
	}
	if _, err := hex.Decode(id[:], raw); err != nil || string(appendUUID(nil, id)) != string(text) {
		return id, errClaims
	}
	return id, nil
}

func (s *scanner) trace() ([]byte, error) {
	text, err := s.textBytes()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, b64.DecodedLen(len(text)))
	n, err := b64.Decode(raw, text)
	if err != nil || n > MaxTrace {
		return nil, errClaims
	}
	return raw[:n], nil
}

func (s *scanner) time() (time.Time, error) {
	seconds, err := s.natural()
	return time.Unix(seconds, 0).UTC(), err
}

// natural reads a number that is whole and not negative, below 2^53.
func (s *scanner) natural() (int64, error) {
	s.peek()
	f, err := s.number()
	if err == nil && (f < 0 || f >= 1<<53 || f != float64(int64(f))) {
		err = errClaims
	}
	return int64(f), err
}
