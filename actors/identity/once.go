package identity

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"time"
)

// Mark names something for as long as it is remembered: a journey, a guess, a
// change. It is drawn from a hash.
type Mark [16]byte

func (m Mark) String() string { return hex.EncodeToString(m[:]) }

// MarshalText writes hexadecimal digits.
func (m Mark) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, m[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *Mark) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err == nil && len(raw) != len(m) {
		err = hex.ErrLength
	}
	if err == nil {
		copy(m[:], raw)
	}
	return err
}

// Once is a change that a store makes once: asked again under the same key, it
// changes nothing and returns what it would have returned the first time, as
// far as its caller goes by it. The key is remembered until Until, which must
// be the same each time.
//
// Only what counts is remembered: CountLogin, CountFailure, CountRetry, and a
// Settle as Wrong. Every other change leaves the same, made once or twice, and
// costs the store nothing beside itself.
type Once struct {
	Key    Mark
	Until  time.Time
	Change Change
}

func (c Once) apply(i Identity) Identity { return c.Change.apply(i) }

// recalled is a change that takes notice of its key.
type recalled interface {
	// recall is what the change returns when it was made before, kept what it
	// asked to keep, and now is stored.
	recall(now Identity, kept []byte) Identity
}

// remembered is a change that leaves its key behind, and what recall needs.
type remembered interface {
	recalled
	kept(after Identity) (kept []byte, ok bool)
}

// Kept is what is to be remembered of c, which left after behind; ok is false
// when that is nothing, not even its key.
func (c Once) Kept(after Identity) (kept []byte, ok bool) {
	if r, is := c.Change.(remembered); is {
		return r.kept(after)
	}
	return nil, false
}

// Recall is what c returns after its key was found, and what was kept with it.
// ok is false for a change that is made again nevertheless.
func (c Once) Recall(now Identity, kept []byte) (i Identity, ok bool) {
	if r, is := c.Change.(recalled); is {
		return r.recall(now, kept), true
	}
	return now, false
}

func (CountLogin) kept(Identity) ([]byte, bool)           { return nil, true }
func (CountLogin) recall(now Identity, _ []byte) Identity { return now }

//nolint:unparam // as the interface wants it
func (c Settle) kept(Identity) ([]byte, bool) { return nil, c.Verdict == Wrong }

func (Settle) recall(now Identity, _ []byte) Identity { return now }

func (c CountRetry) kept(after Identity) ([]byte, bool) {
	return binary.AppendUvarint(nil, uint64(max(after.Retries[c.Node], 0))), true
}

func (c CountRetry) recall(now Identity, kept []byte) Identity {
	count, _ := binary.Uvarint(kept)
	now.Retries = maps.Clone(now.Retries)
	if now.Retries == nil {
		now.Retries = map[string]int{}
	}
	now.Retries[c.Node] = int(min(count, maxRetries)) //nolint:gosec // bounded
	return now
}

// standing is what a CountFailure left, as the journey's answer tells it.
type standing struct {
	Failures Failures
	Status   Status
}

func (CountFailure) kept(after Identity) ([]byte, bool) {
	kept, err := json.Marshal(standing{after.Failures, after.Status})
	return kept, err == nil
}

func (CountFailure) recall(now Identity, kept []byte) Identity {
	var s standing
	if json.Unmarshal(kept, &s) == nil {
		now.Failures, now.Status = s.Failures, s.Status
	}
	return now
}

// Plain is c in words of the release before, which knows no keys and no
// permits, for a store where now is stored. It has none for Reserve and Settle.
func Plain(c Change, now Identity) Change {
	switch c := c.(type) {
	case CountRetry:
		return SetRetries{Node: c.Node, Count: c.apply(now).Retries[c.Node]}
	case CountFailure:
		c.Journey = Mark{}
		return c
	}
	return c
}
