package sessions

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sojourn/actors/realm"
	"sojourn/cts/clientside"
	"sojourn/cts/session"
)

// body is what a token says of a session beside whose it is and when it ends.
// An example of a whole token's claims:
//
//	{"jti":"…","sub":"id=demo,ou=user,o=alpha,…","iss":"/alpha","iat":1772359200,"exp":1772366400,
//	 "at":1772359200000000,"uid":"demo","level":1,"trees":["Login"],"props":{"AMCtxId":"…"}}
type body struct {
	// At is when the session was created, in microseconds of Unix time.
	At       int64             `json:"at"`
	Username string            `json:"uid"`
	Level    int               `json:"level,omitempty"`
	Trees    []string          `json:"trees,omitempty"`
	Props    map[string]string `json:"props,omitempty"`
}

// hold makes a session that its holder keeps.
func (s *Service) hold(ctx context.Context, x session.Session) (session.Created, error) {
	before, err := s.config.Store.DeniedBefore(ctx, x.Principal.Realm, x.Principal.Username)
	if err != nil {
		return session.Created{}, err
	}
	// All of the user have ended just now, and with them those of the next moments,
	// which another clock may have made before. This one is made afterwards.
	if x.Created.Before(before) && !x.Created.Before(before.Add(-skew)) {
		x.Created = before.Add(time.Microsecond - 1)
	}
	x = x.KeptByHolder()
	if denied, err := s.config.Store.Denied(ctx, x); err != nil {
		return session.Created{}, err
	} else if denied {
		return session.Created{}, session.ErrNotFound
	}
	if err := s.mayKeep(ctx, x.Principal.Realm); err != nil {
		return session.Created{}, err
	}
	settings, err := s.config.Realms.Realm(ctx, x.Principal.Realm)
	if err != nil {
		return session.Created{}, err
	}
	said, err := json.Marshal(body{
		At: x.Created.UnixMicro(), Username: x.Principal.Username, Level: x.AuthLevel, Trees: x.Trees, Props: x.Properties,
	})
	if err != nil {
		return session.Created{}, fmt.Errorf("encode a session: %w", err)
	}
	text, err := s.codec.Seal(clientside.Session, settings.ClientSide, clientside.Content{
		ID: x.ID, Subject: x.Principal.UniversalID, Realm: string(x.Principal.Realm),
		Issued: x.Created, Expires: x.MaxExpires(), Body: said,
	})
	var missing *clientside.MissingKeyError
	switch {
	case errors.Is(err, clientside.ErrSize):
		return session.Created{}, tooLarge(x, 0)
	case errors.As(err, &missing):
		return session.Created{}, &session.UnavailableError{Reason: missing.Error(), RetryAfter: time.Second}
	case err != nil:
		return session.Created{}, fmt.Errorf("make a token: %w", err)
	}
	token := session.Carry(text, s.config.ServerID)
	if len(token) > session.MaxToken {
		return session.Created{}, tooLarge(x, len(token))
	}
	s.created(ctx, x)
	return session.Created{Session: x, Token: token}, nil
}

// tooLarge names the properties that make a session too large.
func tooLarge(x session.Session, size int) error {
	const tell = 5
	names := slices.SortedFunc(maps.Keys(x.Properties), func(a, b string) int {
		return cmp.Or(len(x.Properties[b])-len(x.Properties[a]), cmp.Compare(a, b))
	})
	return &session.SizeError{Size: size, Limit: session.MaxToken, Largest: names[:min(tell, len(names))]}
}

// held is the session that is inside a token, if it is valid.
func (s *Service) held(ctx context.Context, text string) (session.Session, error) {
	if len(text) > session.MaxToken {
		return session.Session{}, session.ErrNotFound
	}
	keys := s.config.HolderKeys()
	sum := sumOf(text)
	x, known := s.opened.get(sum, keys)
	if !known {
		var err error
		if x, err = s.open(ctx, text); err != nil {
			return session.Session{}, err
		}
		s.opened.put(sum, keys, x)
	}
	return s.living(ctx, x)
}

// living is a session that its holder keeps, if it is valid.
func (s *Service) living(ctx context.Context, x session.Session) (session.Session, error) {
	if !x.Valid(s.config.Now()) {
		return session.Session{}, session.ErrNotFound
	}
	denied, err := s.config.Store.Denied(ctx, x)
	switch {
	case err != nil:
		return session.Session{}, err
	case denied:
		return session.Session{}, session.ErrNotFound
	}
	return x, nil
}

// open reads a token, whether its session is valid or not. One that cannot be
// read may have been made with a key that a member that is cut off has yet to
// learn of.
func (s *Service) open(ctx context.Context, text string) (session.Session, error) {
	content, err := s.codec.Open(clientside.Session, text)
	if err != nil {
		if err := s.config.Current(ctx); err != nil {
			return session.Session{}, err
		}
		if content, err = s.codec.Open(clientside.Session, text); err != nil {
			return session.Session{}, session.ErrNotFound
		}
	}
	x, err := read(content)
	if err != nil {
		return session.Session{}, session.ErrNotFound
	}
	return x, nil
}

// errBody is of a token that was made by a holder of the keys and says nothing
// that can be a session.
var errBody = errors.New("not the body of a session")

// read makes a session of what its token says.
func read(c clientside.Content) (session.Session, error) {
	var said body
	if err := json.Unmarshal(c.Body, &said); err != nil {
		return session.Session{}, fmt.Errorf("%w: %w", errBody, err)
	}
	x := session.Session{
		ID: c.ID,
		Principal: session.Principal{
			Realm: realm.Name(c.Realm), Username: said.Username, UniversalID: c.Subject,
		},
		Created: time.UnixMicro(said.At).UTC(), AuthLevel: said.Level, Trees: said.Trees, ClientSide: true,
		Properties: said.Props,
	}
	x.LastAccess = x.Created
	x.Policy.MaxSession = c.Expires.Sub(x.Created)
	switch life := x.Policy.MaxSession; {
	case said.Username == "", c.Subject == "", c.Realm == "",
		!x.Created.Truncate(time.Second).Equal(c.Issued), life <= 0, life > session.MaxHolderLife:
		return session.Session{}, errBody
	}
	return x, nil
}
