// Package keyring says which keys a cluster signs and encrypts with at a time.
//
// Each purpose has a ring: generations of keys, of which one is active and makes
// what is new, and the others are accepted. A ring is a document of the
// replicated store; where there is none, generation 1 is all there is.
//
// A rotation has two steps, so that no member meets what it cannot read:
//
//	Announce   a new generation is accepted; the write returns when every
//	           member that answers has it
//	Use        it becomes active; those before it are accepted for as long as
//	           what they protect may live
//
// Whoever finds a generation announced writes the ring as it is before it goes
// on: whether the announcement has reached all members is known only from a
// write that has returned. So a rotation can be taken up again after any
// failure, by anybody, and two at once become one.
//
// Symmetric keys are derived from the cluster secret, by purpose and generation,
// and stored nowhere. Private keys are made once, and stored sealed.
//
// The package is pure: documents, time, randomness come in from the caller.
package keyring

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sojourn/cts/clientside"
)

// Purpose is what a ring's keys are for, and its document's id.
type Purpose string

// The purposes. Client-side tokens of each kind have a ring to sign and one to
// encrypt.
const (
	AuthID            Purpose = "authid"     // signs authIds
	TokenMark         Purpose = "token-mark" // marks the tokens of stored sessions
	SessionSigning    Purpose = "session-signing"
	SessionEncryption Purpose = "session-encryption"
	JourneySigning    Purpose = "journey-signing"
	JourneyEncryption Purpose = "journey-encryption"
	CookieSigning     Purpose = "cookie-signing"
	CookieEncryption  Purpose = "cookie-encryption"
)

// Purposes lists them all.
func Purposes() []Purpose {
	return []Purpose{
		AuthID, TokenMark, SessionSigning, SessionEncryption, JourneySigning, JourneyEncryption, CookieSigning, CookieEncryption,
	}
}

// Tokens is the purpose of the client-side tokens that p has keys for, and which
// algorithms these have; none for the first two purposes.
func (p Purpose) Tokens() (clientside.Purpose, []clientside.Algorithm) {
	signing := []clientside.Algorithm{
		clientside.HS256, clientside.HS384, clientside.HS512,
		clientside.RS256, clientside.ES256, clientside.ES384, clientside.ES512,
	}
	encryption := []clientside.Algorithm{clientside.Direct, clientside.KeyWrap, clientside.OAEP}
	switch p {
	case SessionSigning:
		return clientside.Session, signing
	case SessionEncryption:
		return clientside.Session, encryption
	case JourneySigning:
		return clientside.Journey, signing
	case JourneyEncryption:
		return clientside.Journey, encryption
	case CookieSigning:
		return clientside.PersistentCookie, signing
	case CookieEncryption:
		return clientside.PersistentCookie, encryption
	case AuthID, TokenMark:
	}
	return 0, nil
}

// For is the purpose whose ring has the key of a client-side token's algorithm.
func For(tokens clientside.Purpose, a clientside.Algorithm) (Purpose, bool) {
	for _, p := range Purposes() {
		if of, algorithms := p.Tokens(); of == tokens && slices.Contains(algorithms, a) {
			return p, true
		}
	}
	return "", false
}

// Keep is how long a generation is accepted after another took its place, if
// nothing longer is configured: what it protects should be over by then.
func (p Purpose) Keep() time.Duration {
	switch p {
	case AuthID, JourneySigning, JourneyEncryption:
		return 24 * time.Hour
	default:
		return 30 * 24 * time.Hour
	}
}

// MaxGenerations bounds a ring: a forged authId or token is checked against
// every key of it.
const MaxGenerations = 8

var (
	// ErrFormat is wrapped by what is wrong with a document.
	ErrFormat = errors.New("not a document of keys")
	// ErrFull says that a ring holds MaxGenerations.
	ErrFull = fmt.Errorf("%d generations are accepted already: wait until one is not any more, or end them with --keep 0s", MaxGenerations)
)

// Ring is the generations of one purpose. It is a value: its methods return
// another.
type Ring struct {
	// Active is the number of the generation that is used.
	Active uint32 `json:"active"`
	// Generations are in the order of their numbers. One behind the active one
	// is announced.
	Generations []Generation `json:"generations"`
}

// Generation is one set of keys.
type Generation struct {
	Number uint32 `json:"number"`
	// Since is when it was announced; zero for the first.
	Since time.Time `json:"since,omitzero"`
	// Until is when it is not accepted any more; zero while nothing has taken
	// its place.
	Until time.Time `json:"until,omitzero"`
	// Private are its private keys, sealed.
	Private map[clientside.Algorithm][]byte `json:"private,omitempty"`
}

// First is the ring of a purpose that has no document.
func First() Ring { return Ring{Active: 1, Generations: []Generation{{Number: 1}}} }

// document is a ring as it is stored.
type document struct {
	Version int `json:"version"`
	Ring
}

const version = 1

// Encode writes the document, such as
//
//	{"version":1,"active":2,"generations":[{"number":1,"until":"2026-12-22T07:00:00Z"},{"number":2,"since":"2026-11-22T07:00:00Z"}]}
func (r Ring) Encode() []byte {
	body, err := json.Marshal(document{version, r})
	if err != nil {
		panic(fmt.Sprintf("keyring: numbers, times and bytes do not encode: %v", err))
	}
	return body
}

// Decode reads a ring's document. Its error is ErrFormat.
func Decode(body []byte) (Ring, error) {
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return Ring{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if d.Version != version {
		return Ring{}, fmt.Errorf("%w: its version is %d", ErrFormat, d.Version)
	}
	all := d.Generations
	if len(all) == 0 || len(all) > MaxGenerations {
		return Ring{}, fmt.Errorf("%w: %d generations", ErrFormat, len(all))
	}
	last := uint32(0)
	active := false
	for i, g := range all {
		if g.Number <= last {
			return Ring{}, fmt.Errorf("%w: generation %d follows %d", ErrFormat, g.Number, last)
		}
		last = g.Number
		active = active || g.Number == d.Active
		if g.Number < d.Active && g.Until.IsZero() || g.Number >= d.Active && !g.Until.IsZero() {
			return Ring{}, fmt.Errorf("%w: generation %d ends %s, %d is active", ErrFormat, g.Number, g.Until.Format(time.RFC3339), d.Active)
		}
		if g.Since.Year() > 9999 || g.Until.Year() > 9999 {
			return Ring{}, fmt.Errorf("%w: generation %d is of no calendar", ErrFormat, g.Number)
		}
		if g.Number > d.Active && i != len(all)-1 {
			return Ring{}, fmt.Errorf("%w: generation %d is announced and not the last", ErrFormat, g.Number)
		}
	}
	if !active {
		return Ring{}, fmt.Errorf("%w: there is no generation %d, which is active", ErrFormat, d.Active)
	}
	return d.Ring, nil
}

// Announced returns the generation that is accepted and not used yet.
func (r Ring) Announced() (Generation, bool) {
	last := r.Generations[len(r.Generations)-1]
	return last, last.Number > r.Active
}

// Next is the number of the generation that Use would make active after
// Announce.
func (r Ring) Next() uint32 {
	if g, there := r.Announced(); there {
		return g.Number
	}
	return r.Active + 1
}

// Announce adds a generation with these private keys. What is not accepted any
// more goes. A ring that has one announced is returned as it is; the caller
// writes it all the same. The error is ErrFull.
func (r Ring) Announce(now time.Time, private map[clientside.Algorithm][]byte) (Ring, error) {
	if _, there := r.Announced(); there {
		return r, nil
	}
	all := r.Accepted(now)
	if len(all) >= MaxGenerations {
		return Ring{}, ErrFull
	}
	next := Generation{Number: r.Active + 1, Since: now.UTC(), Private: private}
	return Ring{r.Active, append(all, next)}, nil
}

// Use makes the announced generation active. Those before it are accepted for so
// much longer, or for less if their end is set already; with nothing to keep
// they end at once. A ring with nothing announced is returned as it is.
func (r Ring) Use(now time.Time, keep time.Duration) Ring {
	next, there := r.Announced()
	if !there {
		return r
	}
	until := now.Add(max(keep, 0)).UTC()
	all := slices.Clone(r.Generations)
	for i := range all[:len(all)-1] {
		if all[i].Until.IsZero() || until.Before(all[i].Until) {
			all[i].Until = until
		}
	}
	return Ring{next.Number, all}
}

// Accepted are the generations that are taken at a time: the active one, the one
// that is announced, and those whose end is still to come.
func (r Ring) Accepted(now time.Time) []Generation {
	all := make([]Generation, 0, len(r.Generations)+1)
	for _, g := range r.Generations {
		if g.Until.IsZero() || now.Before(g.Until) {
			all = append(all, g)
		}
	}
	return all
}

// Changes is when the next generation ends by itself; zero for never.
func (r Ring) Changes(now time.Time) time.Time {
	var next time.Time
	for _, g := range r.Accepted(now) {
		if !g.Until.IsZero() && (next.IsZero() || g.Until.Before(next)) {
			next = g.Until
		}
	}
	return next
}

// Has reports whether the active generation has a private key for an algorithm.
func (r Ring) Has(a clientside.Algorithm) bool {
	for _, g := range r.Generations {
		if g.Number == r.Active {
			return len(g.Private[a]) > 0
		}
	}
	return false
}

// Privates lists the algorithms that the active generation has private keys for.
func (r Ring) Privates() []clientside.Algorithm {
	var all []clientside.Algorithm
	for _, a := range clientside.Algorithms() {
		if r.Has(a) {
			all = append(all, a)
		}
	}
	return all
}
