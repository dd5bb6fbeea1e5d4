package actors

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"sojourn/actors/callback"
)

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
