package session_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sojourn/cts/session"
)

func testKeys() session.Keys {
	return session.Keys{Secret: bytes.Repeat([]byte{1}, 32), Mark: bytes.Repeat([]byte{2}, 32)}
}

func TestTokenIsGolden(t *testing.T) {
	const want = "HIVWADyXJ1S4Mk5s8jaLCT0WMxc.*AAJTSQACMDEAAlNLABxBQUFBQUFBQUFBZE90R04tWUZjeWFZOUVzOE0uAAR0eXBlAANDVFMAAlMxAAA.*"
	got := string(testKeys().Mint([16]byte{9, 8, 7}, 7, "01"))
	if got != want {
		t.Errorf("token = %s, want %s: tokens of a released version must stay readable", got, want)
	}
}

// The slow twin makes both halves of a token with crypto/hmac.
func TestTokenAgreesWithHMAC(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := session.Keys{
			Secret: rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(rt, "secret"),
			Mark:   rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(rt, "mark"),
		}
		journey := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "journey"))
		index := rapid.Uint64().Draw(rt, "index")

		h := hmac.New(sha256.New, keys.Secret)
		h.Write(journey[:])
		secret := h.Sum(nil)[:20]
		h = hmac.New(sha256.New, keys.Mark)
		h.Write(secret)
		h.Write(binary.BigEndian.AppendUint64(nil, index))
		mark := h.Sum(nil)[:12]

		token := keys.Mint(journey, index, "01")
		first, rest, _ := strings.Cut(string(token), "*")
		if want := c66(secret); first != want {
			rt.Fatalf("secret part = %s, want %s", first, want)
		}
		storage := c66(append(binary.BigEndian.AppendUint64(nil, index), mark...))
		ext, err := base64.StdEncoding.DecodeString(
			strings.NewReplacer("-", "+", "_", "/", ".", "=").Replace(strings.TrimSuffix(rest, "*")))
		if err != nil || !strings.Contains(string(ext), storage) {
			rt.Fatalf("extensions %q do not hold storage key %s (%v)", ext, storage, err)
		}

		id, gotIndex, err := keys.Parse(token)
		if err != nil || gotIndex != index || id != keys.SessionID(journey) {
			rt.Fatalf("Parse = %s, %d, %v", id, gotIndex, err)
		}
	})
}

func c66(raw []byte) string {
	return strings.NewReplacer("+", "-", "/", "_", "=", ".").Replace(base64.StdEncoding.EncodeToString(raw))
}

func TestParseRefuses(t *testing.T) {
	keys := testKeys()
	good := string(keys.Mint([16]byte{1}, 1, "01"))
	first, rest, _ := strings.Cut(good, "*")
	tests := map[string]string{
		"empty":                "",
		"no star":              "abc",
		"one star":             strings.TrimSuffix(good, "*"),
		"tail":                 good + "x",
		"short secret":         first[4:] + "*" + rest,
		"long secret":          "AAAA" + first + "*" + rest,
		"newline in secret":    first[:4] + "\n" + first[5:] + "*" + rest,
		"newlines in ext":      first + "*\r\n\r\n" + rest,
		"standard alphabet":    strings.ReplaceAll(good, ".", "="),
		"long extensions":      first + "*" + strings.Repeat("A", 300) + "*",
		"extensions cut":       first + "*" + rest[:8] + "*",
		"empty extensions":     first + "**",
		"other journey's mark": string(keys.Mint([16]byte{2}, 1, "01"))[:28] + good[28:],
		"other key":            string(session.Keys{Secret: keys.Secret, Mark: []byte("x")}.Mint([16]byte{1}, 1, "01")),
		"secret not canonical": first[:26] + "h.*" + rest,
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			if _, _, err := keys.Parse(session.TokenID(token)); !errors.Is(err, session.ErrToken) {
				t.Errorf("Parse(%q) = %v, want ErrToken", token, err)
			}
		})
	}
}

// Every single changed character makes a token worthless.
func TestParseRefusesEveryChange(t *testing.T) {
	keys := testKeys()
	good := string(keys.Mint([16]byte{1}, 12345, "01"))
	id, index, err := keys.Parse(session.TokenID(good))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for _, c := range "AZaz09-_.*+/=" {
			forged := good[:i] + string(c) + good[i+1:]
			gotID, gotIndex, err := keys.Parse(session.TokenID(forged))
			if forged != good && err == nil && (gotID != id || gotIndex != index) {
				t.Fatalf("a token with %q at %d opens %s at %d", c, i, gotID, gotIndex)
			}
		}
	}
}

func TestTokenPrintsRedacted(t *testing.T) {
	token := testKeys().Mint([16]byte{1}, 1, "01")
	for _, verb := range []string{"%v", "%s", "%q", "%#v", "%+v"} {
		if text := fmt.Sprintf(verb, token); strings.Contains(text, "*A") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	keys := testKeys()
	token := keys.Mint([16]byte{1}, 1, "01")
	if n := testing.AllocsPerRun(100, func() { _, _, _ = keys.Parse(token) }); n != 0 {
		t.Errorf("Parse allocates %v times", n)
	}
}

func FuzzParse(f *testing.F) {
	keys := testKeys()
	f.Add(string(keys.Mint([16]byte{1}, 1, "01")))
	f.Add("AQ*AA*")
	f.Add(strings.Repeat("A", 28) + "*" + strings.Repeat("A", 252) + "*")
	own, _, _ := keys.Parse(keys.Mint([16]byte{1}, 1, "01"))
	f.Fuzz(func(t *testing.T, text string) {
		id, index, err := keys.Parse(session.TokenID(text))
		if err == nil && (id != own || index != 1) {
			t.Errorf("%q was forged", text)
		}
	})
}

func BenchmarkTokenParse(b *testing.B) {
	keys := testKeys()
	token := keys.Mint([16]byte{1}, 1, "01")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := keys.Parse(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTokenMint(b *testing.B) {
	keys := testKeys()
	b.ReportAllocs()
	for b.Loop() {
		keys.Mint([16]byte{1}, 1, "01")
	}
}
