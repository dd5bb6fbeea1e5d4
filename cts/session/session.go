// Package session holds the rules of authenticated sessions: when one ends,
// what touches it, what may be changed in it, and what its token looks like.
//
// The package is pure. Times come in as arguments; where a session is kept is
// the token store's business.
package session

import (
	"encoding/hex"
	"log/slog"
	"maps"
	"slices"
	"time"

	"sojourn/actors/realm"
)

// ID is a session's key in the token store: a hash of its token's secret part,
// so that a stolen store holds no tokens.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// TokenID is the secret that a client presents. It prints as [redacted].
type TokenID string

const redacted = "[redacted]"

func (TokenID) String() string       { return redacted }
func (TokenID) GoString() string     { return redacted }
func (TokenID) LogValue() slog.Value { return slog.StringValue(redacted) }

// Principal is whom a journey has authenticated.
type Principal struct {
	Realm       realm.Name
	Username    string
	UniversalID string
}

// Policy is what realm, tree and journey decided about a session's length.
type Policy struct {
	// MaxSession and MaxIdle: zero means no limit of that kind.
	MaxSession, MaxIdle time.Duration
	// TouchInterval is how stale a stored latest access may be.
	TouchInterval time.Duration
}

// TouchDue reports whether an access at now must be written, given the latest
// access that the store has.
func (p Policy) TouchDue(stored, now time.Time) bool { return now.Sub(stored) >= p.TouchInterval }

// Session is what a successful journey creates. It is immutable but for
// LastAccess, which the store keeps apart, and Properties, which are replaced
// as a whole.
type Session struct {
	ID        ID
	Principal Principal
	Policy    Policy
	Created   time.Time
	// LastAccess moves MaxIdle; it is exact in memory and up to
	// Policy.TouchInterval old in the store.
	LastAccess time.Time
	AuthLevel  int
	// Trees are the services that the session satisfies, in order of use.
	Trees []string
	// Journey is the id of the journey that created it: created twice from one
	// journey, it is one session.
	Journey [16]byte
	// Admin marks a session whose holder may use the administration API.
	Admin bool
	// ClientSide marks a session that its holder keeps, inside its token: the
	// token store knows nothing of it until it is denied, and does not store the
	// mark.
	ClientSide bool
	Properties map[string]string
}

// New starts a session at now.
func New(p Policy, who Principal, now time.Time) Session {
	return Session{Principal: who, Policy: p, Created: now, LastAccess: now}
}

// MaxExpires is when the session ends whatever its holder does; zero is never.
func (s Session) MaxExpires() time.Time {
	if s.Policy.MaxSession == 0 {
		return time.Time{}
	}
	return s.Created.Add(s.Policy.MaxSession)
}

// IdleExpires is when the session ends without another access; zero is never.
func (s Session) IdleExpires() time.Time {
	if s.Policy.MaxIdle == 0 {
		return time.Time{}
	}
	return s.LastAccess.Add(s.Policy.MaxIdle)
}

// Expires is the earlier of the two ends; zero is never.
func (s Session) Expires() time.Time {
	longest, idle := s.MaxExpires(), s.IdleExpires()
	if longest.IsZero() || (!idle.IsZero() && idle.Before(longest)) {
		return idle
	}
	return longest
}

// Valid reports whether the session is alive at now. A session ends at the
// instant its limit is reached.
func (s Session) Valid(now time.Time) bool {
	end := s.Expires()
	return end.IsZero() || now.Before(end)
}

// Touched returns the session as accessed at now; time does not run back.
func (s Session) Touched(now time.Time) Session {
	if now.After(s.LastAccess) {
		s.LastAccess = now
	}
	return s
}

// WithProperties returns the session with properties set; an empty value
// removes one. The receiver keeps its own.
func (s Session) WithProperties(changes map[string]string) Session {
	properties := maps.Clone(s.Properties)
	if properties == nil {
		properties = make(map[string]string, len(changes))
	}
	for name, value := range changes {
		if value == "" {
			delete(properties, name)
			continue
		}
		properties[name] = value
	}
	s.Properties = properties
	return s
}

// Upgrading returns the session as the successor of old in a session upgrade
// (am-contract section 5.4): it keeps old's trees and webhooks beside its own and
// old's properties below them, and never has a lower level. A cross-upgrade
// reference is that of the first of them.
func (s Session) Upgrading(old Session) Session {
	properties := maps.Clone(old.Properties)
	if properties == nil {
		properties = make(map[string]string, len(s.Properties))
	}
	maps.Copy(properties, s.Properties)
	if webhooks := old.Properties[PropertyWebhooks]; webhooks != "" {
		for _, name := range s.Webhooks() {
			webhooks = AddWebhook(webhooks, name)
		}
		properties[PropertyWebhooks] = webhooks
	}
	s.Properties = properties
	s.AuthLevel = max(s.AuthLevel, old.AuthLevel)
	trees := slices.Clone(old.Trees)
	for _, name := range s.Trees {
		if !slices.Contains(trees, name) {
			trees = append(trees, name)
		}
	}
	s.Trees = trees
	return s
}
