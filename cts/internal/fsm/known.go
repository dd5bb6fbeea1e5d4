package fsm

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"sojourn/cts/command"
)

// known answers most look-ups of keys that are not there without Badger: every
// new session asks for two. It is a Bloom filter: what it does not have is not
// in the store, what it has may be.
//
// That holds for the state at one index only. Transactions add their keys and
// move the index on; if it is not the one that the next transaction starts from,
// the store was replaced, and nothing is known until it has been read through.
// Keys that go stay in the filter, so it is made anew when it has taken as many
// as it was made for.
//
// Only raft's goroutine uses it.
type known struct {
	filter *filter // nil: nothing is known
	at     uint64  // the filter has all keys of the state at this index
	next   *reading
	off    bool // the store could not be read; its reader will say so
}

// reading is a filter in the making.
type reading struct {
	made chan *filter // of a state at or after the start; nil if that failed
	// since are the keys that were added since the start, hashed.
	since []uint64
}

// counts reports whether keys of this kind are worth knowing: they are looked
// up before they are inserted.
func counts(key []byte) bool { return command.ByID(key) }

// absent reports that a key is not in the store.
func (k *known) absent(key []byte) bool {
	return k.filter != nil && counts(key) && !k.filter.has(xxhash.Sum64(key))
}

func (k *known) add(key []byte) {
	if !counts(key) {
		return
	}
	h := xxhash.Sum64(key)
	if k.filter != nil {
		k.filter.add(h)
	}
	if k.next != nil {
		k.next.since = append(k.next.since, h)
	}
}

// begin is called before each transaction, with the index of the state that it
// starts from. read makes a filter of the state at or after that.
func (k *known) begin(at uint64, read func(made chan<- *filter)) {
	if k.at != at {
		*k = known{at: at}
	}
	if k.next != nil {
		k.take()
	}
	if k.next == nil && !k.off && (k.filter == nil || k.filter.room <= 0) {
		k.next = &reading{made: make(chan *filter, 1)}
		read(k.next.made)
	}
}

// take replaces the filter by the one in the making if that is ready.
func (k *known) take() {
	select {
	case made := <-k.next.made:
		k.filter, k.off = made, made == nil
		if made != nil {
			for _, h := range k.next.since {
				made.add(h)
			}
		}
		k.next = nil
	default:
	}
}

// readKnown makes a filter beside the work.
func (f *FSM) readKnown(made chan<- *filter) {
	f.side.Go(func() {
		all, err := f.keys()
		if err != nil {
			f.o.Log.Warn("cannot read all keys: writes take longer", "err", err)
		}
		made <- all
	})
}

// keys is a filter of what the store has now, nil while it is being closed.
func (f *FSM) keys() (all *filter, err error) {
	err = f.View(func(v View) error {
		m, err := v.Meta()
		if err != nil {
			return err
		}
		all = newFilter(2*m.Totals.Count + spareKeys)
		return v.Keys(nil, nil, func(key []byte) (bool, error) {
			if counts(key) {
				all.add(xxhash.Sum64(key))
			}
			return !f.closing.Load(), nil
		})
	})
	if err != nil || f.closing.Load() {
		return nil, err
	}
	return all, nil
}

// filter is a Bloom filter in blocks of one cache line.
type filter struct {
	blocks [][8]uint64
	room   int // how many more keys it is made for
}

const (
	// spareKeys is how many keys a filter is made for beyond twice what there is:
	// a small store is seldom read through.
	spareKeys = 1 << 16
	// A block of 512 bits for this many keys, with this many bits for each, gives
	// about one wrong answer in 300.
	keysPerBlock = 32
	bitsPerKey   = 6
)

func newFilter(keys uint64) *filter {
	return &filter{blocks: make([][8]uint64, keys/keysPerBlock+1), room: int(keys)} //nolint:gosec // far below
}

// place returns the block of a key, and a number whose upper bits, nine by nine,
// say where in it.
func (f *filter) place(h uint64) (block *[8]uint64, within uint64) {
	i, _ := bits.Mul64(h, uint64(len(f.blocks)))
	return &f.blocks[i], h * 0x9E3779B97F4A7C15
}

func (f *filter) add(h uint64) {
	f.room--
	block, within := f.place(h)
	for range bitsPerKey {
		block[within>>61] |= 1 << (within >> 55 & 63)
		within <<= 9
	}
}

func (f *filter) has(h uint64) bool {
	block, within := f.place(h)
	for range bitsPerKey {
		if block[within>>61]&(1<<(within>>55&63)) == 0 {
			return false
		}
		within <<= 9
	}
	return true
}
