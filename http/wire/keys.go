package wire

import (
	"encoding/json"
	"errors"
	"time"
)

// KeyRing is the keys for one purpose in the operator's listing.
type KeyRing struct {
	// Purpose is what they are for, "authid".
	Purpose string `json:"_id"`
	// Private names the algorithms that the active generation has private keys
	// for.
	Private     []string        `json:"private"`
	Generations []KeyGeneration `json:"generations"`
}

// KeyGeneration is one generation of keys.
type KeyGeneration struct {
	Number uint32 `json:"number"`
	// State is announced (accepted, but not used yet), active or accepted.
	State string `json:"state"`
	// Since is when it was announced, nil for the first; Until is when it is not
	// accepted any more, nil for no end.
	Since *time.Time `json:"since"`
	Until *time.Time `json:"until"`
}

// KeyRotation asks for new generations.
type KeyRotation struct {
	// Purposes to rotate; empty for all.
	Purposes []string
	// Keep is how long generations before are accepted, nil for as long as what
	// they protect may live.
	Keep *time.Duration
}

var (
	errPurposes = errors.New("purposes must be a list of texts")
	errKeep     = errors.New(`keep must be a duration that is not negative, such as "24h"`)
)

// MarshalJSON writes {"purposes":["authid"],"keep":"24h0m0s"}; what is empty is
// left out.
func (k KeyRotation) MarshalJSON() ([]byte, error) {
	form := struct {
		Purposes []string `json:"purposes,omitempty"`
		Keep     string   `json:"keep,omitempty"`
	}{Purposes: k.Purposes}
	if k.Keep != nil {
		form.Keep = k.Keep.String()
	}
	return json.Marshal(form)
}

// DecodeKeyRotation reads what MarshalJSON writes; an empty body asks for all.
func DecodeKeyRotation(body []byte) (KeyRotation, error) {
	var out KeyRotation
	if len(body) == 0 {
		return out, nil
	}
	err := Members(body, func(name, value []byte) error {
		switch string(name) {
		case "purposes":
			if json.Unmarshal(value, &out.Purposes) != nil {
				return errPurposes
			}
		case "keep":
			var text string
			err := json.Unmarshal(value, &text)
			keep, wrong := time.ParseDuration(text)
			if err != nil || wrong != nil || keep < 0 {
				return errKeep
			}
			out.Keep = &keep
		}
		return nil
	})
	return out, err
}
