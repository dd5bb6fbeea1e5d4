package keyring

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/cts/clientside"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // never changed

func rotated(t *testing.T, r Ring, at time.Time, keep time.Duration) Ring {
	t.Helper()
	next, err := r.Announce(at, nil)
	if err != nil {
		t.Fatal(err)
	}
	return next.Use(at, keep)
}

func numbers(all []Generation) []uint32 {
	var out []uint32
	for _, g := range all {
		out = append(out, g.Number)
	}
	return out
}

func TestRotation(t *testing.T) {
	first := First()
	announced, err := first.Announce(noon, nil)
	if err != nil || announced.Active != 1 || announced.Next() != 2 || first.Next() != 2 {
		t.Fatalf("announced %+v, %v", announced, err)
	}
	if again, err := announced.Announce(noon.Add(time.Hour), nil); err != nil || !reflect.DeepEqual(again, announced) {
		t.Errorf("announced again: %+v, %v", again, err)
	}
	if !reflect.DeepEqual(first.Use(noon, time.Hour), first) {
		t.Error("used what is not announced")
	}
	used := announced.Use(noon, time.Hour)
	if _, there := used.Announced(); used.Active != 2 || there {
		t.Errorf("used %+v", used)
	}
	for at, want := range map[time.Duration][]uint32{0: {1, 2}, time.Hour - 1: {1, 2}, time.Hour: {2}} {
		if got := numbers(used.Accepted(noon.Add(at))); !slices.Equal(got, want) {
			t.Errorf("after %s %v are accepted, want %v", at, got, want)
		}
	}
	if got := used.Changes(noon); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("changes at %s", got)
	}
	if got := used.Changes(noon.Add(time.Hour)); !got.IsZero() {
		t.Errorf("changes again at %s", got)
	}
	if len(first.Generations) != 1 || announced.Generations[0].Until != (time.Time{}) {
		t.Error("a ring was changed")
	}
}

// A rotation ends older generations sooner, never later.
func TestKeepIsNeverLonger(t *testing.T) {
	r := rotated(t, First(), noon, time.Hour)
	r = rotated(t, r, noon.Add(time.Minute), 24*time.Hour)
	if got := r.Generations[0].Until; !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("generation 1 ends at %s", got)
	}
	r = rotated(t, r, noon.Add(2*time.Minute), 0)
	if got := numbers(r.Accepted(noon.Add(2 * time.Minute))); !slices.Equal(got, []uint32{4}) {
		t.Errorf("%v are accepted after a rotation that keeps nothing", got)
	}
}

func TestFull(t *testing.T) {
	r := First()
	for range MaxGenerations - 1 {
		r = rotated(t, r, noon, time.Hour)
	}
	if _, err := r.Announce(noon, nil); !errors.Is(err, ErrFull) {
		t.Errorf("announced one too many: %v", err)
	}
	r, err := r.Announce(noon.Add(time.Hour), nil)
	if err != nil || len(r.Generations) != 2 {
		t.Errorf("%d generations, %v, once the others have ended", len(r.Generations), err)
	}
}

// Whatever is done in whatever order: a ring decodes to itself, one generation
// is active, and what was active is accepted for as long as was promised.
func TestRingsAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := First(), noon
		promised := map[uint32]time.Time{} // generation -> accepted until then
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes")) * time.Minute)
			switch rapid.IntRange(0, 1).Draw(t, "do") {
			case 0:
				if next, err := r.Announce(now, nil); err == nil {
					r = next
				}
			case 1:
				keep := time.Duration(rapid.IntRange(0, 48).Draw(t, "hours")) * time.Hour
				before := r.Active
				if r = r.Use(now, keep); r.Active == before {
					break
				}
				for n := range r.Active {
					if until := now.Add(keep); promised[n].IsZero() || until.Before(promised[n]) {
						promised[n] = until
					}
				}
			}
			got, err := Decode(r.Encode())
			if err != nil || !reflect.DeepEqual(got, r) {
				t.Fatalf("%s decodes to %+v, %v", r.Encode(), got, err)
			}
			accepted := numbers(r.Accepted(now))
			for n := uint32(1); n < r.Active; n++ {
				if want := now.Before(promised[n]); want != slices.Contains(accepted, n) {
					t.Fatalf("generation %d accepted: %v at %s, promised until %s", n, !want, now, promised[n])
				}
			}
			if !slices.Contains(accepted, r.Active) {
				t.Fatalf("the active one is not accepted: %+v", r)
			}
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	const old = `{"number":1,"until":"2026-12-22T07:00:00Z"}`
	for name, body := range map[string]string{
		"no JSON":               `x`,
		"another version":       `{"version":2,"active":1,"generations":[{"number":1}]}`,
		"no generation":         `{"version":1,"active":1,"generations":[]}`,
		"too many":              `{"version":1,"active":1,"generations":[{"number":1},{"number":2},{"number":3},{"number":4},{"number":5},{"number":6},{"number":7},{"number":8},{"number":9}]}`,
		"number 0":              `{"version":1,"active":0,"generations":[{"number":0}]}`,
		"out of order":          `{"version":1,"active":2,"generations":[{"number":2},` + old + `]}`,
		"twice":                 `{"version":1,"active":1,"generations":[{"number":1},{"number":1}]}`,
		"none is active":        `{"version":1,"active":3,"generations":[` + old + `]}`,
		"an old one for ever":   `{"version":1,"active":2,"generations":[{"number":1},{"number":2}]}`,
		"the active one ends":   `{"version":1,"active":1,"generations":[` + old + `]}`,
		"two are announced":     `{"version":1,"active":1,"generations":[{"number":1},{"number":2},{"number":3}]}`,
		"a negative number":     `{"version":1,"active":1,"generations":[{"number":-1}]}`,
		"bytes that are no key": `{"version":1,"active":1,"generations":[{"number":1,"private":{"RS256":7}}]}`,
	} {
		if r, err := Decode([]byte(body)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// The stored form, for ever.
func TestDocument(t *testing.T) {
	r := rotated(t, First(), noon, 30*24*time.Hour)
	r.Generations[1].Private = map[clientside.Algorithm][]byte{clientside.ES256: {1, 2, 3}}
	const want = `{"version":1,"active":2,"generations":[{"number":1,"until":"2026-12-22T12:00:00Z"},` +
		`{"number":2,"since":"2026-11-22T12:00:00Z","private":{"ES256":"AQID"}}]}`
	if got := string(r.Encode()); got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
}

func TestEveryAlgorithmHasOneRing(t *testing.T) {
	for _, tokens := range clientside.Purposes() {
		for _, a := range clientside.Algorithms() {
			p, there := For(tokens, a)
			count := 0
			for _, other := range Purposes() {
				if of, algorithms := other.Tokens(); of == tokens && slices.Contains(algorithms, a) {
					count++
				}
			}
			if !there || count != 1 {
				t.Errorf("%s %s: in %d rings, %q", tokens, a, count, p)
			}
		}
	}
	if _, there := For(clientside.Session, "PS256"); there {
		t.Error("a ring for an algorithm that nobody knows")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(First().Encode())
	f.Add([]byte(`{"version":1,"active":2,"generations":[{"number":1,"until":"2026-12-22T12:00:00Z"},{"number":2,"private":{"ES256":"AQID"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Decode(body)
		if err != nil {
			return
		}
		again, err := Decode(r.Encode())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
			t.Fatalf("%+v encodes to what decodes to %+v, %v", r, again, err)
		}
		if !slices.ContainsFunc(r.Accepted(noon), func(g Generation) bool { return g.Number == r.Active }) {
			t.Fatalf("the active generation of %s is not accepted", body)
		}
	})
}
