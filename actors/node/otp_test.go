package node_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sojourn/actors/node"
)

// descending gives each byte once, the largest first: the six that must be
// thrown away come before all others.
func descending() *strings.Reader {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(255 - i)
	}
	return strings.NewReader(string(all))
}

func TestOneTimePasswordDigitsAreEquallyLikely(t *testing.T) {
	random := descending()
	counts := map[rune]int{}
	for range 5 {
		state, err := generate(t, `{"length":50}`, random)
		if err != nil {
			t.Fatal(err)
		}
		code := state.Text(node.KeyOTP)
		if len(code) != 50 {
			t.Fatalf("the code has %d digits", len(code))
		}
		for _, digit := range code {
			counts[digit]++
		}
	}
	if random.Len() != 0 {
		t.Errorf("%d bytes were not needed: some were not thrown away", random.Len())
	}
	for digit := '0'; digit <= '9'; digit++ {
		if counts[digit] != 25 {
			t.Errorf("of 256 different bytes, %d became %c, want 25", counts[digit], digit)
		}
	}
}

func TestOneTimePasswordNeedsRandomness(t *testing.T) {
	broken := errors.New("no entropy")
	for name, random := range map[string]io.Reader{
		"broken": iotest.ErrReader(broken), "short": strings.NewReader("12345"),
	} {
		if state, err := generate(t, `{}`, random); err == nil || state.Has(node.KeyOTP) {
			t.Errorf("%s: %v, and the state is %+v", name, err, state.Transient)
		}
	}
}

func generate(t *testing.T, attributes string, random io.Reader) (node.State, error) {
	t.Helper()
	typ, _ := node.Builtin().Type("OneTimePasswordGeneratorNode")
	c, err := typ.Configure(config(t, typ.Name, attributes))
	if err != nil {
		t.Fatal(err)
	}
	n, err := typ.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var state node.State
	_, err = n.Process(&node.Context{Rand: random, State: &state, Ending: &node.Ending{}, Request: &node.Request{}})
	return state, err
}
