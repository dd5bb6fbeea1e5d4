package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"sojourn/cts/internal/seal"
)

func box(t testing.TB, secret byte, purpose string) *seal.Box {
	t.Helper()
	b, err := seal.New(bytes.Repeat([]byte{secret}, seal.MinSecret), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBox(t *testing.T) {
	writer, reader := box(t, 1, "log"), box(t, 1, "log")
	plain, place := []byte("who goes there"), []byte("entry 7")
	sealed := writer.Seal([]byte("head"), plain, place)[4:]
	if len(sealed) != len(plain)+seal.Overhead || bytes.Contains(sealed, plain) {
		t.Fatalf("sealed = %q", sealed)
	}
	got, err := reader.Open(nil, sealed, place)
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("a later process opens it to %q, %v", got, err)
	}
	if again := writer.Seal(nil, plain, place); bytes.Equal(again, sealed) {
		t.Error("the same record is sealed twice to the same bytes")
	}
	for name, open := range map[string]func() ([]byte, error){
		"other secret":  func() ([]byte, error) { return box(t, 2, "log").Open(nil, sealed, place) },
		"other purpose": func() ([]byte, error) { return box(t, 1, "backup").Open(nil, sealed, place) },
		"other place":   func() ([]byte, error) { return reader.Open(nil, sealed, []byte("entry 8")) },
		"too short":     func() ([]byte, error) { return reader.Open(nil, sealed[:seal.Overhead-1], place) },
	} {
		if got, err := open(); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: opened to %q, %v", name, got, err)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := reader.Open(nil, changed, place); !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("a change of byte %d goes unnoticed: %v", i, err)
		}
	}
}

func TestShortSecret(t *testing.T) {
	if _, err := seal.New(make([]byte, seal.MinSecret-1), "log"); err == nil {
		t.Error("a short secret is taken")
	}
}
