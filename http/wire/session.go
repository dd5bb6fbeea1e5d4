package wire

import (
	"bytes"
	"strconv"
	"time"
)

// Validation answers validate: {"valid":true,"sessionUid","uid","realm"}, or
// {"valid":false} alone.
type Validation struct {
	Valid bool `json:"valid"`
	// SessionUID is the session's audit id; empty is left out, as version 1
	// does.
	SessionUID string `json:"sessionUid"`
	UID        string `json:"uid"`
	Realm      string `json:"realm"`
}

// Invalid is what session calls answer about a token that opens nothing.
const Invalid = `{"valid":false}`

// AppendValidation appends v.
func AppendValidation(b []byte, v Validation) []byte {
	if !v.Valid {
		return append(b, Invalid...)
	}
	b = append(b, `{"valid":true`...)
	if v.SessionUID != "" {
		b = append(b, `,"sessionUid":`...)
		b = AppendString(b, v.SessionUID)
	}
	b = append(b, `,"uid":`...)
	b = AppendString(b, v.UID)
	b = append(b, `,"realm":`...)
	b = AppendString(b, v.Realm)
	return append(b, '}')
}

// SessionInfo answers getSessionInfo, and stands in lists of sessions. Times
// travel in whole seconds, UTC; the zero time is "never" and travels as the
// end of the year 9999.
type SessionInfo struct {
	Username    string `json:"username"`
	UniversalID string `json:"universalId"`
	Realm       string `json:"realm"`
	// Handle is shown by versions before 4.0 and in lists; empty is left out.
	Handle                   string    `json:"sessionHandle"`
	LatestAccessTime         time.Time `json:"latestAccessTime"`
	MaxIdleExpirationTime    time.Time `json:"maxIdleExpirationTime"`
	MaxSessionExpirationTime time.Time `json:"maxSessionExpirationTime"`
	// Properties are shown from 4.0 on, in order; nil leaves them out.
	Properties Properties `json:"properties"`
}

// AppendSessionInfo appends s.
func AppendSessionInfo(b []byte, s SessionInfo) []byte {
	b = append(b, `{"username":`...)
	b = AppendString(b, s.Username)
	b = append(b, `,"universalId":`...)
	b = AppendString(b, s.UniversalID)
	b = append(b, `,"realm":`...)
	b = AppendString(b, s.Realm)
	if s.Handle != "" {
		b = append(b, `,"sessionHandle":`...)
		b = AppendString(b, s.Handle)
	}
	b = append(b, `,"latestAccessTime":`...)
	b = appendTime(b, s.LatestAccessTime)
	b = append(b, `,"maxIdleExpirationTime":`...)
	b = appendTime(b, s.MaxIdleExpirationTime)
	b = append(b, `,"maxSessionExpirationTime":`...)
	b = appendTime(b, s.MaxSessionExpirationTime)
	if s.Properties != nil {
		b = append(b, `,"properties":`...)
		b = AppendProperties(b, s.Properties)
	}
	return append(b, '}')
}

const never = `"9999-12-31T23:59:59Z"`

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, never...)
	}
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05Z")
	return append(b, '"')
}

// Property is a session property.
type Property struct{ Name, Value string }

// Properties are session properties in the order in which they are shown.
type Properties []Property

// AppendProperties appends p as an object of strings.
func AppendProperties(b []byte, p Properties) []byte {
	b = append(b, '{')
	for i, property := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, property.Name)
		b = append(b, ':')
		b = AppendString(b, property.Value)
	}
	return append(b, '}')
}

// UnmarshalJSON reads an object of strings.
func (p *Properties) UnmarshalJSON(object []byte) error {
	*p = Properties{}
	return Members(object, func(name, value []byte) error {
		text, err := Text(value)
		*p = append(*p, Property{string(name), text})
		return err
	})
}

// Refreshed answers refresh.
type Refreshed struct {
	UID   string `json:"uid"`
	Realm string `json:"realm"`
	// IdleTime and MaxTime are seconds: since the latest access, and left.
	// MaxIdleTime and MaxSessionTime are the session's limits in minutes.
	IdleTime       int64 `json:"idletime"`
	MaxIdleTime    int64 `json:"maxidletime"`
	MaxSessionTime int64 `json:"maxsessiontime"`
	MaxTime        int64 `json:"maxtime"`
}

// AppendRefreshed appends r.
func AppendRefreshed(b []byte, r Refreshed) []byte {
	b = append(b, `{"uid":`...)
	b = AppendString(b, r.UID)
	b = append(b, `,"realm":`...)
	b = AppendString(b, r.Realm)
	b = append(b, `,"idletime":`...)
	b = strconv.AppendInt(b, r.IdleTime, 10)
	b = append(b, `,"maxidletime":`...)
	b = strconv.AppendInt(b, r.MaxIdleTime, 10)
	b = append(b, `,"maxsessiontime":`...)
	b = strconv.AppendInt(b, r.MaxSessionTime, 10)
	b = append(b, `,"maxtime":`...)
	b = strconv.AppendInt(b, r.MaxTime, 10)
	return append(b, '}')
}

// NamedToken returns the tokenId of a session call's body, nil when it has none.
// An empty body stands for an empty object. The result is part of body.
func NamedToken(body []byte) ([]byte, error) {
	if token, ok := plainTokenID(body); ok {
		return token, nil
	}
	var token []byte
	err := eachMember(body, func(name, value []byte) error {
		if string(name) != tokenKey || string(value) == "null" {
			return nil
		}
		text, err := Text(value)
		token = []byte(text)
		return err
	})
	return token, err
}

const (
	tokenKey = "tokenId"
	space    = " \t\r\n" // as JSON means it
)

// plainTokenID reads the two bodies that clients send, {} and
// {"tokenId":"…"} without escapes, in one pass. ok is false for every other.
func plainTokenID(body []byte) (token []byte, ok bool) {
	body = bytes.Trim(body, space)
	if len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}' {
		return nil, len(body) == 0
	}
	inside := bytes.Trim(body[1:len(body)-1], space)
	if len(inside) == 0 {
		return nil, true
	}
	rest, ok := bytes.CutPrefix(inside, []byte(`"`+tokenKey+`"`))
	if !ok {
		return nil, false
	}
	if rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, space), []byte(`:`)); !ok {
		return nil, false
	}
	rest = bytes.TrimLeft(rest, space)
	if len(rest) < 2 || rest[0] != '"' || rest[len(rest)-1] != '"' {
		return nil, false
	}
	token = rest[1 : len(rest)-1]
	for _, c := range token {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return nil, false
		}
	}
	return token, true
}

// eachMember is Members for a body that may be empty.
func eachMember(body []byte, each func(name, value []byte) error) error {
	if len(bytes.Trim(body, space)) == 0 {
		return nil
	}
	return Members(body, each)
}

// SessionProperties reads {"name":"value",…,"tokenId"?}: the body of
// updateSessionProperties and setProperty. Values must be strings.
func SessionProperties(body []byte) (token string, p Properties, err error) {
	err = eachMember(body, func(name, value []byte) error {
		text, err := Text(value)
		if err != nil {
			return err
		}
		if string(name) == tokenKey {
			token = text
			return nil
		}
		p = append(p, Property{string(name), text})
		return nil
	})
	return token, p, err
}

// PropertyNames reads {"properties":["name",…],"tokenId"?}: the body of
// getProperty and deleteProperty.
func PropertyNames(body []byte) (token string, names []string, err error) {
	return tokenAndList(body, "properties")
}

// SessionHandles reads {"sessionHandles":["shandle:…",…]}. A nil list means
// that the body has none.
func SessionHandles(body []byte) ([]string, error) {
	_, handles, err := tokenAndList(body, "sessionHandles")
	return handles, err
}

func tokenAndList(body []byte, key string) (token string, list []string, err error) {
	err = eachMember(body, func(name, value []byte) error {
		switch string(name) {
		case tokenKey:
			token, err = Text(value)
			return err
		case key:
			list = []string{}
			return Elements(value, func(element []byte) error {
				text, err := Text(element)
				list = append(list, text)
				return err
			})
		}
		return nil
	})
	return token, list, err
}

// Member reads one string member of a body, empty when it is missing.
func Member(body []byte, key string) (text string, err error) {
	err = eachMember(body, func(name, value []byte) error {
		if string(name) == key {
			text, err = Text(value)
			return err
		}
		return nil
	})
	return text, err
}
