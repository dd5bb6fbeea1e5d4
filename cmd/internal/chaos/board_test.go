package chaos

import (
	"math/rand/v2"
	"testing"
)

func TestBoard(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var b board
	if _, ok := b.pick(random); ok {
		t.Error("an empty board gave a session")
	}
	if _, ok := b.take(random); ok {
		t.Error("an empty board gave a session to end")
	}
	const made = 3 * endedKept
	for n := range made {
		b.post(session{number: n})
	}
	alive := map[int]bool{}
	for n := range made {
		alive[n] = true
	}
	for range made {
		s, ok := b.take(random)
		if !ok || !alive[s.number] {
			t.Fatalf("take gave %v, %v", s, ok)
		}
		delete(alive, s.number)
		b.bury(s)
		// Of those that a watcher sees the one that ended last is among the most.
		if last := b.ended[(b.next-1+len(b.ended))%len(b.ended)]; last != s {
			t.Fatalf("the one that ended last is %v, want %v", last, s)
		}
		for range 20 {
			if s, ok := b.watch(random); !ok || s.number >= made {
				t.Fatalf("watch gave %v, %v", s, ok)
			}
		}
	}
	if _, ok := b.take(random); ok {
		t.Error("more was taken than was posted")
	}
	if len(b.ended) != endedKept || len(b.all) != made || len(b.alive) != 0 {
		t.Errorf("%d ended, %d alive, %d of all", len(b.ended), len(b.alive), len(b.all))
	}
}
