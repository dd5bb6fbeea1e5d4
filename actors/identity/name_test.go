package identity

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckName(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"plain":               {"bjensen", true},
		"mail address":        {"bob+news@example.com", true},
		"inner space":         {"Babs Jensen", true},
		"letters of any kind": {"日本 ägypten", true},
		"longest":             {strings.Repeat("x", MaxName), true},
		"empty":               {"", false},
		"too long":            {strings.Repeat("x", MaxName+1), false},
		"space in front":      {" bob", false},
		"space behind":        {"bob ", false},
		"no-break space":      {"a\u00a0b", false},
		"newline":             {"a\nb", false},
		"zero byte":           {"a\x00b", false},
		"invisible":           {"a\u200bb", false},
		"turned direction":    {"a\u202eb", false},
		"not UTF-8":           {"a\xffb", false},
		"ends the RDN":        {"bob,ou=admins", false},
		"escape":              {`a\b`, false},
		"quote":               {`a"b`, false},
		"wildcard":            {"*", false},
		"path":                {"a/b", false},
		"parent":              {"..", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckName(tc.text)
			if (err == nil) != tc.ok {
				t.Fatalf("CheckName(%q) = %v, want ok %t", tc.text, err, tc.ok)
			}
			if err != nil && !errors.Is(err, ErrName) {
				t.Fatalf("error %v is not ErrName", err)
			}
		})
	}
}

func TestKey(t *testing.T) {
	for name, tc := range map[string]struct{ a, b string }{
		"case":             {"BJensen", "bjensen"},
		"outer space":      {" demo ", "demo"},
		"inner space":      {"Babs  Jensen", "babs jensen"},
		"composed":         {"\u00e4", "a\u0308"},
		"capital":          {"ÄPFEL", "äpfel"},
		"final sigma":      {"ΣΊΣΥΦΟΣ", "σίσυφος"},
		"sharp s":          {"STRASSE", "straße"},
		"full width":       {"ｄｅｍｏ", "demo"},
		"kelvin sign":      {"\u212a", "k"},
		"dotted capital":   {"İ", "i\u0307"},
		"ligature in fold": {"ﬁ", "FI"},
	} {
		t.Run(name, func(t *testing.T) {
			if Key(tc.a) != Key(tc.b) {
				t.Fatalf("Key(%q) = %q, Key(%q) = %q", tc.a, Key(tc.a), tc.b, Key(tc.b))
			}
		})
	}
	if Key("anna") == Key("änna") {
		t.Fatal("an accent makes another name")
	}
}

func TestKeyOfKeyIsKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		key := Key(name)
		if again := Key(key); again != key {
			t.Fatalf("Key(%q) = %q, but Key of that = %q", name, key, again)
		}
	})
}

func FuzzKey(f *testing.F) {
	for _, name := range []string{"demo", "ΣΊΣΥΦΟΣ", "ﬁ", "a\u0345\u0308", "\xff", "  x\ty "} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		key := Key(name)
		if again := Key(key); again != key {
			t.Fatalf("Key(%q) = %q, but Key of that = %q", name, key, again)
		}
	})
}
