package arena

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"

	"sojourn/actors/identity"
)

// In kept memory or not, a key is what golang.org/x/crypto derives: many at a
// time, one after the other in the same memory, and with parameters for which
// none is kept.
func TestAgainstAnOracle(t *testing.T) {
	var params []identity.Params
	for n := range maxKept + 2 {
		params = append(params, identity.Params{Memory: uint32(64 + 8*n), Time: 1 + uint32(n%3), Threads: 1 + uint8(n%4)}) //nolint:gosec // small
	}
	params = append(params, identity.DefaultParams(), identity.Params{Memory: maxMemory + 1, Time: 1, Threads: 2})
	var arenas Arenas
	for _, p := range params {
		var group sync.WaitGroup
		for worker := range 3 {
			group.Go(func() {
				for round := range 3 {
					password, salt := fmt.Append(nil, "password", worker, round), fmt.Append(nil, "saltsalt", round)
					size := uint32(16 + 16*round) //nolint:gosec // small
					got := arenas.Argon2id(p, password, salt, size)
					want := argon2.IDKey(password, salt, p.Time, p.Memory, p.Threads, size)
					if !bytes.Equal(got, want) {
						t.Errorf("%v: %x, want %x", p, got, want)
					}
				}
			})
		}
		group.Wait()
	}
	if n := len(arenas.kept); n != maxKept {
		t.Errorf("memory is kept for %d parameters, want %d", n, maxKept)
	}
}

// A hash finds the memory of the one before.
func TestMemoryIsKept(t *testing.T) {
	p := identity.Params{Memory: 8 << 10, Time: 1, Threads: 1}
	hash, err := identity.Make("password", p, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var arenas Arenas
	verify := func() {
		v, err := identity.Prepare(hash, "password")
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := v.Run(arenas.Argon2id); err != nil || !ok {
			t.Fatalf("Run = %t, %v", ok, err)
		}
	}
	verify()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const hashes = 40
	for range hashes {
		verify()
	}
	runtime.ReadMemStats(&after)
	// Collections take it now and then, and with the race detector the runtime
	// forgets a quarter of what it is to keep.
	if each, most := (after.TotalAlloc-before.TotalAlloc)/hashes, uint64(p.Memory<<10)/2; each > most {
		t.Errorf("a hash makes %d bytes of garbage, want %d at most", each, most)
	}
}
