package amjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sojourn/actors/internal/amjson"
)

func TestCheck(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + "1" + strings.Repeat("]}", n/2) }
	tests := []struct{ name, raw, want string }{
		{"object", `{"a":{"b":[1,{"c":null}]},"b":1}`, ""},
		{"same key in two objects", `{"a":{"k":1},"b":{"k":1},"c":[{"k":1},{"k":1}]}`, ""},
		{"keys that differ in case", `{"a":1,"A":1}`, ""},
		{"a number", ` 1 `, ""},
		{"as deep as may be", deep(amjson.MaxDepth), ""},
		{"too deep", deep(amjson.MaxDepth + 2), "deeper than 64 levels"},
		{"nothing", "", "the text ends too early"},
		{"spaces", "  \n", "the text ends too early"},
		{"cut off", `{"a":[1`, "/a: the text ends too early"},
		{"cut off after a key", `{"a"`, "the text ends too early"},
		{"not JSON", `{"a":[1,x]}`, "/a/1: not valid JSON at byte 8"},
		{"wrong bracket", `{"a":[1}}`, "not valid JSON"},
		{"trailing value", `{} {}`, "more data follows the JSON value at byte"},
		{"trailing bracket", `{}}`, "more data follows"},
		{"trailing rubbish", `{} x`, "more data follows"},
		{"twice", `{"a":1,"b":2,"a":3}`, `the key "a" stands there twice`},
		{"twice, deep", `{"x/y":[{},{"~":{"k":1,"k":1}}]}`, `/x~1y/1/~0: the key "k" stands there twice`},
		{"twice, once escaped", `{"k":1,"\u006b":1}`, `the key "k" stands there twice`},
		{"empty key twice", `{"":1,"":1}`, `the key "" stands there twice`},
		{"not UTF-8", "\"\xff\"", "not valid UTF-8"},
		{"too large", `"` + strings.Repeat("a", 2000) + `"`, "larger than 1000 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := amjson.Check([]byte(tt.raw), 1000)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var fault *amjson.Error
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Check takes what encoding/json takes, but for keys that stand twice.
func TestCheckAgainstUnmarshal(t *testing.T) {
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		leaf := rapid.SampledFrom([]string{"1", "-0.5e3", `"a"`, "null", "true", "x", ""})
		if depth == 0 {
			return leaf
		}
		inner := value(depth - 1)
		return rapid.OneOf(
			leaf,
			rapid.Map(rapid.SliceOfN(inner, 0, 3), func(v []string) string { return "[" + strings.Join(v, ",") + "]" }),
			rapid.Custom(func(t *rapid.T) string {
				var members []string
				for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3).Draw(t, "keys") {
					members = append(members, fmt.Sprintf("%q:%s", key, inner.Draw(t, "member")))
				}
				return "{" + strings.Join(members, ",") + "}"
			}),
		)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := value(3).Draw(t, "text")
		var into any
		plain := json.Unmarshal([]byte(text), &into)
		err := amjson.Check([]byte(text), 1<<20)
		if plain == nil && err != nil && !strings.Contains(err.Error(), "twice") {
			t.Fatalf("%s is refused: %v", text, err)
		}
		if plain != nil && err == nil {
			t.Fatalf("%s is taken; encoding/json says %v", text, plain)
		}
		if plain == nil {
			// Written anew, each value has as many colons as there were, unless a
			// key stood twice.
			again, _ := json.Marshal(into)
			if twice := strings.Count(string(again), ":") != strings.Count(text, ":"); twice != (err != nil) {
				t.Fatalf("%s: %v", text, err)
			}
		}
	})
}

func TestValues(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	t.Run("absent", func(t *testing.T) {
		for text, want := range map[string]bool{"": true, " null ": true, `""`: false, "0": false, "{}": false} {
			if got := amjson.Absent(raw(text)); got != want {
				t.Errorf("Absent(%q) = %v", text, got)
			}
		}
	})
	t.Run("flag", func(t *testing.T) {
		for text, want := range map[string]string{
			"true": "true", `"false"`: "false", "1": "error", `"TRUE"`: "error", "null": "error", "": "error", "[true]": "error",
		} {
			got, err := amjson.Flag(raw(text))
			if result(got, err) != want {
				t.Errorf("Flag(%q) = %v, %v", text, got, err)
			}
		}
	})
	t.Run("whole", func(t *testing.T) {
		for text, want := range map[string]string{
			"5": "5", `"5"`: "5", `[5]`: "5", `["5"]`: "5", "0": "error", "10": "10", "11": "error", "1.5": "error", "1e1": "error",
			`""`: "error", "[]": "error", "[1,2]": "error", "{}": "error", "null": "error", "99999999999999999999": "error",
		} {
			got, err := amjson.Whole(raw(text), 1, 10)
			if result(got, err) != want {
				t.Errorf("Whole(%q) = %v, %v", text, got, err)
			}
		}
	})
	t.Run("texts", func(t *testing.T) {
		for text, want := range map[string]string{
			`["a",1,true]`: "[a 1 true]", `"a"`: "[a]", "[]": "[]", "null": "[]", "": "[]", "{}": "error", "[[]]": "error", "[null]": "error",
		} {
			got, err := amjson.Texts(raw(text))
			if result(got, err) != want {
				t.Errorf("Texts(%q) = %v, %v", text, got, err)
			}
		}
	})
	t.Run("object", func(t *testing.T) {
		for text, want := range map[string]string{`{"a":1}`: "1", "{}": "0", "null": "0", "": "0", "[]": "error", "1": "error"} {
			got, err := amjson.Object(raw(text))
			if result(len(got), err) != want {
				t.Errorf("Object(%q) = %v, %v", text, got, err)
			}
		}
	})
}

func result(value any, err error) string {
	if err != nil {
		return "error"
	}
	return fmt.Sprint(value)
}

func TestDuration(t *testing.T) {
	tests := []struct {
		name    string
		d       time.Duration
		minutes int64
	}{
		{"none", 0, 0},
		{"whole", 5 * time.Minute, 5},
		{"rounded up", 61 * time.Second, 2},
		{"longest", time.Duration(math.MaxInt64), amjson.MaxCount},
		{"all that is longer", amjson.Duration(amjson.MaxCount, time.Minute), amjson.MaxCount},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := amjson.Count(tt.d, time.Minute); got != tt.minutes {
				t.Errorf("got %d, want %d", got, tt.minutes)
			}
			if back := amjson.Duration(tt.minutes, time.Minute); back < 0 || amjson.Count(back, time.Minute) != tt.minutes {
				t.Errorf("%d minutes are %v", tt.minutes, back)
			}
		})
	}
}

func TestMarshal(t *testing.T) {
	got, err := amjson.Marshal(map[string]any{"b": "<a href=\"x\">&", "a": json.RawMessage(` [ 1 ] `)})
	if want := `{"a":[1],"b":"<a href=\"x\">&"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if got, err := amjson.Marshal(json.RawMessage("{")); err == nil {
		t.Errorf("got %s", got)
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":1,"a":2}`, `[[{}]]`, `{"a":{"b":"\ud800"}}`, `1 2`, "\"\xff\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if amjson.Check(raw, 1<<16) != nil {
			return
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			t.Fatalf("%q is taken; encoding/json says %v", raw, err)
		}
		if !slices.Contains([]string{"an object", "a list"}, amjson.Shape(raw)) && bytes.ContainsAny(bytes.TrimSpace(raw)[:1], "{[") {
			t.Fatalf("%q is %s", raw, amjson.Shape(raw))
		}
	})
}
