package rest

import (
	"context"
	"net/http"
	"time"

	"sojourn/http/wire"
)

// Keys are the keys that the cluster signs and encrypts with.
type Keys interface {
	// Keys lists the rings.
	Keys(ctx context.Context) ([]KeyRing, error)
	// Rotate makes new generations of the purposes, of all for none, and returns
	// their rings when every member uses them. Those before are accepted for keep;
	// nil is for as long as what they protect may live. A *KeyRefusedError says
	// why it was not done.
	Rotate(ctx context.Context, purposes []string, keep *time.Duration) ([]KeyRing, error)
}

// KeyRing is the generations of keys for one purpose.
type KeyRing struct {
	Purpose string
	// Private names the algorithms that the active one has private keys for.
	Private     []string
	Generations []KeyGeneration
}

// KeyGeneration is one of them. Since is zero for the first, Until for one that
// nothing has taken the place of.
type KeyGeneration struct {
	Number       uint32
	State        KeyState
	Since, Until time.Time
}

// KeyState is what a generation is used for.
type KeyState string

// The states of a generation.
const (
	KeyAnnounced KeyState = "announced" // accepted, but not used yet
	KeyActive    KeyState = "active"    // used and accepted
	KeyAccepted  KeyState = "accepted"
)

// KeyRefusedError says why keys are not rotated. The operator is told.
type KeyRefusedError struct{ Reason string }

func (e *KeyRefusedError) Error() string { return e.Reason }

// keyOperations are those of global-config/sojourn/keys.
func keyOperations() []operation {
	return []operation{
		{method: "GET", path: "sojourn/keys", guard: guardOperator, run: listKeys},
		{method: "POST", path: "sojourn/keys", action: "rotate", guard: guardOperator, run: rotateKeys},
	}
}

func listKeys(c *call) error {
	all, err := c.h.cfg.Resources.Keys.Keys(c.context())
	if err != nil {
		return err
	}
	return c.rings(all)
}

func rotateKeys(c *call) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	in, err := wire.DecodeKeyRotation(body)
	if err != nil {
		return fault{status: http.StatusBadRequest, message: err.Error()}
	}
	all, err := c.h.cfg.Resources.Keys.Rotate(c.context(), in.Purposes, in.Keep)
	if err != nil {
		return err
	}
	return c.rings(all)
}

func (c *call) rings(all []KeyRing) error {
	bodies := make([][]byte, len(all))
	for i, r := range all {
		shown := wire.KeyRing{Purpose: r.Purpose, Private: append([]string{}, r.Private...)}
		for _, g := range r.Generations {
			shown.Generations = append(shown.Generations,
				wire.KeyGeneration{Number: g.Number, State: string(g.State), Since: wireTime(g.Since), Until: wireTime(g.Until)})
		}
		var err error
		if bodies[i], err = wire.Marshal(shown); err != nil {
			return err
		}
	}
	if c.query == "" || c.query.get("_action") != "" {
		c.query = "_queryFilter=true"
	}
	c.w.Header()["Cache-Control"] = cacheNoStore
	return c.list(bodies)
}

// wireTime is nil for the zero time.
func wireTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
