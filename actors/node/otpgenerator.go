package node

import (
	"fmt"
	"io"
)

// Bounds of a one-time password's length, in digits.
const (
	minOTP = 6
	maxOTP = 64
)

// oneTimePasswordGenerator draws a random code of decimal digits. A step that
// is run again draws another one; the one in the state that is committed counts.
type oneTimePasswordGenerator struct{ length int }

func oneTimePasswordGeneratorType() Type {
	return Type{
		Name:  "OneTimePasswordGeneratorNode",
		Title: "HOTP Generator",
		Properties: []Property{
			{Name: "length", Title: "One Time Password Length", Kind: Whole, Default: 8, Min: minOTP},
		},
		New: func(c Config) (Node, error) {
			if n := c.Whole("length"); n > maxOTP {
				return nil, fmt.Errorf("length: %d is more than %d", n, maxOTP)
			}
			return oneTimePasswordGenerator{c.Whole("length")}, nil
		},
	}
}

func (n oneTimePasswordGenerator) Process(c *Context) (Action, error) {
	code, err := digits(c.Rand, n.length)
	if err != nil {
		return nil, fmt.Errorf("draw a one-time password: %w", err)
	}
	c.State.PutTransient(KeyOTP, code)
	c.State.PutTransient(KeyOTPTime, float64(c.Now.Unix()))
	return Goto{Next}, nil
}

// digits draws n decimal digits, each as likely as any other: the bytes that
// would favour some digits are thrown away.
func digits(random io.Reader, n int) (string, error) {
	const fair = 256 / 10 * 10
	code := make([]byte, 0, n)
	var drawn [maxOTP]byte
	for len(code) < n {
		batch := drawn[:n-len(code)]
		if _, err := io.ReadFull(random, batch); err != nil {
			return "", err
		}
		for _, b := range batch {
			if b < fair {
				code = append(code, '0'+b%10)
			}
		}
	}
	return string(code), nil
}
