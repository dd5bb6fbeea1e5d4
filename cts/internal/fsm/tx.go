package fsm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"sojourn/cts/command"
)

// tx is a command.Tx over one Badger transaction, or over several if its changes
// do not fit into one. The first fault sticks; the transaction is then dropped,
// not committed.
type tx struct {
	db     *badger.DB
	txn    *badger.Txn
	at     uint64 // reads see versions up to this
	index  uint64 // the log entry being applied
	totals *command.Totals
	known  *known
	admit  func() bool
	err    error

	// changes are all that were made, the first first.
	changes []change
	// latest says where in changes a key is for the last time. It is nil while txn
	// has all changes; from then on txn has none.
	latest map[string]int
	// emptied says that all keys are gone but those in changes and the store's own.
	emptied bool
}

func (t *tx) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// Get implements command.Tx.
func (t *tx) Get(key []byte) ([]byte, bool) {
	if t.known.absent(key) {
		return nil, false
	}
	if i, ok := t.latest[string(key)]; ok {
		return t.changes[i].value, !t.changes[i].gone
	}
	if t.emptied && !command.Own(key) {
		return nil, false
	}
	item, err := t.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false
	}
	if err != nil {
		t.fail(fmt.Errorf("read key %x: %w", key, err))
		return nil, false
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		t.fail(fmt.Errorf("read value of %x: %w", key, err))
		return nil, false
	}
	return value, true
}

func (t *tx) change(c change) {
	t.changes = append(t.changes, c)
	if t.latest != nil {
		t.latest[string(c.key)] = len(t.changes) - 1
		return
	}
	err := c.in(t.txn)
	if errors.Is(err, badger.ErrTxnTooBig) {
		t.outgrow()
	} else if err != nil {
		t.fail(fmt.Errorf("change key %x: %w", c.key, err))
	}
}

// outgrow keeps the changes out of Badger until commit.
func (t *tx) outgrow() {
	t.txn.Discard()
	t.txn = t.db.NewTransactionAt(t.at, false)
	t.latest = make(map[string]int, 2*len(t.changes))
	for i, c := range t.changes {
		t.latest[string(c.key)] = i
	}
}

// outgrown reports whether t is more than one of Badger's.
func (t *tx) outgrown() bool { return t != nil && t.latest != nil }

func (t *tx) set(key, value []byte) { t.change(change{key: key, value: value}) }

// Insert implements command.Tx.
func (t *tx) Insert(key, value []byte) {
	t.known.add(key)
	if !command.Own(key) {
		Add(t.totals, key, value)
	}
	t.set(key, value)
}

// Replace implements command.Tx.
func (t *tx) Replace(key, old, value []byte) {
	if !command.Own(key) {
		remove(t.totals, key, old)
		Add(t.totals, key, value)
	}
	t.set(key, value)
}

// Remove implements command.Tx.
func (t *tx) Remove(key, old []byte) {
	if !command.Own(key) {
		remove(t.totals, key, old)
	}
	t.change(change{key: key, gone: true})
}

// Totals implements command.Tx.
func (t *tx) Totals() command.Totals { return *t.totals }

// RemoveAll implements command.Tx. What is stored is not kept in memory as other
// changes are, so the entry must have a transaction of its own.
func (t *tx) RemoveAll() {
	view := t.db.NewTransactionAt(t.at, false)
	defer view.Discard()
	w := writer{db: t.db, version: t.index, admit: t.admit}
	err := scan(view, nil, nil, false, func(key, _ []byte) (bool, error) {
		if command.Own(key) {
			return true, nil
		}
		return true, w.write(change{key: append([]byte(nil), key...), gone: true})
	})
	if err = errors.Join(err, w.end()); err != nil {
		t.fail(fmt.Errorf("empty the store: %w", err))
	}
	t.changes = slices.DeleteFunc(t.changes, func(c change) bool { return !command.Own(c.key) })
	t.outgrow()
	t.emptied = true
	*t.totals = command.Totals{}
}

// commit makes the changes, the last of them last, with the version of the last
// log entry.
//
// Where they do not fit into one Badger transaction, nobody reads the first ones
// before the last is there: it says that these entries are applied, and readers
// name the index of an entry that is. If it never comes, the entries are applied
// again from the state before all of them, perhaps in other batches. A key that
// was left behind has the value that it has after the entry of its version, so
// from there on it is right, whether it is written again or not.
func (t *tx) commit(version uint64) error {
	if t.latest == nil {
		return t.txn.CommitAt(version, nil)
	}
	t.txn.Discard()
	w := writer{db: t.db, version: version, admit: t.admit}
	for i, c := range t.changes {
		if t.latest[string(c.key)] != i {
			continue
		}
		if err := w.write(c); err != nil {
			return err
		}
	}
	return w.end()
}

// scan calls visit for keys with a prefix, from a key on, in order, until it
// says false. Key and value are only valid during the call.
func scan(txn *badger.Txn, prefix, from []byte, values bool, visit func(key, value []byte) (bool, error)) error {
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false
	o.Prefix = prefix
	it := txn.NewIterator(o)
	defer it.Close()
	for it.Seek(append(append([]byte(nil), prefix...), from...)); it.Valid(); it.Next() {
		item := it.Item()
		more := true
		var err error
		if values {
			err = item.Value(func(value []byte) (err error) {
				more, err = visit(item.Key(), value)
				return err
			})
		} else {
			more, err = visit(item.Key(), nil)
		}
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
	return nil
}
