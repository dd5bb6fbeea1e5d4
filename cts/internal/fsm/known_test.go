package fsm

import (
	"encoding/binary"
	"maps"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"sojourn/cts/command"
	"sojourn/cts/session"
)

func keyOf(n int) []byte {
	var id session.ID
	binary.BigEndian.PutUint64(id[:], uint64(n)) //nolint:gosec // small
	return command.SessionKey(id)
}

// TestKnownAgainstSet: whatever comes between, a key that is said to be absent
// is. Readings of the store end late, fail, or belong to a store that was
// replaced meanwhile.
func TestKnownAgainstSet(t *testing.T) {
	const keys = 40
	rapid.Check(t, func(rt *rapid.T) {
		store, at := map[int]bool{}, uint64(0)
		var k known
		type asked struct {
			made       chan<- *filter
			then, late map[int]bool // the store when it was asked for, and later on
		}
		var readings []asked
		one := rapid.IntRange(0, keys-1)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "op") {
			case 0, 1: // a transaction
				k.begin(at, func(made chan<- *filter) { readings = append(readings, asked{made, maps.Clone(store), store}) })
				for range rapid.IntRange(0, 3).Draw(rt, "commands") {
					n := one.Draw(rt, "key")
					if absent := k.absent(keyOf(n)); absent && store[n] {
						rt.Fatalf("key %d is there, and said to be absent", n)
					}
					k.add(keyOf(n))
					store[n] = true
				}
				at++
				k.at = at
			case 2: // a reading ends
				if len(readings) == 0 {
					continue
				}
				made := newFilter(rapid.Uint64Range(0, 50).Draw(rt, "room"))
				seen := readings[0].late
				if rapid.Bool().Draw(rt, "read at once") {
					seen = readings[0].then
				}
				for n := range seen {
					made.add(xxhash.Sum64(keyOf(n)))
				}
				if rapid.IntRange(0, 9).Draw(rt, "fails") == 0 {
					made = nil
				}
				readings[0].made <- made
				readings = readings[1:]
			case 3: // a key goes
				delete(store, one.Draw(rt, "gone"))
			case 4: // a snapshot takes the store's place
				store, at = map[int]bool{one.Draw(rt, "installed"): true}, at+2
			}
		}
	})
}

// TestKnownIsOfUse: keys that are not there are known to be absent, as soon as
// the store was read and for as many as the filter was made for.
func TestKnownIsOfUse(t *testing.T) {
	const n = 10_000
	var k known
	read := func(made chan<- *filter) { made <- newFilter(n) }
	k.begin(0, read)
	if k.absent(keyOf(0)) {
		t.Error("a key is known to be absent from a store that was not read")
	}
	k.begin(0, read)
	if key := command.MetaKey(); k.absent(key) {
		t.Errorf("%s, which is not counted, is said to be absent", key)
	}
	for i := range n {
		k.add(keyOf(i))
	}
	unknown := 0
	for i := n; i < 2*n; i++ {
		if !k.absent(keyOf(i)) {
			unknown++
		}
	}
	if unknown > n/100 {
		t.Errorf("%d of %d keys may be there, want next to none", unknown, n)
	}
	made := 0
	k.begin(0, func(chan<- *filter) { made++ })
	if made != 1 {
		t.Errorf("a full filter is made anew %d times, want once", made)
	}
}
