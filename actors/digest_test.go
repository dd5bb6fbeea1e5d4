package actors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"sojourn/actors/callback"
)

// What is digested is the JSON of answers, whichever way it was written: members
// of other releases write it with encoding/json.
func TestDigestOfJSON(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, answers []callback.Answer) {
		var want bytes.Buffer
		var got digestWork
		fault := json.NewEncoder(&want).Encode(answers)
		if err := got.write(answers); fault != nil || err != nil || got.text.String() != want.String() {
			t.Fatalf("wrote %q, %v; want %q, %v", got.text.String(), err, want.String(), fault)
		}
	}
	for c := range 256 {
		for _, text := range []string{string([]byte{byte(c)}), string(rune(c)), "demo" + string(rune(0x2000+c))} {
			check(t, []callback.Answer{{Type: callback.Name, Values: []any{text}}, {Type: callback.Type(text), Values: []any{}}})
		}
	}
	text := rapid.String()
	value := rapid.OneOf(rapid.Map(text, func(s string) any { return s }), rapid.SampledFrom([]any{nil, true, 1.5, []any{"a"}, map[string]any{"b": "<"}}))
	answer := rapid.Custom(func(t *rapid.T) callback.Answer {
		a := callback.Answer{Type: callback.Type(text.Draw(t, "type"))}
		if rapid.Bool().Draw(t, "values") {
			a.Values = rapid.SliceOfN(value, 0, 3).Draw(t, "of")
		}
		return a
	})
	rapid.Check(t, func(t *rapid.T) {
		var answers []callback.Answer
		if rapid.Bool().Draw(t, "answers") {
			answers = rapid.SliceOfN(answer, 0, 3).Draw(t, "of")
		}
		check(t, answers)
	})
}

// Equal answers have one digest under one key, however many are digested at
// the same time; other answers and other keys have another.
func TestDigest(t *testing.T) {
	answers := func(password string) []callback.Answer {
		return []callback.Answer{
			{Type: callback.Name, Values: []any{"demo"}},
			{Type: callback.Password, Values: []any{password}},
		}
	}
	d, other := newDigester(bytes.Repeat([]byte{1}, 32)), newDigester(bytes.Repeat([]byte{2}, 32))
	const many = 50
	var all [many]digest
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range many {
				got, err := d.of(answers(fmt.Sprint(i)))
				if again, _ := d.of(answers(fmt.Sprint(i))); err != nil || again != got {
					t.Errorf("the same answers: %x and %x, %v", got, again, err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[digest]bool{}
	for i := range many {
		all[i], _ = d.of(answers(fmt.Sprint(i)))
		seen[all[i]] = true
	}
	foreign, _ := other.of(answers("0"))
	if len(seen) != many || foreign == all[0] {
		t.Errorf("%d digests of %d answers; under another key %x, under this %x", len(seen), many, foreign, all[0])
	}
	if _, err := d.of([]callback.Answer{{Values: []any{func() {}}}}); err == nil {
		t.Error("what is no JSON was digested")
	}
	if got, _ := d.of(answers("0")); got != all[0] {
		t.Error("a failure left something behind")
	}
}
