// Package arena keeps the memory that password hashes are computed in.
package arena

import (
	"sync"

	"github.com/minio/argon2"

	"sojourn/actors/identity"
)

const (
	// maxMemory is the most memory of a hash that is kept for the next, in KiB.
	maxMemory = 64 << 10
	// maxKept is for how many parameters memory is kept.
	maxKept = 4
)

// Arenas keep the memory that argon2id works in from one hash to the next with the
// same parameters, wiped. Made anew each time, it would be 19 MiB of garbage: every
// few hashes the collector would look through all that a process holds, and the
// system hand out the pages again. The runtime takes it back when two collections
// have passed without a hash. Kept is what hashes at one time need, and at most one
// piece more for each processor: a sync.Pool does not look at one processor for all
// that was put in at another.
//
// The zero value is ready for use, by any number of goroutines.
type Arenas struct {
	mu   sync.Mutex
	kept map[identity.Params]idKey
}

// idKey derives size bytes with argon2id.
type idKey func(password, salt, secret, data []byte, size uint32) []byte

// Argon2id implements identity.Argon2id.
func (a *Arenas) Argon2id(p identity.Params, password, salt []byte, size uint32) []byte {
	if derive := a.of(p); derive != nil {
		return derive(password, salt, nil, nil, size)
	}
	return argon2.IDKey(password, salt, p.Time, p.Memory, p.Threads, size)
}

// of is nil where no memory is kept: parameters come with imported hashes, so
// there may be any number of them, of any size.
func (a *Arenas) of(p identity.Params) idKey {
	if p.Memory > maxMemory {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	derive := a.kept[p]
	if derive == nil && len(a.kept) < maxKept {
		if a.kept == nil {
			a.kept = map[identity.Params]idKey{}
		}
		derive = argon2.NewIDKey(p.Time, p.Memory, p.Threads)
		a.kept[p] = derive
	}
	return derive
}
