package stream_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"sojourn/cts/command"
	"sojourn/cts/internal/seal"
	"sojourn/cts/internal/stream"
)

func box(t testing.TB, secret byte) *seal.Box {
	t.Helper()
	if secret == 0 {
		return nil
	}
	b, err := seal.New(bytes.Repeat([]byte{secret}, seal.MinSecret), "backup")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, secret byte, n int) (data []byte, pairs []command.Pair) {
	t.Helper()
	var b bytes.Buffer
	w, err := stream.NewWriter(&b, stream.Header{Index: 7, Term: 2, ConfigIndex: 1, Config: []byte("conf")}, box(t, secret))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p := command.Pair{Key: fmt.Appendf(nil, "s%08d", i), Value: bytes.Repeat([]byte{byte(i)}, i%300)}
		if p.Value == nil {
			p.Value = []byte{}
		}
		if err := w.Pair(p.Key, p.Value); err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, p)
	}
	if err := w.Close(command.Totals{Count: uint64(n), Sum: 99}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), pairs
}

func read(data []byte, box *seal.Box) (stream.Header, command.Totals, []command.Pair, error) {
	var pairs []command.Pair
	h, totals, err := stream.Read(bytes.NewReader(data), box, func(_ stream.Header, p []command.Pair) error {
		pairs = append(pairs, p...)
		return nil
	})
	return h, totals, pairs, err
}

func TestStream(t *testing.T) {
	for name, secret := range map[string]byte{"plain": 0, "sealed": 1} {
		for _, n := range []int{0, 1, 5000} {
			t.Run(fmt.Sprintf("%s, %d pairs", name, n), func(t *testing.T) {
				data, want := write(t, secret, n)
				h, totals, got, err := read(data, box(t, secret))
				if err != nil || h.Index != 7 || h.Term != 2 || string(h.Config) != "conf" ||
					totals != (command.Totals{Count: uint64(n), Sum: 99}) || !reflect.DeepEqual(got, want) {
					t.Errorf("read %+v, %+v, %d pairs, %v", h, totals, len(got), err)
				}
				if shows := bytes.Contains(data, []byte("s00000000")); n > 0 && shows != (secret == 0) {
					t.Errorf("keys can be read: %v", shows)
				}
			})
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, secret := range map[string]byte{"plain": 0, "sealed": 1} {
		data, _ := write(t, secret, 40)
		t.Run(name+" cut", func(t *testing.T) {
			for n := range data {
				if _, _, _, err := read(data[:n], box(t, secret)); !errors.Is(err, stream.ErrFormat) {
					t.Fatalf("%d of %d bytes: %v", n, len(data), err)
				}
			}
		})
		t.Run(name+" changed", func(t *testing.T) {
			for i := range data {
				changed := bytes.Clone(data)
				changed[i] ^= 1
				var version *command.VersionError
				if _, _, _, err := read(changed, box(t, secret)); !errors.Is(err, stream.ErrFormat) && !errors.As(err, &version) {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
		})
		t.Run(name+" longer", func(t *testing.T) {
			if _, _, _, err := read(append(bytes.Clone(data), 0), box(t, secret)); !errors.Is(err, stream.ErrFormat) {
				t.Error(err)
			}
		})
		t.Run(name+" other key", func(t *testing.T) {
			for _, other := range []byte{0, 1, 2} {
				if _, _, _, err := read(data, box(t, other)); other != secret && !errors.Is(err, stream.ErrFormat) {
					t.Errorf("key %d: %v", other, err)
				}
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	data, _ := write(f, 0, 3)
	f.Add(data)
	f.Fuzz(func(_ *testing.T, data []byte) { _, _, _, _ = read(data, nil) })
}
