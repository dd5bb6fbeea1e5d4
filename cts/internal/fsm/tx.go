package fsm

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"sojourn/cts/command"
)

// tx is a command.Tx over one Badger transaction. The first fault sticks; the
// transaction is then dropped, not committed.
type tx struct {
	db     *badger.DB
	txn    *badger.Txn
	at     uint64 // reads see versions up to this
	index  uint64 // the log entry being applied
	totals *command.Totals
	known  *known
	err    error
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

func (t *tx) set(key, value []byte) {
	if err := t.txn.SetEntry(badger.NewEntry(key, value)); err != nil {
		t.fail(fmt.Errorf("write key %x: %w", key, err))
	}
}

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
	if err := t.txn.Delete(key); err != nil {
		t.fail(fmt.Errorf("delete key %x: %w", key, err))
	}
}

// Totals implements command.Tx.
func (t *tx) Totals() command.Totals { return *t.totals }

// RemoveAll implements command.Tx. It takes as many Badger transactions as it
// needs, all of the same version: a crash in between leaves versions that no
// reader sees until the entry is applied again. It must be the first command of
// a transaction to read.
func (t *tx) RemoveAll() {
	view := t.db.NewTransactionAt(t.at, false)
	defer view.Discard()
	err := scan(view, nil, nil, false, func(key, _ []byte) (bool, error) {
		if command.Own(key) {
			return true, nil
		}
		key = append([]byte(nil), key...)
		err := t.txn.Delete(key)
		if errors.Is(err, badger.ErrTxnTooBig) {
			if err := t.txn.CommitAt(t.index, nil); err != nil {
				return false, fmt.Errorf("commit a part: %w", err)
			}
			t.txn = t.db.NewTransactionAt(t.at, true)
			err = t.txn.Delete(key)
		}
		return true, err
	})
	if err != nil {
		t.fail(fmt.Errorf("empty the store: %w", err))
	}
	*t.totals = command.Totals{}
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
