package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
)

// fixed is a secret that looks random and is the same in every run.
func fixed(tb testing.TB) (Secret, string) {
	tb.Helper()
	text, err := Generate(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		tb.Fatal(err)
	}
	s, err := Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return s, text
}

func TestParse(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	random := make([]byte, 64)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(random)
	rising := make([]byte, 40)
	for i := range rising {
		rising[i] = byte(3 * i)
	}
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"as generated":       {encode(random[:32]), nil},
		"longer":             {encode(random), nil},
		"unpadded":           {base64.RawStdEncoding.EncodeToString(random[:32]), nil},
		"URL alphabet":       {base64.URLEncoding.EncodeToString(random), nil},
		"white space around": {"\n " + encode(random) + "\r\n", nil},
		"empty":              {"", ErrEmpty},
		"white space":        {" \n", ErrEmpty},
		"a password":         {"correct horse battery staple, and more of it", ErrEncoding},
		"two secrets":        {encode(random) + "\n" + encode(random), ErrEncoding},
		"short":              {encode(random[:31]), ErrShort},
		"too long":           {encode(bytes.Repeat(random, 17)), ErrLong},
		"far too long":       {strings.Repeat("A", 1<<20), ErrLong},
		"zeros":              {encode(make([]byte, 32)), ErrWeak},
		"text":               {encode([]byte("What an operator may type when asked for something long.")), ErrWeak},
		"pattern":            {encode(bytes.Repeat(random[:8], 4)), ErrWeak},
		"rising":             {encode(rising), ErrWeak},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tc.text))
			if !errors.Is(err, tc.want) || err != nil && tc.want == nil {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

func TestRandomSecretsAreNotWeak(t *testing.T) {
	source := rand.NewChaCha8([32]byte{3})
	for range 20_000 {
		text, err := Generate(source)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse([]byte(text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func TestGenerateNeedsRandomness(t *testing.T) {
	if _, err := Generate(bytes.NewReader(make([]byte, Size-1))); err == nil {
		t.Error("a secret was made of too few random bytes")
	}
}

// The keys of one secret for ever: a member of the next release must derive
// what this one does, or its data, tokens and journeys are lost.
func TestDerivedKeysStay(t *testing.T) {
	s, text := fixed(t)
	if text != fixedText {
		t.Fatalf("the fixed secret is %s", text)
	}
	want := fixedKeys()
	for _, p := range Purposes() {
		if got := hex.EncodeToString(s.Derive(p)); got != want[p] {
			t.Errorf("%s derives %s, want %s", p, got, want[p])
		}
	}
}

func TestDerivedKeysDiffer(t *testing.T) {
	s, _ := fixed(t)
	other, err := Parse([]byte(base64.StdEncoding.EncodeToString(s.Derive(Gossip))))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for who, secret := range map[string]Secret{"one": s, "other": other} {
		for _, p := range Purposes() {
			key := string(secret.Derive(p))
			if len(key) != Size {
				t.Errorf("%s has %d bytes", p, len(key))
			}
			if twin, taken := seen[key]; taken {
				t.Errorf("%s of %s equals %s", p, who, twin)
			}
			seen[key] = string(p) + " of " + who
		}
	}
}

func TestDeriveFromNothingPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the zero Secret gave a key")
		}
	}()
	Secret{}.Derive(AuthID)
}

func TestNothingPrintsASecret(t *testing.T) {
	s, text := fixed(t)
	token := s.OperatorToken()
	if !strings.HasPrefix(token.Reveal(), "sojourn_op_") || len(token.Reveal()) != 11+43 {
		t.Errorf("operator token has the form %q", token.Reveal())
	}
	key := string(s.Derive(Operator))
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", s, token)
		fmt.Fprintf(&out, verb+"\n", struct {
			S Secret
			T Token
		}{s, token})
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", s, "token", token)
	raw, err := json.Marshal(map[string]any{"s": s, "t": token})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	for _, hidden := range []string{
		text, token.Reveal(), string(s.root), key, hex.EncodeToString(s.root), hex.EncodeToString([]byte(token)),
		fmt.Sprintf("%d", s.root[:4])[1:12],
	} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(hidden)) {
			t.Errorf("%q is shown in\n%s", hidden, out.String())
		}
	}
}

func TestCheckMode(t *testing.T) {
	for mode, want := range map[fs.FileMode]error{
		0o600: nil, 0o400: nil, 0o700: nil, 0o640: ErrMode, 0o604: ErrMode, 0o644: ErrMode, 0o620: ErrMode, 0o601: ErrMode,
	} {
		if err := CheckMode(mode); !errors.Is(err, want) || err != nil && want == nil {
			t.Errorf("mode %#o: %v, want %v", mode, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	_, text := fixed(f)
	f.Add([]byte(text))
	f.Add([]byte("changeit"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			if len(text) > 8 && strings.Contains(err.Error(), string(text)) {
				t.Errorf("the error shows the text: %v", err)
			}
			return
		}
		if len(s.Derive(AuthID)) != Size {
			t.Error("no key")
		}
	})
}
