package node

import (
	"maps"
	"strings"
)

// Well-known keys of a journey's state (am-contract section 7.2).
const (
	KeyRealm        = "realm"
	KeyUsername     = "username"
	KeyPassword     = "password"
	KeyUniversalID  = "universalId"
	KeyAuthLevel    = "authLevel"
	KeyTargetLevel  = "targetAuthLevel"
	KeySuccessURL   = "successUrl"
	KeyFailureURL   = "failureUrl"
	KeyOTP          = "oneTimePassword"
	KeyOTPTime      = "oneTimePasswordTimestamp"
	KeyErrorMessage = "errorMessage"
	KeyEmail        = "emailAddress"
	KeyAttributes   = "objectAttributes"
	KeyObjectID     = "_id"
)

// Values are JSON values by key: string, bool, float64, []any, map[string]any.
// Whole numbers are float64 too, so that a value is the same before and after
// a round trip through JSON.
type Values = map[string]any

// State is what a journey knows, in AM's three scopes. Shared lives as long as
// the journey. Transient lives until the next reply to the client; what of it
// a later node declares as input is then moved to Secure, the rest is dropped
// (the engine does that). Reading looks in Transient, Secure, Shared, in this
// order. The zero value is empty and ready.
//
// Maps are replaced, never changed in place: a State that was copied stays as
// it was.
type State struct {
	Shared    Values `json:"shared,omitempty"`
	Transient Values `json:"-"`
	Secure    Values `json:"secure,omitempty"`
}

// Get returns the value of key from the narrowest scope that has it, nil when
// none has. The containers under KeyAttributes are merged over the scopes.
func (s *State) Get(key string) any {
	if key == KeyAttributes {
		return s.attributes()
	}
	for _, scope := range []Values{s.Transient, s.Secure, s.Shared} {
		if v, ok := scope[key]; ok {
			return v
		}
	}
	return nil
}

// Text returns Get(key) when it is a string, else "".
func (s *State) Text(key string) string {
	text, _ := s.Get(key).(string)
	return text
}

// Number returns Get(key) when it is a number, else 0.
func (s *State) Number(key string) float64 {
	switch n := s.Get(key).(type) {
	case float64:
		return n
	case int:
		return float64(n)
	}
	return 0
}

// Has reports whether any scope has the key.
func (s *State) Has(key string) bool { return s.Get(key) != nil }

// PutShared sets a key in the shared scope and removes it from the others.
func (s *State) PutShared(key string, value any) {
	s.Transient, s.Secure = without(s.Transient, key), without(s.Secure, key)
	s.Shared = with(s.Shared, key, value)
}

// PutTransient sets a key in the transient scope and removes it from the
// others.
func (s *State) PutTransient(key string, value any) {
	s.Shared, s.Secure = without(s.Shared, key), without(s.Secure, key)
	s.Transient = with(s.Transient, key, value)
}

// Remove deletes a key everywhere.
func (s *State) Remove(key string) {
	s.Shared, s.Transient, s.Secure = without(s.Shared, key), without(s.Transient, key), without(s.Secure, key)
}

// Attribute returns a managed object's attribute as collected so far. A slash
// in name descends into nested objects.
func (s *State) Attribute(name string) any {
	at := s.attributes()
	for part := range strings.SplitSeq(name, "/") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[part]
	}
	return at
}

// PutSharedAttribute and PutTransientAttribute set a managed object's
// attribute in one scope, leaving the other attributes there as they are.
func (s *State) PutSharedAttribute(name string, value any) {
	s.Shared = with(s.Shared, KeyAttributes, nest(object(s.Shared), strings.Split(name, "/"), value))
}

// PutTransientAttribute is described at PutSharedAttribute.
func (s *State) PutTransientAttribute(name string, value any) {
	s.Transient = with(s.Transient, KeyAttributes, nest(object(s.Transient), strings.Split(name, "/"), value))
}

func (s *State) attributes() any {
	var merged Values
	for _, scope := range []Values{s.Shared, s.Secure, s.Transient} {
		if part := object(scope); len(part) > 0 {
			if merged == nil {
				merged = Values{}
			}
			maps.Copy(merged, part)
		}
	}
	if merged == nil {
		return nil
	}
	return merged
}

func object(scope Values) Values {
	o, _ := scope[KeyAttributes].(map[string]any)
	return o
}

func nest(o Values, path []string, value any) Values {
	if len(path) == 1 {
		return with(o, path[0], value)
	}
	inner, _ := o[path[0]].(map[string]any)
	return with(o, path[0], nest(inner, path[1:], value))
}

func with(m Values, key string, value any) Values {
	if n, ok := value.(int); ok {
		value = float64(n)
	}
	out := make(Values, len(m)+1)
	maps.Copy(out, m)
	out[key] = value
	return out
}

func without(m Values, key string) Values {
	if _, ok := m[key]; !ok {
		return m
	}
	out := maps.Clone(m)
	delete(out, key)
	return out
}
