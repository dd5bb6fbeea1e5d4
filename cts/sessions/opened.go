package sessions

import (
	"crypto/sha256"
	"sync"

	"sojourn/cts/clientside"
	"sojourn/cts/session"
)

// maxOpened bounds the tokens whose content is remembered. Each takes about a
// kilobyte.
const maxOpened = 10_000

// opened remembers what tokens say, by a hash of their text, for reading one
// costs far more than looking it up: signatures and decryption. It knows nothing
// of validity, which is judged anew each time, and what it remembers counts for
// nothing once the keys are others: the one that a token was read with may be
// gone.
type opened struct {
	room int

	mu    sync.RWMutex
	known map[sum]reading
}

type sum [sha256.Size]byte

type reading struct {
	keys *clientside.Keys
	session.Session
}

func newOpened(room int) *opened { return &opened{room: room, known: map[sum]reading{}} }

// sumOf is of a text of at most session.MaxToken bytes. It allocates nothing.
func sumOf(text string) sum {
	var room [session.MaxToken]byte
	return sha256.Sum256(room[:copy(room[:], text)])
}

func (o *opened) get(at sum, keys *clientside.Keys) (session.Session, bool) {
	o.mu.RLock()
	found, ok := o.known[at]
	o.mu.RUnlock()
	return found.Session, ok && found.keys == keys
}

func (o *opened) put(at sum, keys *clientside.Keys, x session.Session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, there := o.known[at]; !there && len(o.known) >= o.room {
		for other := range o.known { // any one: maps are walked in no order
			delete(o.known, other)
			break
		}
	}
	o.known[at] = reading{keys, x}
}
