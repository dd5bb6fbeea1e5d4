package node

import (
	"crypto/subtle"
	"time"

	"sojourn/actors/callback"
)

// oneTimePasswordCollector asks for the code that was generated and compares.
// A code counts until its age reaches the limit; a right one is used up. An
// attempt is an answer to a step, of which one is ever committed and answered;
// a Retry Limit Decision after this node counts it once.
type oneTimePasswordCollector struct{ lifetime time.Duration }

func oneTimePasswordCollectorType() Type {
	return Type{
		Name:  "OneTimePasswordCollectorDecisionNode",
		Title: "OTP Collector Decision",
		Pure:  true,
		Properties: []Property{
			{Name: "passwordExpiryTime", Title: "One Time Password Validity Length", Kind: Whole, Default: 5},
		},
		Inputs:   Fixed(KeyOTP, KeyOTPTime),
		Outcomes: Fixed(True, False),
		New: func(c Config) (Node, error) {
			return oneTimePasswordCollector{c.Minutes("passwordExpiryTime")}, nil
		},
	}
}

func (n oneTimePasswordCollector) Process(c *Context) (Action, error) {
	code := ""
	if len(c.Answers) > 0 {
		var err error
		if code, err = c.answer(0).Text(0); err != nil {
			return nil, err
		}
	}
	if code == "" {
		return Ask{Callbacks: []callback.Callback{callback.NewPassword("One Time Password")}}, nil
	}
	right := n.matches(c, code)
	if right {
		c.State.Remove(KeyOTP)
		c.State.Remove(KeyOTPTime)
	}
	return Truth(right), nil
}

func (n oneTimePasswordCollector) matches(c *Context, code string) bool {
	want := c.State.Text(KeyOTP)
	same := subtle.ConstantTimeCompare([]byte(code), []byte(want)) == 1
	if want == "" || !c.State.Has(KeyOTPTime) {
		return false
	}
	made := time.Unix(int64(c.State.Number(KeyOTPTime)), 0)
	return same && c.Now.Before(made.Add(n.lifetime))
}
