package fsm

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// change is a key's new value, or that it is gone.
type change struct {
	key, value []byte
	gone       bool
}

func (c change) in(txn *badger.Txn) error {
	if c.gone {
		return txn.Delete(c.key)
	}
	return txn.SetEntry(badger.NewEntry(c.key, c.value))
}

// writer makes changes of one version in as many Badger transactions as it takes.
type writer struct {
	db      *badger.DB
	version uint64
	// admit is asked before each transaction but the first; false is ErrClosed.
	admit func() bool
	txn   *badger.Txn // nil while it has no change
}

func (w *writer) write(c change) error {
	w.begin()
	err := c.in(w.txn)
	if errors.Is(err, badger.ErrTxnTooBig) {
		if err := w.end(); err != nil {
			return err
		}
		if !w.admit() {
			return ErrClosed
		}
		w.begin()
		err = c.in(w.txn)
	}
	if err != nil {
		return fmt.Errorf("change key %x: %w", c.key, err)
	}
	return nil
}

func (w *writer) begin() {
	if w.txn == nil {
		w.txn = w.db.NewTransactionAt(w.version, true)
	}
}

// end commits what is not committed yet.
func (w *writer) end() error {
	if w.txn == nil {
		return nil
	}
	txn := w.txn
	w.txn = nil
	if err := txn.CommitAt(w.version, nil); err != nil {
		return fmt.Errorf("commit a part: %w", err)
	}
	return nil
}
